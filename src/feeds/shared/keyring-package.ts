import { chmod, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Reporter } from '#engine/events.ts'
import type { PackedPackage, PackInput } from '#engine/formats.ts'
import { bareUnit } from '#engine/project/bare-unit.ts'
import type { PublicKeyFile } from '#engine/project/settings.ts'
import { nowhere } from '#engine/qa/package-parts.ts'
import { makeFolder } from '../publish/atomic.ts'

export interface KeyringInput {
  readonly project: string
  /** With all keys that devices shall believe. */
  readonly keys: readonly PublicKeyFile[]
  readonly distro: string
  /** Absolute and empty; the package stays in there. */
  readonly workdir: string
  readonly report: Reporter
}

/** Public keys are everybody's. */
export const keyringLicense = 'CC0-1.0'

/** What a format's keyring package is. */
export interface Keyring {
  readonly name: string
  /** Path on devices, without a leading slash, to content. */
  readonly files: ReadonlyMap<string, Uint8Array>
  /** When the keys became what they are: the package's version. */
  readonly changed: Date
  pack(input: PackInput): Promise<readonly PackedPackage[]>
}

/**
 * The package that brings the keys of a project's feed to devices which have it installed: when a key is replaced, they
 * get the new one by an ordinary upgrade. The same keys give the same bytes, whenever and by whom it is made; a rotation or
 * revocation raises its version, which is a time: `20300102030405678`.
 *
 * @throws {YoeError} BAD_NAME, DISK_FULL
 */
export async function packKeyring(input: KeyringInput, keyring: Keyring): Promise<PackedPackage> {
  const { project, distro, workdir, report } = input
  const { name, files, changed, pack } = keyring
  const destdir = join(workdir, 'destdir')
  const outdir = join(workdir, 'out')
  await makeFolder(outdir)
  // No configuration file: nobody is asked whether the key that is there should stay.
  for (const [path, content] of files) {
    const place = join(destdir, path)
    await makeFolder(dirname(place))
    await writeFile(place, content)
    await chmod(place, 0o644)
  }
  const at = { file: 'PROJECT.star', line: 1, column: 1 }
  const unit = {
    ...bareUnit(name, changed.toISOString().replaceAll(/\D/g, ''), at),
    description: `Keys of the package feed of ${project}`,
    license: keyringLicense,
    scope: 'noarch' as const,
  }
  const [packed] = await pack({
    unit,
    arch: 'x86_64',
    distro,
    destdir,
    outdir,
    runtimeDeps: [],
    libraries: new Map(),
    around: nowhere,
    report,
    maintainer: `${project} <${project}@localhost>`,
    sourceDateEpoch: Math.floor(changed.getTime() / 1000),
  })
  if (packed === undefined) throw new TypeError('a unit without files was packed')
  return packed
}
