import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { YoeError } from '#engine/errors.ts'
import { assemble } from '../../scripts/release/assemble.ts'
import { git } from '../../scripts/release/commit.ts'
import { changelogSection, floatingTag, parseVersion } from '../../scripts/release/version.ts'
import type { TestRepository } from '../support/git.ts'
import { ending } from '../support/processes.ts'
import { cloneOf, releasedRepository } from '../support/released-repository.ts'

const version = parseVersion('v1.2.3')
let dir: string
let repository: TestRepository
let out: string
let commit: string

before(() => {
  dir = mkdtempSync(join(tmpdir(), 'yoe-assemble-test-'))
  repository = releasedRepository(join(dir, 'repository'))
  out = join(dir, 'out')
  commit = assemble(repository.folder, version, 'octo/yoe', out).commit
})
after(() => rmSync(dir, { recursive: true, force: true }))

const refused = (hint: RegExp) => (failure: unknown) =>
  failure instanceof YoeError && failure.code === 'USAGE' && hint.test(`${failure.message} ${failure.hint}`)

test('versions: what a tag may be', () => {
  for (const [tag, number, prerelease] of [
    ['v1.2.3', '1.2.3', false],
    ['v0.10.0', '0.10.0', false],
    ['v2.0.0-rc.1', '2.0.0-rc.1', true],
  ] as const)
    assert.deepEqual(parseVersion(tag), { tag, number, prerelease })
  for (const bad of [
    '',
    'v1',
    'v1.2',
    '1.2.3',
    'v01.2.3',
    'v1.2.3-',
    'v1.2.3+x',
    'v1.2.3 ',
    'v1.2.3\n',
    'refs/tags/v1.2.3',
  ])
    assert.throws(() => parseVersion(bad), refused(/write v1\.2\.3/), bad)
})

test('the floating tag follows the latest of its major version, and nothing else', () => {
  for (const [tag, tags, moving] of [
    ['v1.2.3', [], 'v1'],
    ['v1.2.3', ['v1', 'v1.2.2', 'v2.0.0', 'v1.2.3', 'v1.9.0-rc.1', 'x'], 'v1'],
    ['v1.10.0', ['v1.9.0'], 'v1'],
    ['v1.2.3', ['v1.10.0'], undefined],
    ['v1.3.0-rc.1', ['v1.2.3'], undefined],
    ['v0.1.0', [], 'v0'],
  ] as const)
    assert.equal(floatingTag(parseVersion(tag), tags), moving, `${tag} among ${tags}`)
})

