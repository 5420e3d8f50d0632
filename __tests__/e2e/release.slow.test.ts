/**
 * A release of these sources, made as the workflow makes it, and used as strangers do: installed from its tarball, as the
 * one file, and by a repository whose workflow names its commit. Nothing of it can see this checkout.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { type ActRun, runAct } from '../support/act.ts'
import { ending, processesWith } from '../support/processes.ts'
import { checkout, type Ran } from '../support/project.ts'
import { type ResultsService, startResultsService } from '../support/results-service.ts'
import { sharedCache } from '../support/shared-cache.ts'

const version = '98.7.6'
/** What a release is made of, and what its commit has besides. */
const sources = [
  ...['src', 'actions', 'modules', 'packages', 'scripts', 'docs', '.github', 'action.yml', 'package.json'],
  ...['package-lock.json', 'README.md', 'LICENSE', 'CHANGELOG.md', '.gitignore', '.gitattributes'],
]

let dir: string
let out: string
let commit: string
let service: ResultsService

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'yoe-released-'))
  const tree = sourceTree(join(dir, 'sources'))
  const clone = join(dir, 'far/away/clone')
  git(dir, 'clone', '--quiet', tree, clone)
  out = join(dir, 'out')
  const made = await Promise.all([assembled(tree, out), assembled(clone, join(dir, 'out-clone'))])
  for (const { code, stdout, stderr } of made) assert.equal(code, 0, stdout + stderr)
  const record: { readonly commit?: string } = JSON.parse(readFileSync(join(out, 'release.json'), 'utf8'))
  commit = record.commit ?? ''
  service = await startResultsService({ dir: join(dir, 'store') })
})
after(async () => {
  await service?.close()
  rmSync(dir, { recursive: true, force: true })
})

function git(folder: string, ...argv: readonly string[]): string {
  const who = ['-c', 'user.name=t', '-c', 'user.email=t@example.com']
  return execFileSync('git', [...who, ...argv], { cwd: folder, encoding: 'utf8' }).trim()
}

/** Our sources as they are now, of a version of their own, committed. */
function sourceTree(tree: string): string {
  mkdirSync(tree)
  for (const part of sources)
    cpSync(join(checkout, part), join(tree, part), {
      recursive: true,
      filter: (path) => basename(path) !== 'node_modules' && !path.includes('/__pycache__'),
    })
  const change = (file: string, edit: (text: string) => string): void =>
    writeFileSync(join(tree, file), edit(readFileSync(join(tree, file), 'utf8')))
  change('package.json', (text) => text.replace(/"version": "[^"]+"/, `"version": "${version}"`))
  change('src/engine/version.ts', (text) => text.replace(/'\d[^']*'/, `'${version}'`))
  change('CHANGELOG.md', (text) => `${text}\n## ${version}\n\n- All of it.\n`)
  git(tree, 'init', '--quiet', '-b', 'main')
  git(tree, 'add', '--all')
  git(tree, 'commit', '--quiet', '-m', 'sources')
  return tree
}

/** Makes the release in a clone, whose packages are those of this checkout. */
function assembled(clone: string, to: string): Promise<Ran> {
  // Hard links: a link to the folder would be followed to where this checkout lies.
  execFileSync('cp', ['-al', join(checkout, 'node_modules'), clone])
  const argv = ['scripts/release.ts', 'assemble', `v${version}`, '--repository', 'octo/yoe', '--out', to]
  return ending(spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...argv], { cwd: clone }))
}

test('the same sources give the same release, wherever they lie', (t) => {
  const files = readdirSync(out, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(out, path)).isFile())
    .sort()
  const assets = ['SHA256SUMS', 'yoe', `yoe-${version}.tgz`].map((name) => `assets/${name}`)
  assert.deepEqual(files, [...assets, 'commit.bundle', 'notes.md', 'release.json'])
  const heads = (folder: string): string => git(folder, 'bundle', 'list-heads', 'commit.bundle')
  assert.equal(heads(out), `${commit} refs/tags/v${version}`)
  assert.equal(heads(join(dir, 'out-clone')), heads(out))
  // How git packs a bundle is its own affair; the commit says what is in it.
  for (const path of files.filter((name) => name !== 'commit.bundle')) {
    const bytes = readFileSync(join(out, path))
    assert.ok(bytes.equals(readFileSync(join(dir, 'out-clone', path))), path)
    t.diagnostic(`${path}: ${(bytes.length / 1e6).toFixed(1)} MB`)
  }
})

