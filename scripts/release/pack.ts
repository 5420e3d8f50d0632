import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Version } from './version.ts'

/** What `release.json` says: which actions belong to this yoe. @see src/toolkit/release.ts, which reads it */
export interface ReleaseRecord {
  /** `owner/repository`. */
  readonly repository: string
  readonly version: string
  readonly commit: string
}

/**
 * Makes the npm package: JavaScript only, since Node strips no types below node_modules, and all of it in the bundle, so
 * that installing it fetches nothing else and builds nothing.
 *
 * @param into absolute, empty
 * @returns path of the tarball, in `into`
 */
export function npmPackage(
  root: string,
  bundle: string,
  record: ReleaseRecord,
  version: Version,
  into: string,
): string {
  const folder = join(into, 'package')
  mkdirSync(folder)
  cpSync(bundle, join(folder, 'dist'), { recursive: true })
  cpSync(join(root, 'docs', 'schemas'), join(folder, 'schemas'), { recursive: true })
  writeFileSync(join(folder, 'dist', 'release.json'), `${JSON.stringify(record, undefined, 2)}\n`)
  for (const file of ['README.md', 'LICENSE']) copyFileSync(join(root, file), join(folder, file))
  const own: Readonly<Record<string, unknown>> = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const manifest = {
    ...{ name: own['name'], version: version.number, description: own['description'], license: own['license'] },
    ...{ type: 'module', engines: own['engines'], bin: { yoe: 'dist/yoe.js' }, files: ['dist', 'schemas'] },
    // What npm compares with the repository that publishes.
    repository: { type: 'git', url: `git+https://github.com/${record.repository}.git` },
  }
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`)
  execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', into], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [tarball] = readdirSync(into).filter((name) => name.endsWith('.tgz'))
  if (tarball === undefined) throw new Error('npm pack left no tarball')
  return join(into, tarball)
}

/** Makes the command line in one file: a script, and the npm package behind it. */
export function singleFile(tarball: string, { number }: Version, path: string): void {
  const payload = readFileSync(tarball)
  const sha256 = createHash('sha256').update(payload).digest('hex')
  const template = readFileSync(join(import.meta.dirname, 'self-unpacking.sh'), 'utf8')
    .replaceAll('@VERSION@', number)
    .replaceAll('@DIGEST@', sha256.slice(0, 16))
    .replaceAll('@SHA256@', sha256)
  // As many digits for every offset, so that the script's own length is known.
  const offset = String(Buffer.byteLength(template.replaceAll('@OFFSET@', '00000')) + 1).padStart(5, '0')
  writeFileSync(path, Buffer.concat([Buffer.from(template.replaceAll('@OFFSET@', offset)), payload]))
  chmodSync(path, 0o755)
}
