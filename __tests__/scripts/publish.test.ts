import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { YoeError } from '#engine/errors.ts'
import { Releases } from '#github/releases.ts'
import { GitHubRest } from '#github/rest.ts'
import { assemble } from '../../scripts/release/assemble.ts'
import { publish } from '../../scripts/release/publish.ts'
import { parseVersion } from '../../scripts/release/version.ts'
import type { TestRepository } from '../support/git.ts'
import { type GitHub, startGitHub } from '../support/github-rest.ts'
import { ending } from '../support/processes.ts'
import { releasedRepository } from '../support/released-repository.ts'

let dir: string
let github: GitHub
let repository: TestRepository
let from: string
let commit: string
/** A bare repository that tags are pushed to. */
let remote: string

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'yoe-publish-test-'))
  github = await startGitHub()
  repository = releasedRepository(join(dir, 'repository'))
  from = join(dir, 'out')
  commit = assemble(repository.folder, parseVersion('v1.2.3'), 'octo/widgets', from).commit
})
after(async () => {
  await github.close()
  rmSync(dir, { recursive: true, force: true })
})
beforeEach(() => {
  github.releases.length = 0
  github.requests.length = 0
  github.tags.clear()
  github.intercept = undefined
  remote = mkdtempSync(join(dir, 'remote-'))
  repository.git('clone', '--quiet', '--bare', '--no-tags', repository.folder, remote)
  repository.git('-C', remote, 'tag', '--delete', ...remoteTags().keys())
})

const remoteTags = (): ReadonlyMap<string, string> =>
  new Map(
    repository
      .git('-C', remote, 'for-each-ref', '--format=%(refname:short) %(objectname)', 'refs/tags')
      .split('\n')
      .flatMap((line) => (line === '' ? [] : [[line.split(' ')[0] ?? '', line.split(' ')[1] ?? ''] as const])),
  )

const quick = { now: () => 0, sleep: async () => {} }
const releases = (): Releases =>
  new Releases(new GitHubRest({ owner: 'octo', repo: 'widgets', token: 'ghs_t', apiUrl: github.url }, quick))

async function published(folder = from, root = repository.folder): Promise<readonly string[]> {
  const lines: string[] = []
  const tell = (line: string): void => void lines.push(line)
  await publish({ root, from: folder, remote: { url: remote }, releases: releases(), tell })
  return lines
}

const failed = (message: RegExp) => (failure: unknown) =>
  failure instanceof YoeError && failure.code === 'PUBLISH_FAILED' && message.test(`${failure.message} ${failure.hint}`)

const shown = () =>
  github.releases.map(({ tag, draft, sha, prerelease, assets }) => ({
    ...{ tag, draft, sha, prerelease },
    assets: assets.map(({ name }) => name).sort(),
  }))
const whole = {
  ...{ tag: 'v1.2.3', draft: false, sha: '', prerelease: false },
  assets: ['SHA256SUMS', 'yoe', 'yoe-1.2.3.tgz'],
}

test('the commit under its tag, the release with its files and notes, and last the tag that moves', async () => {
  let early: ReadonlyMap<string, string> | undefined
  github.intercept = (what) => {
    early ??= what.startsWith('GET') ? undefined : remoteTags()
    return undefined
  }
  // As a job has it: the sources alone.
  const shallow = join(dir, 'shallow')
  repository.git('clone', '--quiet', '--depth', '1', '--branch', 'main', repository.url, shallow)
  const lines = await published(from, shallow)
  assert.deepEqual([...(early ?? [])], [['v1.2.3', commit]], 'before anything is released')
  assert.deepEqual(
    [...remoteTags()],
    [
      ['v1', commit],
      ['v1.2.3', commit],
    ],
  )
  assert.deepEqual(shown(), [{ ...whole, sha: commit }])
  assert.equal(github.releases[0]?.body, '- New.\n')
  for (const { name, bytes } of github.releases[0]?.assets ?? [])
    assert.ok(bytes.equals(readFileSync(join(from, 'assets', name))), name)
  assert.match(lines.join('\n'), /^v1\.2\.3 is the commit [0-9a-f]{40}\nreleased: \S+\/v1\.2\.3\nv1 is at v1\.2\.3$/)
  assert.equal(
    repository.git('-C', remote, 'rev-parse', 'main'),
    repository.git('rev-parse', 'v1.2.3^'),
    'no branch has it',
  )
})