/** What a user's shell has: no checkout, Node in PATH, caches of the user's own. */
function home(): NodeJS.ProcessEnv {
  const folder = mkdtempSync(join(dir, 'home-'))
  return { PATH: `${dirname(process.execPath)}:/usr/sbin:/usr/bin:/sbin:/bin`, HOME: folder, YOE_CACHE: sharedCache() }
}

function run(cwd: string, env: NodeJS.ProcessEnv, program: string, ...argv: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, argv, { cwd, env, encoding: 'utf8' })
  assert.equal(status, 0, `${program} ${argv.join(' ')}: ${stdout}${stderr}`)
  assert.doesNotMatch(stderr, /Warning|internal error/)
  return stdout
}

/** Installs the npm package into an empty folder. @returns its command */
function installed(env: NodeJS.ProcessEnv): string {
  const folder = mkdtempSync(join(dir, 'install-'))
  const options = ['--offline', '--no-fund', '--no-audit', '--loglevel=error']
  run(folder, env, 'npm', 'install', ...options, join(out, 'assets', `yoe-${version}.tgz`))
  return join(folder, 'node_modules/.bin/yoe')
}

const arch = process.arch === 'arm64' ? 'arm64' : 'x86_64'

for (const way of ['npm package', 'single file'] as const)
  test(`the ${way}: makes a project whose workflows name the release, reads it, plans it`, () => {
    const env = home()
    const yoe = way === 'npm package' ? installed(env) : join(out, 'assets/yoe')
    const folder = mkdtempSync(join(dir, 'user-'))
    assert.equal(run(folder, env, yoe, '--version'), `yoe ${version}\n`)
    const said = run(folder, env, yoe, 'init', 'product', '--ci', '--machine', `qemu-${arch}`)
    assert.match(said, new RegExp(`The workflows use octo/yoe at ${commit}, which is v${version}\\.`))
    const project = join(folder, 'product')
    for (const file of ['images.yml', 'board.yml']) {
      const text = readFileSync(join(project, '.github/workflows', file), 'utf8')
      assert.ok(text.includes(`uses: octo/yoe/actions/plan@${commit} # v${version}\n`), text)
      assert.doesNotMatch(text, /OWNER/)
    }
    const plan: unknown = JSON.parse(run(project, env, yoe, 'plan', '--json'))
    // Again, warm: what was compiled and evaluated is kept, and says the same.
    assert.deepEqual(JSON.parse(run(project, env, yoe, 'plan', '--json')), plan)
    assert.match(JSON.stringify(plan), /product-image/)
    for (const argv of [
      ['list', '--json'],
      ['help', 'build'],
      ['completion', 'bash'],
    ])
      run(project, env, yoe, ...argv)
  })

test('what a command does not use is not loaded: large parts can be missing', () => {
  const env = home()
  const yoe = installed(env)
  const folder = mkdtempSync(join(dir, 'user-'))
  run(folder, env, yoe, 'init', 'product', '--machine', `qemu-${arch}`)
  const project = join(folder, 'product')
  const plan = run(project, env, yoe, 'plan')
  const dist = join(realpathSync(yoe), '..')
  const parts = readdirSync(dist).filter((name) => /^\d+\.index\.js$/.test(name))
  // Those that have one of these in them: OpenPGP, Docker's client, GitHub's clients, archives.
  const large = parts.filter((name) =>
    /node_modules\/(openpgp|ssh2|dockerode|@azure|@actions|@octokit|tar-stream)\//.test(
      readFileSync(join(dist, name), 'utf8'),
    ),
  )
  const bytes = large.reduce((sum, name) => sum + statSync(join(dist, name)).size, 0)
  assert.ok(large.length < parts.length && bytes > 5e6, `${large.length} of ${parts.length} parts, ${bytes} bytes`)
  for (const name of [...large, 'assets/starlark.wasm']) rmSync(join(dist, name))
  assert.equal(run(project, env, yoe, '--version'), `yoe ${version}\n`)
  assert.match(run(project, env, yoe, 'help', 'build'), /yoe build/)
  assert.equal(run(project, env, yoe, 'plan'), plan)
})

