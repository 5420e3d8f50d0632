import { chmod, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Reporter } from '#engine/events.ts'
import type { PackedPackage, PackInput, SigningKey } from '#engine/formats.ts'
import { bareUnit } from '#engine/project/bare-unit.ts'
import { nowhere } from '#engine/qa/package-parts.ts'
import { makeFolder } from '../publish/atomic.ts'

export interface KeyringInput {
  readonly project: string
  readonly key: SigningKey
  readonly distro: string
  readonly maintainer: string
  /** Absolute and empty; the package stays in there. */
  readonly workdir: string
  readonly report: Reporter
}

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
 * get the new one by an ordinary upgrade. The same keys give the same bytes; a rotation or revocation raises its version.
 *
 * @throws {YoeError} BAD_NAME, DISK_FULL
 */
export async function packKeyring(input: KeyringInput, keyring: Keyring): Promise<PackedPackage> {
  const { project, distro, maintainer, workdir, report } = input
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
  const version = changed.toISOString().replace(/[-T]/g, '.').replaceAll(':', '').slice(0, 17)
  const at = { file: 'PROJECT.star', line: 1, column: 1 }
  const unit = {
    ...bareUnit(name, version, at),
    description: `Keys of the package feed of ${project}`,
    license: 'CC0-1.0',
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
    maintainer,
    sourceDateEpoch: Math.floor(changed.getTime() / 1000),
  })
  if (packed === undefined) throw new TypeError('a unit without files was packed')
  return packed
}
