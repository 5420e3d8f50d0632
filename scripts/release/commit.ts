import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Version } from './version.ts'

/** Asks git in a repository. @returns what it printed, without the last newline */
export function git(repository: string, argv: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  return execFileSync('git', ['-c', 'core.autocrlf=false', ...argv], {
    cwd: repository,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  }).trimEnd()
}

/** The commit of the sources: the one checked out, or where that is a release's own commit, the one before it. */
export function sourceCommit(repository: string): string {
  const released = git(repository, ['ls-tree', '--name-only', 'HEAD', 'dist']) !== ''
  return git(repository, ['rev-parse', '--verify', released ? 'HEAD^' : 'HEAD'])
}

/** What runners need of the repository; all else is in its history, and not in the archive that they download. */
const forRunners = new Set(['action.yml', 'actions', '.github', 'dist', 'LICENSE', 'README.md'])

/**
 * Makes the commit that a release's tag names: the sources with `dist/` added, which no branch has. It is the same commit
 * wherever and whenever it is made, so anybody can make it again and compare.
 *
 * @param bundle the folder that becomes `dist/`
 * @returns its id; nothing names it yet
 */
export function releaseCommit(repository: string, source: string, bundle: string, { tag, number }: Version): string {
  const work = mkdtempSync(join(tmpdir(), 'yoe-commit-'))
  try {
    const index = { GIT_INDEX_FILE: join(work, 'index') }
    git(repository, ['read-tree', source], index)
    add(repository, index, bundle, 'dist')
    writeFileSync(join(work, 'attributes'), attributes(repository, source))
    const blob = git(repository, ['hash-object', '-w', '--no-filters', join(work, 'attributes')])
    git(repository, ['update-index', '--add', '--cacheinfo', `100644,${blob},.gitattributes`], index)
    const tree = git(repository, ['write-tree'], index)
    const date = `${git(repository, ['show', '--no-patch', '--format=%ct', source])} +0000`
    const message = `yoe ${number}\n\nThe sources of ${source} with their bundle; scripts/release.ts makes the same commit:\nnode scripts/release.ts assemble ${tag}`
    return git(repository, ['commit-tree', tree, '-p', source, '-m', message], {
      ...{ GIT_AUTHOR_NAME: 'yoe', GIT_AUTHOR_EMAIL: 'yoe@users.noreply.github.com', GIT_AUTHOR_DATE: date },
      ...{ GIT_COMMITTER_NAME: 'yoe', GIT_COMMITTER_EMAIL: 'yoe@users.noreply.github.com', GIT_COMMITTER_DATE: date },
    })
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Adds a folder to an index, byte by byte, whatever is configured or ignored. */
function add(repository: string, index: NodeJS.ProcessEnv, folder: string, as: string): void {
  const own = { GIT_INDEX_FILE: `${index['GIT_INDEX_FILE']}.folder` }
  const store = git(repository, ['rev-parse', '--absolute-git-dir'])
  const there = ['-c', 'core.attributesFile=/dev/null', '--git-dir', store, '--work-tree', '.']
  git(folder, [...there, 'add', '--force', '--all'], own)
  const tree = git(repository, ['write-tree'], own)
  git(repository, ['read-tree', `--prefix=${as}/`, tree], index)
}

/** Those of the sources, and what `git archive`, with which GitHub makes the archives of runners, leaves away. */
function attributes(repository: string, source: string): string {
  const top = git(repository, ['ls-tree', '--name-only', source]).split('\n')
  const own = top.includes('.gitattributes') ? `${git(repository, ['show', `${source}:.gitattributes`])}\n` : ''
  const ignored = top.filter((name) => !forRunners.has(name))
  return `${own}${ignored.map((name) => `/${name} export-ignore\n`).join('')}`
}
