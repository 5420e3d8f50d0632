import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import { git, releaseCommit, sourceCommit } from './commit.ts'
import { npmPackage, type ReleaseRecord, singleFile } from './pack.ts'
import { changelogSection, type Version } from './version.ts'

/** What {@link assemble} leaves in its folder, besides `assets/`. */
export const parts = { record: 'release.json', notes: 'notes.md', commit: 'commit.bundle' } as const
export const checksums = 'SHA256SUMS'

/**
 * Makes all that a release is, in a folder, from the commit that is checked out: the commit that holds the bundle, tagged
 * in this clone and as a git bundle that another clone can fetch; `assets/` with the npm tarball, the single file and
 * their checksums; the notes. The same sources give the same commit and the same assets, wherever the clone lies.
 *
 * @param out absolute; what is in it goes
 * @throws {YoeError} USAGE when this commit is none that can be released so
 */
export function assemble(root: string, version: Version, repository: string, out: string): ReleaseRecord {
  const notes = changelogSection(readFileSync(join(root, 'CHANGELOG.md'), 'utf8'), version)
  checkVersion(root, version)
  checkClean(root)
  const source = sourceCommit(root)

  rmSync(out, { recursive: true, force: true })
  const assets = join(out, 'assets')
  mkdirSync(assets, { recursive: true })
  const work = mkdtempSync(join(tmpdir(), 'yoe-assemble-'))
  try {
    const bundle = join(work, 'dist')
    execFileSync(process.execPath, [...process.execArgv, join(root, 'scripts', 'bundle.ts'), bundle], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const commit = releaseCommit(root, source, bundle, version)
    tag(root, version.tag, commit)
    git(root, ['bundle', 'create', '--quiet', join(out, parts.commit), `refs/tags/${version.tag}`, `^${source}`])

    const record = { repository, version: version.tag, commit }
    const packed = npmPackage(root, bundle, record, version, work)
    const tarball = join(assets, basename(packed))
    renameSync(packed, tarball)
    singleFile(tarball, version, join(assets, 'yoe'))
    writeFileSync(join(assets, checksums), checksumsOf(assets))
    writeFileSync(join(out, parts.notes), `${notes}\n`)
    writeFileSync(join(out, parts.record), `${JSON.stringify(record, undefined, 2)}\n`)
    return record
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** The files of a folder as `sha256sum -c` reads them, but for the list itself. */
export function checksumsOf(assets: string): string {
  const names = readdirSync(assets).filter((name) => name !== checksums)
  const digest = (name: string): string =>
    createHash('sha256')
      .update(readFileSync(join(assets, name)))
      .digest('hex')
  return names
    .sort()
    .map((name) => `${digest(name)}  ${name}\n`)
    .join('')
}

function checkVersion(root: string, { number, tag }: Version): void {
  const { version }: { readonly version?: string } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  if (version === number) return
  throw new YoeError('USAGE', `package.json says ${version}, which is not ${tag}`, {
    hint: 'change it there and in src/engine/version.ts, and commit it: see docs/releasing.md',
  })
}

/** What is bundled is what is committed. */
function checkClean(root: string): void {
  const changed = git(root, ['status', '--porcelain'])
  if (changed === '') return
  throw new YoeError('USAGE', `what is checked out is not what is committed:\n${changed}`, {
    hint: 'release from a fresh clone',
  })
}

/** A tag that somebody made is the very commit that is made here, or wrong. */
function tag(root: string, name: string, commit: string): void {
  const there = git(root, ['for-each-ref', '--format=%(objectname)', `refs/tags/${name}`])
  if (there === commit) return
  if (there === '') return void git(root, ['update-ref', `refs/tags/${name}`, commit, ''])
  throw new YoeError('USAGE', `the tag ${name} is at ${there}, and these sources make ${commit}`, {
    hint: `a release's tag names the commit that holds the bundle: delete the tag where nobody uses it (git push --delete origin ${name}), and let the workflow make it`,
  })
}