/** What a runner downloads: the archive of the commit. */
function downloaded(): string {
  const folder = mkdtempSync(join(dir, 'actions-'))
  const archive = join(dir, 'actions.tar')
  execFileSync('git', ['archive', '--output', archive, `v${version}`], { cwd: join(dir, 'sources') })
  execFileSync('tar', ['-xf', archive, '-C', folder])
  return folder
}

test('a repository of somebody else: its first push builds, its second restores', async (t) => {
  const env = home()
  const yoe = installed(env)
  const project = join(dir, 'widgets')
  cpSync(join(checkout, '__tests__/fixtures/product'), project, { recursive: true })
  const machine = join(project, 'machines/box.star')
  writeFileSync(machine, readFileSync(machine, 'utf8').replace('"x86_64"', `"${arch}"`))
  run(project, env, yoe, 'init', '.', '--ci')
  // Nothing boots on this machine.
  const workflow = join(project, '.github/workflows/images.yml')
  writeFileSync(workflow, readFileSync(workflow, 'utf8').replace('with: { cell:', 'with: { boot-test: false, cell:'))

  const release = downloaded()
  assert.ok(!readdirSync(release).includes('src') && !readdirSync(release).includes('node_modules'))
  // Neither the sources nor the packages that the bundle was made of are where they were.
  for (const name of ['sources', 'far']) renameSync(join(dir, name), join(dir, `${name}-away`))
  const push = async (number: number): Promise<ActRun> => {
    const start = performance.now()
    const result = await runAct({
      ...{ service, project, release, event: 'push', run: `run-${number}` },
      actions: { [`octo/yoe@${commit}`]: release },
      payload: { ref: 'refs/heads/main', repository: { full_name: 'octo/widgets', default_branch: 'main' } },
    })
    t.diagnostic(`push ${number}: ${((performance.now() - start) / 1000).toFixed(0)} s`)
    assert.equal(result.code, 0, result.text)
    assert.deepEqual(
      result.jobs.map(({ id, result: outcome }) => `${id} ${outcome}`),
      ['build success', 'ok success', 'plan success'],
    )
    return result
  }
  /** The rows of the cell's table of units. */
  const units = ({ summaries }: ActRun): readonly string[] =>
    [...(summaries.find((text) => text.includes('### Units')) ?? '').matchAll(/^\| ([\w-]+) \| (built|restored) \|/gm)]
      .map(([, name, what]) => `${name} ${what}`)
      .sort()
  const first = await push(1)
  assert.deepEqual(
    units(first),
    ['app', 'base', 'libgreet', 'toolchain-debian', 'tools-debian'].map((name) => `${name} built`),
  )
  const second = await push(2)
  assert.deepEqual(units(second), ['base restored'])
  assert.match(first.outputs['sha256'] ?? '', /^[0-9a-f]{64}$/)
  assert.equal(second.outputs['sha256'], first.outputs['sha256'])
  assert.deepEqual([...first.annotations, ...second.annotations], [])
})

test('a run of act that hangs is ended with all that it started, and its log told', async () => {
  const project = mkdtempSync(join(dir, 'hanging-'))
  mkdirSync(join(project, '.github/workflows'), { recursive: true })
  const seconds = 100_000 + process.pid
  const step = `echo it hangs here; setsid sleep ${seconds} & sleep ${seconds}`
  writeFileSync(
    join(project, '.github/workflows/images.yml'),
    `name: x\non: push\njobs: { a: { runs-on: ubuntu-24.04, steps: [{ run: "${step}" }] } }\n`,
  )
  const started = runAct({ service, project, release: project, event: 'push', minutes: 0.1 })
  await assert.rejects(started, /^Error: act took more than 0\.1 minutes:\n[\s\S]*a: it hangs here/)
  assert.deepEqual(processesWith(`sleep ${seconds}`), [])
})
