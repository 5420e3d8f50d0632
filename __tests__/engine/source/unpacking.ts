import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bwrapWorker } from '../../../src/engine/build/bwrap.ts'
import { removeTree } from '../../../src/engine/build/tree.ts'
import type { Worker } from '../../../src/engine/build/worker.ts'
import { YoeError } from '../../../src/engine/errors.ts'
import { unpackArchive } from '../../../src/engine/source/unpack.ts'
import type { Scratch } from '../store/fixture.ts'

export const worker = bwrapWorker()
const usable = await worker.probe()
/** Why nothing that needs a sandbox can be tested here; false when it can. */
export const skip = usable.ok ? false : usable.reason

/** Runs nothing. */
const noWorker: Worker = {
  name: 'none',
  probe: async () => ({ ok: true }),
  run: async ({ argv }) => {
    throw new Error(`${argv.join(' ')} was run`)
  },
  prepareWritable: async () => {},
  prepareReadable: async () => {},
}

export interface Unpacked {
  readonly error: YoeError | undefined
  readonly dest: string
}

/** Unpacks into `dest/` of a scratch folder, without a sandbox unless one is given. */
export async function unpack(
  scratch: Scratch,
  archive: Buffer | string,
  more: Partial<Parameters<typeof unpackArchive>[0]> = {},
): Promise<Unpacked> {
  chmodSync(scratch.path, 0o755)
  const dest = join(scratch.path, 'dest')
  await removeTree(dest)
  mkdirSync(dest)
  const path = typeof archive === 'string' ? archive : join(scratch.path, 'archive')
  if (typeof archive !== 'string') writeFileSync(path, archive)
  const error = await unpackArchive({
    worker: noWorker,
    root: 'host',
    archive: path,
    title: 'thing.tar',
    dest,
    strip: true,
    ...more,
  }).then(
    () => undefined,
    (failure: unknown) => {
      if (failure instanceof YoeError) return failure
      throw failure
    },
  )
  return { error, dest }
}

/** What a folder holds: paths with mode and content, links with where they lead; one character for each byte, sorted. */
export function listing(folder: string, under = ''): readonly string[] {
  const at = (path: string): Buffer => Buffer.from(`${Buffer.from(folder).toString('latin1')}/${path}`, 'latin1')
  return readdirSync(at(under), { encoding: 'latin1' })
    .sort()
    .flatMap((name) => {
      const path = under === '' ? name : `${under}/${name}`
      const info = lstatSync(at(path))
      if (info.isSymbolicLink()) return [`${path} -> ${readlinkSync(at(path), 'latin1')}`]
      const mode = (info.mode & 0o7777).toString(8)
      if (info.isDirectory()) return [`${path}/ ${mode}`, ...listing(folder, path)]
      return [`${path} ${mode} ${readFileSync(at(path), 'latin1')}`]
    })
}
