import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Reporter } from '#engine/events.ts'
import type { PackedPackage, SigningKey } from '#engine/formats.ts'
import { bareUnit } from '#engine/project/bare-unit.ts'
import { nowhere } from '#engine/qa/package-parts.ts'
import { binaryKeyring } from '../keys/openpgp.ts'
import { changedAt } from '../keys/openpgp-rotation.ts'
import { makeFolder } from '../publish/atomic.ts'
import { packDeb } from './pack.ts'

export interface KeyringInput {
  readonly project: string
  readonly key: SigningKey
  readonly distro: string
  readonly maintainer: string
  /** Absolute and empty; the package stays in there. */
  readonly workdir: string
  readonly report: Reporter
}

/**
 * The package that brings the keys of a project's feed to devices which have it installed: when a key is replaced, they
 * get the new one by an ordinary upgrade. The same keys give the same bytes; a rotation or revocation raises its version.
 *
 * @throws {YoeError} BAD_NAME, DISK_FULL
 */
export async function keyringPackage(input: KeyringInput): Promise<PackedPackage> {
  const { project, key, distro, maintainer, workdir, report } = input
  const destdir = join(workdir, 'destdir')
  const folder = join(destdir, 'etc/apt/keyrings')
  const outdir = join(workdir, 'out')
  await makeFolder(folder)
  await makeFolder(outdir)
  // No configuration file: nobody is asked whether the key that is there should stay.
  const keyring = join(folder, `${project}.gpg`)
  await writeFile(keyring, await binaryKeyring(key))
  await chmod(keyring, 0o644)
  const changed = await changedAt(key.publicKey)
  const version = changed.toISOString().replace(/[-T]/g, '.').replaceAll(':', '').slice(0, 17)
  const at = { file: 'PROJECT.star', line: 1, column: 1 }
  const unit = {
    ...bareUnit(keyringName(project), version, at),
    description: `Keys of the package feed of ${project}`,
    license: 'CC0-1.0',
    scope: 'noarch' as const,
  }
  const [packed] = await packDeb({
    unit,
    arch: 'x86_64',
    distro,
    destdir,
    outdir,
    runtimeDeps: [],
    libraries: new Map(),
    around: nowhere,
    report,
    maintainer,
    sourceDateEpoch: Math.floor(changed.getTime() / 1000),
  })
  if (packed === undefined) throw new TypeError('a unit without files was packed')
  return packed
}

/** As Debian calls such packages. */
export function keyringName(project: string): string {
  return `${project}-archive-keyring`
}
