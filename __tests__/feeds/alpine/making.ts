/** Packages and repositories of tests of the Alpine side. */
import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { silent } from '#engine/events.ts'
import type { PackedPackage, PackInput, RepositoryEntry, SigningKey } from '#engine/formats.ts'
import type { PackageUnit } from '#engine/project/model.ts'
import { publicKeyFiles } from '../../../src/feeds/alpine/keyring-package.ts'
import { packApk } from '../../../src/feeds/alpine/pack.ts'
import type { AlpinePublish } from '../../../src/feeds/alpine/repository.ts'
import { type Files, install, packInput } from '../../support/making.ts'

export const date = 1_700_000_000

/** The packages of a unit with these files. */
export async function packed(
  folder: string,
  files: Files,
  unit: Partial<PackageUnit> = {},
  more: Partial<Omit<PackInput, 'unit'>> = {},
): Promise<readonly PackedPackage[]> {
  const name = `${unit.name ?? 'app'}-${unit.version ?? '1.0'}`
  const destdir = join(folder, `dest-${name}`)
  await install(destdir, files)
  return packApk(packInput(destdir, join(folder, `out-${name}`), { distro: 'alpine', unit, ...more }))
}

/** The one package of a unit. */
export async function apkOf(folder: string, unit: Partial<PackageUnit> = {}, files?: Files): Promise<PackedPackage> {
  const { name = 'app' } = unit
  const [only] = await packed(folder, files ?? { [`usr/share/${name}/file`]: `${name}\n` }, unit)
  if (only === undefined) throw new TypeError('nothing was packed')
  return only
}

export function publishInput(
  root: string,
  signingKey: SigningKey,
  entries: readonly RepositoryEntry[],
  more: Partial<AlpinePublish> = {},
): AlpinePublish {
  const names = { project: 'demo', distro: 'alpine', suite: 'v3.19', arch: 'x86_64' } as const
  return { root, ...names, entries, signingKey, date, report: silent, ...more }
}

/** A folder of a key's public halves, as devices have it. */
export async function keysFolder(folder: string, key: SigningKey, name = 'keys'): Promise<string> {
  const place = join(folder, name)
  await mkdir(place, { recursive: true })
  for (const [file, pem] of await publicKeyFiles(key)) await writeFile(join(place, file), pem)
  return place
}

/** A file of a gzipped tar. */
export async function memberOf(archive: string, name: string): Promise<string> {
  const { stdout } = await promisify(execFile)('tar', ['-xzOf', archive, name], { maxBuffer: 64 << 20 })
  return stdout
}
