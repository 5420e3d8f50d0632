import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import { YoeError } from '#engine/errors.ts'
import type { TextFile } from '../shared/feed-state.ts'
import type { Release } from './release.ts'

/** A Packages file as a verified Release describes it; `path` is relative to the suite's folder. */
export type PackagesFile = TextFile

/** Bytes of an index, decompressed. */
const textLimit = 300 * 2 ** 20

// Node unpacks gzip by itself; xz needs the host's tool.
const endings = ['.gz', '.xz', '']

/**
 * The Packages files for one architecture, one for each component, and another where packages for all architectures are
 * listed apart.
 *
 * @param arch Debian's spelling
 * @throws {YoeError} FEED_INVALID when the Release lists none
 */
export function packagesFiles(
  release: Release,
  components: readonly string[],
  arch: string,
  feed: string,
): readonly PackagesFile[] {
  const arches = release.allIncluded ? [arch] : [arch, 'all']
  return components.flatMap((component) =>
    arches.flatMap((one) => {
      const base = `${component}/binary-${one}/Packages`
      const text = release.files.get(base)
      for (const ending of endings) {
        const file = release.files.get(`${base}${ending}`)
        if (file === undefined) continue
        return [
          {
            path: file.path,
            size: file.size,
            sha256: file.sha256,
            ...(file.sha512 === undefined ? {} : { sha512: file.sha512 }),
            ...(text === undefined ? {} : { text: { size: text.size, sha256: text.sha256 } }),
          },
        ]
      }
      if (one === 'all') return []
      throw new YoeError('FEED_INVALID', `feed ${feed}: its archive has no ${base} for component ${component}`, {
        hint: `it has these architectures: ${release.architectures.filter((known) => known !== 'all').join(', ')}`,
      })
    }),
  )
}

/**
 * Unpacks a fetched Packages file and checks it against what the Release says of it.
 *
 * @param packed a file whose SHA-256 held
 * @throws {YoeError} FEED_INVALID, TOOL_MISSING
 */
export function readPackages(packed: Buffer, file: PackagesFile, feed: string): Buffer {
  const invalid = (reason: string, cause?: unknown): YoeError =>
    new YoeError('FEED_INVALID', `feed ${feed}: ${file.path} ${reason}`, {
      hint: 'the archive is at fault; ask who runs it, or use another mirror',
      cause,
    })
  const limit = file.text?.size ?? textLimit
  if (limit > textLimit) throw invalid(`unpacks to ${limit} bytes, more than the ${textLimit} that are accepted`)
  if (file.sha512 !== undefined && createHash('sha512').update(packed).digest('hex') !== file.sha512) {
    throw invalid('has another SHA512 than the Release says, though its SHA256 is right')
  }
  let text: Buffer
  if (file.path.endsWith('.gz')) {
    try {
      // One byte more than expected tells that there is more.
      text = gunzipSync(packed, { maxOutputLength: limit + 1, chunkSize: Math.max(65_536, limit + 1) })
    } catch (failure) {
      throw invalid(`can't be unpacked, or not into ${limit} bytes`, failure)
    }
  } else if (file.path.endsWith('.xz')) text = unxz(packed, limit, invalid)
  else text = packed
  if (text.length > limit || (file.text !== undefined && text.length !== file.text.size)) {
    throw invalid(`holds ${text.length} bytes, the Release says ${limit}`)
  }
  if (file.text !== undefined && createHash('sha256').update(text).digest('hex') !== file.text.sha256) {
    throw invalid('holds another text than the Release says')
  }
  return text
}

function unxz(packed: Buffer, limit: number, invalid: (reason: string, cause?: unknown) => YoeError): Buffer {
  const run = spawnSync('xz', ['-dc'], {
    input: packed,
    maxBuffer: limit + 1,
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
  })
  if (run.error !== undefined && 'code' in run.error && run.error.code === 'ENOENT') {
    throw new YoeError('TOOL_MISSING', "this machine lacks xz, and the feed's index is packed with it", {
      hint: 'sudo apt-get install xz-utils',
    })
  }
  if (run.status !== 0) throw invalid(`can't be unpacked, or not into ${limit} bytes`, run.error)
  return run.stdout
}
