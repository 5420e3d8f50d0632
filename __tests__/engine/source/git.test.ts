import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { pathToFileURL } from 'node:url'
import { silent } from '../../../src/engine/events.ts'
import { createFetcher } from '../../../src/engine/source/download.ts'
import { fetchCommit as fetchParts, type GitInput } from '../../../src/engine/source/git.ts'
import { noMirrors } from '../../../src/engine/source/mirrors.ts'
import { litter, Scratch } from '../store/fixture.ts'
import { HostileServer, status } from './hostile-server.ts'

const fetchCommit = (input: Omit<GitInput, 'fetcher' | 'report'>): Promise<string> =>
  fetchParts({ fetcher: createFetcher({ mirrors: noMirrors, offline: input.offline }), report: silent, ...input })

const config = [
  '-c',
  'user.name=t',
  '-c',
  'user.email=t@t',
  '-c',
  'init.defaultBranch=main',
  '-c',
  'protocol.file.allow=always',
]

function git(folder: string, ...args: string[]): string {
  return execFileSync('git', ['-C', folder, ...config, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim()
}

/** A repository with a few commits; returns each one's id. */
function repository(folder: string): { url: string; commits: readonly string[] } {
  mkdirSync(folder)
  git(folder, 'init', '--quiet')
  writeFileSync(join(folder, 'run.sh'), '#!/bin/sh\n')
  chmodSync(join(folder, 'run.sh'), 0o755)
  symlinkSync('run.sh', join(folder, 'link'))
  // Attributes that would change or hide bytes, and a filter that would run a program.
  writeFileSync(
    join(folder, '.gitattributes'),
    'hidden export-ignore\nversion export-subst\n*.txt text eol=crlf\n*.evil filter=evil\n',
  )
  writeFileSync(join(folder, 'hidden'), 'hidden')
  writeFileSync(join(folder, 'version'), '$Format:%H$')
  writeFileSync(join(folder, 'a.txt'), 'one\ntwo\n')
  const commits = ['1', '2', '3'].map((content) => {
    writeFileSync(join(folder, 'file'), content)
    git(folder, 'add', '--all')
    git(folder, 'commit', '--quiet', '-m', content)
    return git(folder, 'rev-parse', 'HEAD')
  })
  return { url: pathToFileURL(folder).href, commits }
}

function listing(tar: string, scratch: Scratch): Record<string, string> {
  const out = join(scratch.path, `out-${Math.random()}`)
  mkdirSync(out)
  execFileSync('tar', ['-xf', tar, '-C', out])
  return Object.fromEntries(
    readdirSync(out)
      .sort()
      .map((name) => [name, name === 'link' ? 'link' : execFileSync('cat', [join(out, name)], { encoding: 'utf8' })]),
  )
}

test('git: a commit’s tree arrives as it was committed, whatever attributes say, and is kept', async () => {
  await using scratch = new Scratch()
  const store = await scratch.store()
  const { url, commits } = repository(join(scratch.path, 'origin'))
  const want = (file: string) => ({
    '.gitattributes': 'hidden export-ignore\nversion export-subst\n*.txt text eol=crlf\n*.evil filter=evil\n',
    'a.txt': 'one\ntwo\n',
    file,
    hidden: 'hidden',
    link: 'link',
    'run.sh': '#!/bin/sh\n',
    version: '$Format:%H$',
  })
  const fetch = (commit: string, offline = false) => fetchCommit({ url, candidates: [url], commit, store, offline })
  const paths: string[] = []
  for (const [index, commit] of commits.entries()) {
    paths.push(await fetch(commit))
    assert.deepEqual(listing(paths.at(-1) ?? '', scratch), want(`${index + 1}`))
  }
  rmSync(join(scratch.path, 'origin'), { recursive: true })
  assert.deepEqual(
    await Promise.all(commits.map((commit) => fetch(commit, true))),
    paths,
    'the same bytes, without the origin',
  )
  assert.deepEqual(litter(store.root), [])
})

test('git: an old commit comes too where a server gives only branches away', async () => {
  await using scratch = new Scratch()
  const store = await scratch.store()
  const { url, commits } = repository(join(scratch.path, 'origin'))
  git(join(scratch.path, 'origin'), 'config', 'uploadpack.allowAnySHA1InWant', 'false')
  const [oldest = ''] = commits
  // Protocol 0 refuses commits that are no branch's tip.
  process.env['GIT_CONFIG_COUNT'] = '1'
  process.env['GIT_CONFIG_KEY_0'] = 'protocol.version'
  process.env['GIT_CONFIG_VALUE_0'] = '0'
  try {
    assert.ok(await fetchCommit({ url, candidates: [url], commit: oldest, store, offline: false }))
  } finally {
    for (const name of ['COUNT', 'KEY_0', 'VALUE_0']) delete process.env[`GIT_CONFIG_${name}`]
  }
})

const refusals: readonly { name: string; url?: string; commit?: string; want: RegExp; code: string }[] = [
  {
    name: 'B15 a commit that is an option',
    commit: '--upload-pack=touch pwned',
    want: /is no commit/,
    code: 'BAD_FIELD',
  },
  { name: 'B15 a branch as a commit', commit: 'main', want: /is no commit/, code: 'BAD_FIELD' },
  { name: 'B15 an address that is an option', url: '--upload-pack=touch pwned', want: /no address/, code: 'BAD_FIELD' },
  { name: 'an address that is a program', url: 'ext::sh -c touch% pwned', want: /no address/, code: 'BAD_FIELD' },
  { name: 'an address that is a path', url: '/etc', want: /no address/, code: 'BAD_FIELD' },
  {
    name: 'a host that is an option',
    url: 'ssh://-oProxyCommand=touch%20pwned/x',
    want: /no address/,
    code: 'BAD_FIELD',
  },
  {
    name: 'a host that is an option, the short way',
    url: 'git@-oProxyCommand=x:y',
    want: /no address/,
    code: 'BAD_FIELD',
  },
  {
    name: 'a commit that nobody has',
    commit: `${'0'.repeat(39)}1`,
    want: /commit 0+1 can't be fetched\n {2}file:.*: /,
    code: 'FETCH_FAILED',
  },
]
for (const { name, url, commit, want, code } of refusals) {
  test(`git: ${name} is refused`, async () => {
    await using scratch = new Scratch()
    const store = await scratch.store()
    const origin = repository(join(scratch.path, 'origin'))
    const address = url ?? origin.url
    const cwd = process.cwd()
    process.chdir(scratch.path)
    try {
      await assert.rejects(
        fetchCommit({
          url: address,
          candidates: [address],
          commit: commit ?? origin.commits[0] ?? '',
          store,
          offline: false,
        }),
        { code, message: want },
      )
    } finally {
      process.chdir(cwd)
    }
    assert.ok(!existsSync(join(scratch.path, 'pwned')))
  })
}

test('git: nothing of a hostile repository runs', async () => {
  await using scratch = new Scratch()
  const store = await scratch.store()
  const origin = join(scratch.path, 'origin')
  repository(origin)
  const inner = repository(join(scratch.path, 'inner'))
  git(origin, 'submodule', '--quiet', 'add', inner.url, 'sub')
  git(origin, 'commit', '--quiet', '-m', 'submodule')
  const pwned = join(scratch.path, 'pwned')
  const home = join(scratch.path, 'home')
  mkdirSync(join(home, 'hooks'), { recursive: true })
  for (const hook of ['post-checkout', 'reference-transaction', 'post-merge', 'pre-auto-gc', 'fsmonitor-watchman']) {
    writeFileSync(join(home, 'hooks', hook), `#!/bin/sh\necho ${hook} >> ${pwned}\n`, { mode: 0o755 })
  }
  writeFileSync(
    join(home, '.gitconfig'),
    `[core]\nhooksPath = ${home}/hooks\n[filter "evil"]\nsmudge = touch ${pwned}\n`,
  )
  const before = process.env['HOME']
  process.env['HOME'] = home
  try {
    const url = pathToFileURL(origin).href
    const tar = await fetchCommit({
      url,
      candidates: [url],
      commit: git(origin, 'rev-parse', 'HEAD'),
      store,
      offline: false,
    })
    assert.ok(tar)
  } finally {
    process.env['HOME'] = before
  }
  assert.ok(!existsSync(pwned))
})

test('git: each address is tried and told with its reason, without credentials; offline asks nobody', async () => {
  await using scratch = new Scratch()
  const store = await scratch.store()
  const { url, commits } = repository(join(scratch.path, 'origin'))
  const [commit = ''] = commits
  await using server = await HostileServer.start({
    '/x/info/refs?service=git-upload-pack': status(401, 'Unauthorized', { 'WWW-Authenticate': 'Basic realm="x"' }),
  })
  const secret = server.url('/x').replace('//', '//me:hush@')
  await assert.rejects(
    fetchCommit({ url: secret, candidates: [secret, `${url}-gone`], commit, store, offline: false }),
    (failure: Error) => {
      assert.match(failure.message, /can't be fetched\n {2}http:\/\/\*\*\*@127.*: fatal: .*\n {2}file:.*gone: fatal: /)
      assert.doesNotMatch(failure.message, /hush/)
      return true
    },
  )
  const asked = server.asked.length
  await assert.rejects(fetchCommit({ url: secret, candidates: [secret], commit, store, offline: true }), {
    code: 'FETCH_FAILED',
    message: /works offline/,
  })
  assert.equal(server.asked.length, asked)
  assert.ok(
    await fetchCommit({ url: secret, candidates: [secret, url], commit, store, offline: false }),
    'a mirror serves',
  )
})

test('git: cancelling ends it', async () => {
  await using scratch = new Scratch()
  const store = await scratch.store()
  await using server = await HostileServer.start({ '/x/info/refs?service=git-upload-pack': () => {} })
  const url = server.url('/x')
  await assert.rejects(
    fetchCommit({
      url,
      candidates: [url],
      commit: '0'.repeat(40),
      store,
      offline: false,
      signal: AbortSignal.timeout(300),
    }),
    { code: 'CANCELLED' },
  )
})