test('the notes are what the changelog says of this version', () => {
  const text = '# Changelog\n\n## Unreleased\n\n## 1.2.3 (a day)\n\n- a\n\n### b\n\n- c\n\n## 1.2\n\n- d\n'
  assert.equal(changelogSection(text, version), '- a\n\n### b\n\n- c')
  for (const number of ['v1.2.4', 'v1.2.30'])
    assert.throws(() => changelogSection(text, parseVersion(number)), refused(/## 1\.2\./), number)
  assert.throws(() => changelogSection('## 1.2.3\n\n## 1.2.2\n\n- x\n', version), refused(/says nothing of 1\.2\.3/))
})

test('the commit: the sources with the bundle, tagged, and less of it for runners', () => {
  const source = repository.git('rev-parse', 'main')
  assert.equal(repository.git('rev-parse', 'v1.2.3', 'v1.2.3^'), `${commit}\n${source}`)
  const files = (of: string): readonly string[] => repository.git('ls-tree', '-r', '--name-only', of).split('\n')
  const added = ['crlf.js', 'modules/core/MODULE.star', 'modules/core/ignored', 'package.json', 'yoe.js']
  assert.deepEqual(files('v1.2.3'), [...files('main'), ...added.map((name) => `dist/${name}`)].sort(byBytes))
  assert.match(repository.git('ls-tree', 'v1.2.3', 'dist/yoe.js'), /^100755 /)
  assert.match(
    repository.git('cat-file', '-p', 'v1.2.3:.gitattributes'),
    /^\*\.gz binary\n\/\.gitattributes export-ignore\n/,
  )
  const archive = execFileSync('git', ['archive', 'v1.2.3'], { cwd: repository.folder })
  const top = execFileSync('tar', ['-t'], { input: archive, encoding: 'utf8' }).split('\n')
  assert.deepEqual([...new Set(top.flatMap((name) => name.split('/')[0] || []))].sort(), [
    'LICENSE',
    'README.md',
    'action.yml',
    'actions',
    'dist',
  ])
  assert.equal(repository.git('status', '--porcelain'), '')
})

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

test('the same commit gives the same bytes: elsewhere, later, under other settings, from the tag itself', () => {
  const clone = cloneOf(repository, join(dir, 'far/away/clone'))
  const ignore = join(dir, 'ignore')
  writeFileSync(ignore, '*.js\n')
  for (const [name, value] of [
    ['core.autocrlf', 'true'],
    ['core.excludesFile', ignore],
    ['commit.gpgSign', 'true'],
    ['user.name', 'somebody'],
    ['user.email', 's@example.com'],
  ] as const)
    git(clone, ['config', name, value])
  git(clone, ['tag', '--delete', 'v1.2.3'])
  const fresh = join(dir, 'out-clone')
  assert.equal(assemble(clone, version, 'octo/yoe', fresh).commit, commit)
  const files = readdirSync(out, { recursive: true, withFileTypes: true }).filter((one) => one.isFile())
  assert.deepEqual(files.map(({ name }) => name).sort(byBytes), [
    'SHA256SUMS',
    'commit.bundle',
    'notes.md',
    'release.json',
    'yoe',
    'yoe-1.2.3.tgz',
  ])
  // How git packs a bundle is its own affair; the commit says what is in it.
  for (const { parentPath, name } of files.filter(({ name }) => name !== 'commit.bundle')) {
    const path = join(parentPath, name).slice(out.length)
    assert.ok(readFileSync(join(out, path)).equals(readFileSync(join(fresh, path))), path)
  }
  assert.equal(spawnSync('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: join(out, 'assets') }).status, 0)
  git(clone, ['config', 'core.autocrlf', 'false'])
  git(clone, ['checkout', '--quiet', 'v1.2.3'])
  assert.equal(assemble(clone, version, 'octo/yoe', fresh).commit, commit)
})

test('refused: another version, no notes, what is not committed, a tag on something else', () => {
  const fresh = (name: string): string => cloneOf(repository, join(dir, name))
  const at =
    (folder: string, tag = 'v1.2.3') =>
    () =>
      assemble(folder, parseVersion(tag), 'octo/yoe', join(dir, 'none'))
  assert.throws(at(repository.folder, 'v1.2.2'), refused(/package\.json says 1\.2\.3.*docs\/releasing\.md/))
  assert.throws(at(repository.folder, 'v3.0.0'), refused(/CHANGELOG/))
  const dirty = fresh('dirty')
  writeFileSync(join(dirty, 'src/new.ts'), '')
  assert.throws(at(dirty), refused(/\?\? src\/new\.ts/))
  const tagged = fresh('tagged')
  git(tagged, ['tag', '--force', 'v1.2.3', 'HEAD'])
  assert.throws(at(tagged), refused(/the tag v1\.2\.3 is at [0-9a-f]{40}, and these sources make [0-9a-f]{40}/))
  assert.equal(git(tagged, ['rev-parse', 'v1.2.3']), git(tagged, ['rev-parse', 'main']), 'it is not moved')
})

test('the npm package: installs without a network or a build, and knows which release it is', () => {
  const folder = mkdtempSync(join(dir, 'install-'))
  const argv = ['install', '--offline', '--no-fund', '--no-audit', join(out, 'assets/yoe-1.2.3.tgz')]
  execFileSync('npm', argv, { cwd: folder, env: { ...process.env, HOME: folder }, stdio: 'ignore' })
  assert.deepEqual(
    readdirSync(join(folder, 'node_modules')).filter((name) => !name.startsWith('.')),
    ['yoe'],
  )
  const installed = join(folder, 'node_modules/yoe')
  const read = (path: string): unknown => JSON.parse(readFileSync(join(installed, path), 'utf8'))
  assert.deepEqual(read('dist/release.json'), { repository: 'octo/yoe', version: 'v1.2.3', commit })
  const { name, version: number, repository: from, dependencies } = Object(read('package.json'))
  assert.deepEqual(
    [name, number, from.url, dependencies],
    ['yoe', '1.2.3', 'git+https://github.com/octo/yoe.git', undefined],
  )
  for (const file of ['LICENSE', 'README.md', 'schemas/plan.json', 'dist/modules/core/ignored'])
    assert.ok(existsSync(join(installed, file)), file)
  const said = execFileSync(join(folder, 'node_modules/.bin/yoe'), ['plan'], { encoding: 'utf8', env: withNode() })
  assert.deepEqual(JSON.parse(said), [join(installed, 'dist/yoe.js'), 'plan'])
})

/** PATH with the Node that runs this test. */
function withNode(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  return { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, ...more }
}

interface Started {
  readonly cache?: string
  readonly file?: string
  readonly env?: NodeJS.ProcessEnv
  readonly through?: readonly string[]
}

/** Starts the single file. */
function single(argv: readonly string[], { cache = mkdtempSync(join(dir, 'cache-')), ...options }: Started = {}) {
  const [program = '', ...rest] = [...(options.through ?? []), options.file ?? join(out, 'assets/yoe'), ...argv]
  const env = options.env ?? withNode({ XDG_CACHE_HOME: cache })
  const { status, stdout, stderr } = spawnSync(program, rest, { env, encoding: 'utf8', cwd: dir })
  const programs = join(cache, 'yoe/programs')
  return { status, stdout, stderr, cache, kept: existsSync(programs) ? readdirSync(programs) : [] }
}

test('the single file: unpacked once, started by path, link, PATH and sh, with its arguments as they are', () => {
  const first = single(['a b', '', "c'd"])
  assert.equal(first.status, 0, first.stderr)
  const [home = '', ...others] = first.kept
  assert.match(home, /^1\.2\.3-[0-9a-f]{16}$/)
  assert.deepEqual(others, [])
  const program = join(first.cache, 'yoe/programs', home, 'dist/yoe.js')
  assert.deepEqual(JSON.parse(first.stdout), [program, 'a b', '', "c'd"])
  // Nothing is unpacked again: what was changed stays changed.
  writeFileSync(program, 'console.log("again")')
  const link = join(dir, 'link-to-yoe')
  symlinkSync(join(out, 'assets/yoe'), link)
  for (const started of [{}, { file: link }, { through: ['sh'] }])
    assert.equal(single([], { ...started, cache: first.cache }).stdout, 'again\n')
  const path = withNode({ XDG_CACHE_HOME: mkdtempSync(join(dir, 'cache-')) })
  const found = single(['x'], { file: 'yoe', env: { ...path, PATH: `${join(out, 'assets')}:${path['PATH']}` } })
  assert.match(found.stdout, /,"x"\]\n$/, found.stderr)
})

test('the single file, started many times at once on a machine that has not seen it', async () => {
  const cache = mkdtempSync(join(dir, 'cache-'))
  const all = Array.from({ length: 8 }, () =>
    ending(spawn(join(out, 'assets/yoe'), ['x'], { env: withNode({ XDG_CACHE_HOME: cache }) })),
  )
  for (const { code, stderr } of await Promise.all(all)) assert.equal(code, 0, stderr)
  assert.equal(readdirSync(join(cache, 'yoe/programs')).length, 1)
})

test('the single file that is damaged, has no Node, or no place of its own says so and leaves nothing', () => {
  const bytes = readFileSync(join(out, 'assets/yoe'))
  const damaged = join(dir, 'damaged')
  for (const harm of [
    () => truncateSync(damaged, bytes.length - 1),
    () => writeFileSync(damaged, bytes.with(bytes.length - 100, (bytes.at(-100) ?? 0) ^ 1)),
  ]) {
    writeFileSync(damaged, bytes)
    chmodSync(damaged, 0o755)
    harm()
    const { status, stderr, kept } = single([], { file: damaged })
    assert.deepEqual([status, kept], [3, []])
    assert.match(stderr, /^yoe: could not unpack itself into \S+: \S+damaged is damaged; download it again\n$/)
  }
  const file = join(dir, 'a-file')
  writeFileSync(file, '')
  for (const env of [withNode({ HOME: file }), withNode({ XDG_CACHE_HOME: file })]) {
    const { status, stderr } = single([], { env })
    assert.equal(status, 3)
    assert.match(stderr, /: no such folder can be made; set XDG_CACHE_HOME to one that is yours\n$/)
  }
  assert.match(single([], { env: withNode() }).stderr, /^yoe: HOME is not set/)
  const bin = join(dir, 'bin')
  mkdirSync(bin)
  const none = single([], { env: { PATH: bin }, through: ['/bin/sh'] })
  assert.deepEqual([none.status, none.stderr], [3, 'yoe: no Node.js in PATH; install Node 24 or newer\n'])
})

test('a Node that is too old is told so', () => {
  const start = resolve(import.meta.dirname, '../../src/cli/released.mjs')
  const older = `data:text/javascript,Object.defineProperty(process,'versions',{value:{node:'20.19.0'}})`
  const { status, stderr } = spawnSync(process.execPath, ['--import', older, start], { encoding: 'utf8' })
  assert.deepEqual([status, /^yoe: Node 24 or newer is needed, /.test(stderr)], [3, true], stderr)
})