test('done again it changes nothing', async () => {
  await published()
  github.requests.length = 0
  await published()
  assert.deepEqual(shown(), [{ ...whole, sha: commit }])
  assert.deepEqual(
    github.requests.filter((what) => !what.startsWith('GET')),
    [],
  )
})

test('cut in any request that writes: nobody sees half a release, and doing it again makes it whole', async () => {
  await published()
  const writes = github.requests.filter((what) => !what.startsWith('GET')).length
  assert.ok(writes >= 5)
  for (let cut = 0; cut < writes; cut++) {
    github.releases.length = 0
    github.tags.clear()
    repository.git('-C', remote, 'tag', '--delete', ...remoteTags().keys())
    let count = 0
    // From then on nothing is answered, as when the run is killed.
    github.intercept = (what) =>
      count > cut || (!what.startsWith('GET') && count++ === cut)
        ? { status: 401, body: { message: 'Bad credentials' } }
        : undefined
    await assert.rejects(published(), YoeError)
    assert.ok(shown().every(({ draft }) => draft))
    assert.equal(remoteTags().has('v1'), false)
    github.intercept = undefined
    await published()
    assert.deepEqual(shown(), [{ ...whole, sha: commit }], `cut at ${cut}`)
    assert.equal(remoteTags().get('v1'), commit)
  }
})

test('nothing that is published moves: a tag elsewhere, a release with other files', async () => {
  const source = repository.git('rev-parse', 'v1.2.3^')
  repository.git('-C', remote, 'tag', 'v1.2.3', source)
  await assert.rejects(published(), failed(/the tag v1\.2\.3 is at [0-9a-f]{40}.*release the next version/))
  assert.deepEqual([...remoteTags()], [['v1.2.3', source]])
  assert.deepEqual(github.requests, [])
  repository.git('-C', remote, 'tag', '--delete', 'v1.2.3')
  await published()
  const other = mkdtempSync(join(dir, 'other-'))
  cpSync(from, other, { recursive: true })
  writeFileSync(join(other, 'assets/yoe'), 'other')
  await assert.rejects(published(other), failed(/not those of SHA256SUMS/))
  const sum = createHash('sha256').update('other').digest('hex')
  const list = join(other, 'assets/SHA256SUMS')
  writeFileSync(list, readFileSync(list, 'utf8').replace(/^[0-9a-f]{64} {2}yoe$/m, `${sum}  yoe`))
  await assert.rejects(published(other), failed(/a release v1\.2\.3 already, with other files/))
  assert.deepEqual(shown(), [{ ...whole, sha: commit }])
})

test('a commit that is not on top of what is checked out is not pushed', async () => {
  const other = mkdtempSync(join(dir, 'other-'))
  cpSync(from, other, { recursive: true })
  const record = join(other, 'release.json')
  writeFileSync(record, readFileSync(record, 'utf8').replace(commit, 'e'.repeat(40)))
  await assert.rejects(published(other), failed(/commit\.bundle is not e{40} on top of what is checked out/))
  repository.commit({ 'src/later.js': '' })
  try {
    await assert.rejects(published(), failed(/on top of what is checked out/))
  } finally {
    repository.git('reset', '--quiet', '--hard', 'HEAD^')
  }
  assert.equal(remoteTags().size, 0)
})

test('a tag that rules do not let through is told, and nothing else is done', async () => {
  const hook = join(remote, 'hooks/update')
  const refuse = async (pattern: string): Promise<void> => {
    writeFileSync(hook, `#!/bin/sh\ncase $1 in ${pattern}) exit 1 ;; esac\n`, { mode: 0o755 })
    await assert.rejects(published(), failed(/^the tag v1\S* could not be pushed .*contents: write/))
  }
  await refuse('refs/tags/v1.2.3')
  assert.deepEqual([github.requests, [...remoteTags()]], [[], []])
  await refuse('refs/tags/v1')
  assert.deepEqual(shown(), [{ ...whole, sha: commit }])
  rmSync(hook)
  await published()
  assert.equal(remoteTags().get('v1'), commit)
})

