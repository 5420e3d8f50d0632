import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { silent } from '#engine/events.ts'
import type { PackedPackage, SigningKey } from '#engine/formats.ts'
import type { PackageUnit } from '#engine/project/model.ts'
import { packDeb } from '../../../src/feeds/debian/pack.ts'
import { parseRelease } from '../../../src/feeds/debian/release-file.ts'
import type { DebianPublish } from '../../../src/feeds/debian/repository.ts'
import { type IndexEntry, parseIndex } from '../../../src/feeds/debian/stanza.ts'
import { binaryKeyring, verifiedText } from '../../../src/feeds/keys/openpgp.ts'
import { packInput, type Ran, run } from '../../support/making.ts'

export const suite = 'trixie'
/** When the tests' repositories are published: now, since apt looks at the real clock. */
export const now: number = Math.floor(Date.now() / 1000)

/** A small package without code. */
export async function debOf(folder: string, unit: Partial<PackageUnit>, content = 'hello\n'): Promise<PackedPackage> {
  const slug = `${unit.name ?? 'app'}-${unit.version ?? '1.0'}-${unit.release ?? 0}-${createHash('md5').update(content).digest('hex')}`
  const dest = join(folder, 'dest', slug)
  await mkdir(join(dest, 'usr/share/yoe-test'), { recursive: true })
  await writeFile(join(dest, 'usr/share/yoe-test', unit.name ?? 'app'), content)
  const [packed] = await packDeb(packInput(dest, join(folder, 'out', slug), { unit: { scope: 'noarch', ...unit } }))
  if (packed === undefined) throw new Error('nothing was packed')
  return packed
}

export function publishInput(
  root: string,
  signingKey: SigningKey,
  entries: readonly PackedPackage[],
  fields: Partial<DebianPublish> = {},
): DebianPublish {
  return {
    root,
    project: 'demo',
    distro: 'debian',
    suite,
    arch: 'x86_64',
    entries,
    signingKey,
    date: now,
    report: silent,
    ...fields,
  }
}

/**
 * Reads a repository as a careful device does: signature, index by digest, every package by digest.
 *
 * @returns the packages of amd64
 * @throws {Error} naming the first thing that is missing or wrong
 */
export async function readFeed(root: string, key: SigningKey): Promise<readonly IndexEntry[]> {
  const dists = join(root, 'dists', suite)
  const release = await verifiedText(await readFile(join(dists, 'InRelease'), 'utf8'), key)
  if (release === undefined) throw new Error('InRelease has no good signature')
  const { files } = parseRelease(release)
  const entries: IndexEntry[] = []
  for (const [path, { sha256, size }] of files) {
    const content = await readFile(join(dists, path, '..', 'by-hash/SHA256', sha256))
    if (content.length !== size || digest(content) !== sha256) throw new Error(`${path} differs from InRelease`)
    if (path.endsWith('/Packages')) entries.push(...parseIndex(content.toString(), path))
  }
  for (const { filename, size, sha256 } of entries) {
    const content = await readFile(join(root, filename))
    if (content.length !== size || digest(content) !== sha256) throw new Error(`${filename} differs from its index`)
  }
  return entries
}

const digest = (content: Buffer): string => createHash('sha256').update(content).digest('hex')

export const versionsOf = (entries: readonly IndexEntry[]): readonly string[] =>
  entries.map(({ name, version }) => `${name} ${version}`)

/** Everything in a folder but dot files, by name. */
export async function filesIn(folder: string): Promise<readonly string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true })
  return found
    .filter((each) => each.isFile())
    .map((each) => join(each.parentPath, each.name).slice(folder.length + 1))
    .filter((path) => !/(^|\/)\./.test(path))
    .sort()
}

/** An apt of its own: no host sources, no host state; it knows one feed and the key it is told. */
export interface Apt {
  get(...args: readonly string[]): Promise<Ran>
}

export async function aptFor(folder: string, uri: string, key: SigningKey): Promise<Apt> {
  const home = join(folder, `apt-${digest(Buffer.from(uri + key.fingerprint)).slice(0, 8)}`)
  const folders = [
    'state/lists/partial',
    'cache/archives/partial',
    'etc/sources.list.d',
    'etc/apt.conf.d',
    'etc/preferences.d',
  ]
  for (const each of folders) await mkdir(join(home, each), { recursive: true })
  const keyring = join(home, 'demo.gpg')
  await writeFile(keyring, await binaryKeyring(key))
  await writeFile(join(home, 'status'), '')
  await writeFile(
    join(home, 'etc/sources.list.d/demo.sources'),
    `Types: deb\nURIs: ${uri}\nSuites: ${suite}\nComponents: main\nSigned-By: ${keyring}\n`,
  )
  const config = join(home, 'apt.conf')
  const settings = {
    'Dir::Etc': join(home, 'etc'),
    'Dir::State': join(home, 'state'),
    'Dir::State::status': join(home, 'status'),
    'Dir::Cache': join(home, 'cache'),
    'Dir::Log': home,
    'APT::Architecture': 'amd64',
    'APT::Architectures': '',
    'APT::Sandbox::User': process.getuid?.() === 0 ? 'root' : '',
    'Acquire::Languages': 'none',
  }
  await writeFile(
    config,
    Object.entries(settings)
      .map(([name, value]) => `${name} "${value}";\n`)
      .join(''),
  )
  return { get: (...args) => run('apt-get', ['--quiet', ...args], { ...process.env, APT_CONFIG: config }) }
}
