import { lstat, open, readdir, rename, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { plainModes } from '../build/tree.ts'
import { defaultLimits, type Worker } from '../build/worker.ts'
import { YoeError } from '../errors.ts'
import { tempName } from '../store/temp.ts'
import { defaultTreeLimits, guardTree, type TreeLimits } from './guard.ts'

export interface UnpackInput {
  readonly worker: Worker
  /** Root whose tar and unzip do the work: the unit's toolchain. */
  readonly root: string | 'host'
  /** Absolute path of the archive, whose content says what it is. */
  readonly archive: string
  /** Names it in errors. */
  readonly title: string
  /** Empty folder. */
  readonly dest: string
  /** Whether a single folder at the top gives way to its content. */
  readonly strip: boolean
  readonly limits?: TreeLimits
  readonly log: (chunk: Uint8Array) => void
  readonly signal?: AbortSignal | undefined
}

/** What an archive is, by its first bytes: the tool that reads it, and the program that tar calls for it. */
const kinds = [
  { magic: '1f8b', tool: 'tar', helper: 'gzip', package: 'gzip' },
  { magic: 'fd377a585a00', tool: 'tar', helper: 'xz', package: 'xz-utils' },
  { magic: '28b52ffd', tool: 'tar', helper: 'zstd', package: 'zstd' },
  { magic: '425a68', tool: 'tar', helper: 'bzip2', package: 'bzip2' },
  { magic: '4c5a4950', tool: 'tar', helper: 'lzip', package: 'lzip' },
  { magic: '504b0304', tool: 'unzip', helper: 'unzip', package: 'unzip' },
  { magic: '504b0506', tool: 'unzip', helper: 'unzip', package: 'unzip' },
] as const

const archivePath = '/build/archive'
const destPath = '/build/src'

/**
 * Unpacks a source archive (tar, also compressed by gzip, bzip2, xz, zstd or lzip, and zip) inside the sandbox. As in a
 * folder of the project, of modes only the executable bit counts.
 *
 * @throws {YoeError} ARCHIVE_UNSAFE for names that leave the folder, devices, set-id programs, and what is over the
 *   limits; TOOL_MISSING when the root lacks a tool; DISK_FULL; CANCELLED
 */
export async function unpackArchive(input: UnpackInput): Promise<void> {
  const { worker, root, archive, title, dest, log } = input
  const kind = await kindOf(archive)
  const argv =
    kind?.tool === 'unzip'
      ? ['unzip', '-o', archivePath, '-d', destPath]
      : [
          'tar',
          '--extract',
          `--file=${archivePath}`,
          `--directory=${destPath}`,
          '--no-same-owner',
          '--no-same-permissions',
        ]
  let said = ''
  let rest = ''
  await worker.prepareWritable(dest)
  const limits = input.limits ?? defaultTreeLimits
  const guard = guardTree(dest, limits, input.signal)
  const result = await worker
    .run({
      root,
      argv,
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      cwd: '/',
      mounts: [
        { source: archive, target: archivePath, writable: false },
        { source: dest, target: destPath, writable: true },
      ],
      network: false,
      identity: 'user',
      // Unpacking says nothing while all is well.
      limits: {
        ...defaultLimits,
        silenceSeconds: defaultLimits.wallSeconds,
        fileBytes: Math.min(limits.bytes, defaultLimits.fileBytes),
      },
      output: (chunk) => {
        // unzip lists every file, and says nothing of mended names when it is told to be quiet.
        rest = (rest + Buffer.from(chunk).toString('latin1')).replace(
          /^ +(?:inflating|extracting|creating|linking): .*\n|^Archive: .*\n/gm,
          '',
        )
        const end = rest.lastIndexOf('\n') + 1
        if (said.length < 10_000) said += rest.slice(0, end)
        log(Buffer.from(rest.slice(0, end), 'latin1'))
        rest = rest.slice(end).slice(0, 10_000)
      },
      signal: guard.signal,
    })
    .catch((failure: unknown) => {
      throw guard.crossed(title) ?? failure
    })
    .finally(() => guard.stop())
  said += rest
  await worker.prepareWritable(dest)
  if (result.kind === 'killed') throw guard.crossed(title) ?? unsafe(title, result.why)
  if (result.code !== 0) throw failureOf(title, kind, result.code, said)
  // Both tools mend such names and go on; what was meant is not known then.
  const mended = /^tar: Removing leading .*$|^warning: +(?:skipped "\.\.\/"|stripped absolute) .*$/m.exec(said)?.[0]
  if (mended !== undefined) throw unsafe(title, `it has names outside of its folder (${mended})`)
  await guard.check(title)
  await plainModes(dest)
  if (input.strip) await liftOnlyFolder(dest)
}

async function kindOf(archive: string): Promise<(typeof kinds)[number] | undefined> {
  const file = await open(archive, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(8), 0, 8, 0)
    const start = buffer.subarray(0, bytesRead).toString('hex')
    return kinds.find(({ magic }) => start.startsWith(magic))
  } finally {
    await file.close()
  }
}

function failureOf(title: string, kind: (typeof kinds)[number] | undefined, code: number, said: string): YoeError {
  if (/No space left on device|disk full/i.test(said)) {
    return new YoeError('DISK_FULL', `there is no room to unpack ${title}`, { hint: 'free some: yoe clean' })
  }
  const missing = code === 127 || /Cannot exec|Cannot run|execvp|not found/.test(said)
  if (kind !== undefined && missing) {
    return new YoeError('TOOL_MISSING', `the toolchain can't unpack ${title}: it has no ${kind.helper}`, {
      hint: `add "${kind.package}" to the packages of the unit's toolchain`,
    })
  }
  return unsafe(title, said.trim().split('\n').slice(0, 3).join('; ') || `the tool ended with ${code}`)
}

function unsafe(title: string, reason: string): YoeError {
  return new YoeError('ARCHIVE_UNSAFE', `${title} can't be unpacked: ${reason}`)
}

/** `zlib-1.3/…` becomes `…`, as every build system does. */
async function liftOnlyFolder(dest: string): Promise<void> {
  const [only, ...others] = await readdir(dest)
  if (only === undefined || others.length > 0 || !(await lstat(join(dest, only))).isDirectory()) return
  // The folder may hold something of its own name.
  const aside = join(dest, tempName())
  await rename(join(dest, only), aside)
  for (const name of await readdir(aside)) await rename(join(aside, name), join(dest, name))
  await rmdir(aside)
}
