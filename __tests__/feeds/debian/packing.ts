/** A package of some files, and what dpkg reads of it. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { PackInput } from '#engine/formats.ts'
import type { PackageUnit } from '#engine/project/model.ts'
import { packDeb } from '../../../src/feeds/debian/pack.ts'
import { type Files, install, packInput, run, scratch } from '../../support/making.ts'

interface Packed {
  readonly path: string
  readonly sha256: string
  readonly control: string
  readonly contents: string
  readonly controlFile: (name: string) => Promise<string>
}

export async function pack(
  t: TestContext,
  files: Files,
  unit: Partial<PackageUnit> = {},
  fields: Partial<Omit<PackInput, 'unit'>> = {},
  arrange: (destdir: string) => Promise<void> = async () => {},
): Promise<Packed> {
  const folder = await scratch(t)
  const destdir = join(folder, 'dest')
  await install(destdir, files)
  await arrange(destdir)
  const [packed] = await packDeb(packInput(destdir, join(folder, 'out'), { ...fields, unit }))
  assert.ok(packed !== undefined)
  return {
    ...packed,
    control: (await run('dpkg-deb', ['--field', packed.path])).stdout,
    contents: (await run('dpkg-deb', ['--contents', packed.path])).stdout,
    controlFile: async (name) => (await run('dpkg-deb', ['--info', packed.path, name])).stdout,
  }
}

export const field = (control: string, name: string): string | undefined =>
  new RegExp(`^${name}: (.*)$`, 'm').exec(control)?.[1]