test('the tag that moves: forward from an older release, never for one that is tried out', async () => {
  const source = repository.git('rev-parse', 'v1.2.3^')
  for (const tag of ['v1', 'v1.2.2']) repository.git('-C', remote, 'tag', tag, source)
  await published()
  assert.deepEqual(
    [...remoteTags()],
    [
      ['v1', commit],
      ['v1.2.2', source],
      ['v1.2.3', commit],
    ],
  )

  const folder = releasedRepository(join(dir, 'candidate'), {
    'package.json': '{ "name": "yoe", "version": "2.0.0-rc.1", "type": "module" }\n',
    'CHANGELOG.md': '## 2.0.0-rc.1\n\n- Try it.\n',
  }).folder
  const candidate = join(dir, 'candidate-out')
  assemble(folder, parseVersion('v2.0.0-rc.1'), 'octo/widgets', candidate)
  await publish({ root: folder, from: candidate, remote: { url: remote }, releases: releases(), tell: () => {} })
  assert.ok(remoteTags().has('v2.0.0-rc.1') && !remoteTags().has('v2'))
  assert.equal(github.releases.find(({ tag }) => tag === 'v2.0.0-rc.1')?.prerelease, true)
})

test('the command line: what it needs is said before anything is done', () => {
  const run = (argv: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const script = resolve(import.meta.dirname, '../../scripts/release.ts')
    try {
      const all = ['--disable-warning=ExperimentalWarning', script, ...argv]
      return execFileSync(process.execPath, all, {
        env: { PATH: process.env['PATH'], ...env },
        encoding: 'utf8',
        stdio: 'pipe',
      })
    } catch (failure) {
      return String(Object(failure).stderr)
    }
  }
  assert.match(run([]), /^error: usage: /)
  assert.match(run(['assemble', 'v1.2.3']), /^error: whose actions these are is not said\n {2}add --repository/)
  assert.match(run(['assemble', '1.2', '--repository', 'o/r']), /^error: "1\.2" is no version\n {2}write v1\.2\.3/)
  assert.match(run(['publish', '--out', from]), /^error: GITHUB_REPOSITORY and GITHUB_TOKEN/)
  assert.match(run(['npm', '--out', from]), /^::notice title=Not published to npm::The variable NPM_PUBLISH/)
})

/** What a registry does when a package is published and asked for. */
async function startRegistry(): Promise<{
  readonly url: string
  readonly documents: Map<string, string>
  readonly server: Server
}> {
  const documents = new Map<string, string>()
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const name = decodeURIComponent(request.url ?? '')
      if (request.method === 'PUT') documents.set(name, Buffer.concat(parts).toString('utf8'))
      const text = documents.get(name)
      response.writeHead(text === undefined ? 404 : 200, { 'content-type': 'application/json' })
      response.end(text ?? '{"error":"not found"}')
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { url: `http://127.0.0.1:${address.port}/`, documents, server }
}

test('npm: published once, by the real npm; there already is well, something else there is not', async (t) => {
  const { url, documents, server } = await startRegistry()
  t.after(() => server.close())
  const settings = join(dir, 'npmrc')
  writeFileSync(settings, `//${new URL(url).host}/:_authToken=t\n`)
  const env = {
    ...{ PATH: process.env['PATH'], HOME: dir, NPM_PUBLISH: 'true' },
    ...{ npm_config_registry: url, npm_config_userconfig: settings, npm_config_fetch_retries: '0' },
  }
  /** In a process of its own: npm asks a server of this one. */
  const npm = async (): Promise<string> => {
    const script = `import { publishToNpm } from ${JSON.stringify(resolve(import.meta.dirname, '../../scripts/release/npm.ts'))}
publishToNpm(${JSON.stringify(repository.folder)}, ${JSON.stringify(from)}, process.env, (line) => console.log(line))`
    const argv = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', script]
    const { stdout, stderr } = await ending(spawn(process.execPath, argv, { env }))
    return `${stdout}${stderr}`
  }
  assert.match(await npm(), /npm has yoe 1\.2\.3\n/)
  const document: unknown = JSON.parse(documents.get('/yoe') ?? '{}')
  const tarball = readFileSync(
    join(from, 'assets', readdirSync(join(from, 'assets')).find((name) => name.endsWith('.tgz')) ?? ''),
  )
  assert.equal(
    Object(document).versions['1.2.3'].dist.integrity,
    `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
  )
  assert.equal(Object(document)['dist-tags'].latest, '1.2.3')
  assert.match(await npm(), /npm has yoe 1\.2\.3 already\n/)
  const other = (documents.get('/yoe') ?? '').replaceAll(
    /sha512-[\w+/=]+/g,
    `sha512-${Buffer.alloc(64).toString('base64')}`,
  )
  documents.set('/yoe', other)
  assert.match(await npm(), /npm has another yoe 1\.2\.3/)
})
