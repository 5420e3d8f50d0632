/** The project of __tests__/fixtures/vendor-project, with feeds of its own that a test signs: nothing reaches a network. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { clearSign, makeKey, releaseText, sha256 } from '../feeds/debian/archive.ts'
import { checkout, projectIn, scratch, type TestProject } from './project.ts'

const fixture = join(checkout, '__tests__/fixtures/vendor-project')
const suites = { debian: 'trixie', ubuntu: 'noble' } as const
const arches = ['amd64', 'arm64']

export interface VendorProject extends TestProject {
  readonly cache: string
  /** What `YOE_MIRRORS` must be for its feeds to be found. */
  readonly mirrors: string
  /**
   * Makes an archive anew from `feeds/<distro>.packages` as it is now.
   * @param keepOld what it had before stays on offer by its digest
   */
  publish(distro: 'debian' | 'ubuntu', keepOld: boolean): Promise<void>
}

/** A copy of the fixture that is gone after the test. */
export async function vendorProject(t: TestContext): Promise<VendorProject> {
  const folder = scratch(t)
  const root = join(folder, 'project')
  cpSync(fixture, root, { recursive: true })
  const key = await makeKey({ date: new Date(Date.now() - 7_200_000) })
  const keyring = join(root, 'vendor/product-common/keys/archive.asc')
  mkdirSync(dirname(keyring), { recursive: true })
  writeFileSync(keyring, key.publicKey)
  /** Minutes ago. */
  let age = 60
  const publish: VendorProject['publish'] = async (distro, keepOld) => {
    const suite = suites[distro]
    const date = new Date(Date.now() - age-- * 60_000)
    const lines = readFileSync(join(root, `feeds/${distro}.packages`), 'utf8').split('\n')
    const text = Buffer.from(
      lines
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map(stanza)
        .join('\n'),
    )
    const files: Record<string, Buffer> = {}
    for (const arch of arches) {
      const own = Buffer.from(text.toString().replaceAll('@ARCH@', arch))
      files[`main/binary-${arch}/Packages`] = own
      files[`main/binary-${arch}/Packages.gz`] = gzipSync(own)
    }
    const release = releaseText(files, date, { Suite: suite, Codename: suite, Architectures: arches.join(' ') })
    const dists = join(folder, 'archive', distro, 'dists', suite)
    if (!keepOld) rmSync(dists, { recursive: true, force: true })
    mkdirSync(dists, { recursive: true })
    writeFileSync(join(dists, 'InRelease'), await clearSign(release, [key], { date }))
    for (const [path, data] of Object.entries(files)) {
      const hashed = join(dists, dirname(path), 'by-hash/SHA256', sha256(data))
      for (const place of [join(dists, path), hashed]) {
        mkdirSync(dirname(place), { recursive: true })
        writeFileSync(place, data)
      }
    }
  }
  await publish('debian', false)
  await publish('ubuntu', false)
  const mirrors = `http://deb.fleet.example=file://${join(folder, 'archive')},only`
  const cache = join(folder, 'cache')
  const made = projectIn(root, join(folder, 'home'), cache)
  const withMirrors: TestProject['start'] = (args, options) =>
    made.start(args, { ...options, env: { YOE_MIRRORS: mirrors, ...options?.env } })
  return {
    ...made,
    start: withMirrors,
    yoe: (args, options) => withMirrors(args, options).ended,
    cache,
    mirrors,
    publish,
  }
}

/** `name version size: depends ; provides ; flags` as a stanza of a Packages file. */
function stanza(line: string): string {
  const [, name = '', version = '', size = '', depends = '', provides = '', flags = ''] =
    /^(\S+) (\S+) (\d+):([^;]*);([^;]*);(.*)$/.exec(line) ?? []
  const conflicts = [...flags.matchAll(/conflicts=(\S+)/g)].map(([, other]) => other).join(', ')
  const fields: Readonly<Record<string, string>> = {
    Package: name,
    Version: version,
    Architecture: '@ARCH@',
    Essential: flags.includes('essential') ? 'yes' : '',
    Priority: flags.includes('essential') ? 'required' : 'optional',
    'Installed-Size': String(Math.ceil((Number(size) * 3) / 1024)),
    Depends: depends.trim(),
    Provides: provides.trim(),
    Conflicts: conflicts,
    Filename: `pool/${name}.deb`,
    Size: size,
    SHA256: sha256(`${name} ${version}`),
  }
  return Object.entries(fields)
    .filter(([, value]) => value !== '')
    .map(([field, value]) => `${field}: ${value}\n`)
    .join('')
}
