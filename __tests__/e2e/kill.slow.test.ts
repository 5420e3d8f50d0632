/**
 * A whole run (fetch, container, unpack, task, pack, image, feed) killed with all its processes again and again in each
 * phase, then finished: its results are those of a run that nobody disturbed, in another folder with another cache.
 * YOE_TEST_KILLS=25 kills as often in each phase (A1: 200 kills and more, 20 in each), which takes most of an hour.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, globSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename, join } from 'node:path'
import { after, before, test } from 'node:test'
import { processesWith, sleep, until } from '../support/processes.ts'
import { projectIn, scratch, type TestProject, type Texts } from '../support/project.ts'
import { sharedCache } from '../support/shared-cache.ts'

const killsEach = Number(process.env['YOE_TEST_KILLS'] ?? 3)

let archive: Buffer
let server: Server
let asked = 0

before(async () => {
  archive = execFileSync('bash', [
    '-c',
    'd=$(mktemp -d) && mkdir $d/a-1 && seq 300000 >$d/a-1/numbers && tar -C $d --sort=name --owner=0 --group=0 --mtime=@0 -c a-1 | gzip -n; rm -rf $d',
  ])
  // Slow enough that there is something to be killed in.
  server = createServer((_request, response) => {
    asked++
    response.setHeader('content-length', archive.length)
    const part = Math.ceil(archive.length / 10)
    const send = (from: number): void => {
      if (from >= archive.length || response.destroyed) response.end()
      else {
        response.write(archive.subarray(from, from + part))
        setTimeout(() => send(from + part), 60)
      }
    }
    send(0)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
after(() => {
  server.closeAllConnections()
  server.close()
})

/** @param port of the server; it is no input of any key */
function texts(port: number): Texts {
  const sum = createHash('sha256').update(archive).digest('hex')
  return {
    'PROJECT.star': `project(
    name = "killed",
    version = "1.0",
    defaults = defaults(machine = "box", image = "small", distro = "debian"),
    modules = [module("yoe:module-debian"), module("yoe:module-core")],
)
`,
    'machines/m.star': `machine(
    name = "box",
    arch = "x86_64",
    partitions = [partition(label = "root", type = "ext4", size = "400M", root = True)],
)
`,
    'units/u.star': `container(name = "workshop", distro = "debian", packages = ["bzip2", "file", "patch"])

unit(
    name = "numbers",
    version = "1",
    license = "MIT",
    qa_skip = {"license": "its archive is made here"},
    source = "http://127.0.0.1:${port}/a-1.tar.gz",
    sha256 = "${sum}",
    container = "workshop",
    conffiles = ["/etc/numbers.conf"],
    tasks = [
        task("sort", run = "for n in 1 2 3 4 5 6 7 8; do sort -R --random-source=numbers numbers >part.$n; sleep 0.1; done"),
        task("install", run = "mkdir -p $DESTDIR/usr/share/numbers $DESTDIR/etc && cp part.* numbers $DESTDIR/usr/share/numbers && echo x >$DESTDIR/etc/numbers.conf"),
    ],
)

image(name = "small", artifacts = ["numbers"])
`,
  }
}

interface Phase {
  readonly name: string
  /** What is made in it, and made anew in each round, however far the one before came. */
  readonly makes: 'workshop' | 'numbers' | 'small' | undefined
  /** Whether it has begun. */
  readonly begun: (project: TestProject) => boolean
  /** Kills come within so many milliseconds after. */
  readonly within: number
}

const logOf = (project: TestProject, node: string): string => {
  const path = join(project.root, 'build/debian', node, 'build.log')
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

let askedBefore = 0
const phases: readonly Phase[] = [
  // The container is made first, then the source is fetched, as a killed run's log shows.
  {
    name: 'container',
    makes: 'workshop',
    begun: (project) => existsSync(join(project.root, 'build/debian/workshop.x86_64/build.log')),
    within: 4000,
  },
  { name: 'fetch', makes: 'numbers', begun: () => asked > askedBefore, within: 600 },
  {
    name: 'unpack',
    makes: 'numbers',
    begun: (project) => logOf(project, 'numbers.x86_64').includes('=== unpack'),
    within: 100,
  },
  {
    name: 'task',
    makes: 'numbers',
    begun: (project) => logOf(project, 'numbers.x86_64').includes('=== task sort'),
    within: 1500,
  },
  {
    name: 'pack',
    makes: 'numbers',
    begun: (project) => logOf(project, 'numbers.x86_64').includes('=== package'),
    within: 800,
  },
  {
    name: 'image',
    makes: 'small',
    begun: (project) => existsSync(join(project.root, 'build/debian/small.box/build.log')),
    within: 5000,
  },
  { name: 'index', makes: undefined, begun: (project) => existsSync(join(project.root, 'repo/killed')), within: 400 },
  { name: 'publish', makes: undefined, begun: (project) => existsSync(join(project.root, 'public')), within: 250 },
]

/** The whole of the work: the image, then the feed. */
async function finish(project: TestProject): Promise<void> {
  for (const args of [['build'], ['publish', '--to', 'public']]) {
    const ran = await project.yoe(args)
    assert.equal(ran.code, 0, ran.stderr)
  }
}

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

/** Every byte that the work is for. What carries the time of publishing is left out. */
function results(project: TestProject): Readonly<Record<string, string>> {
  const named = (pattern: string, folder: string): [string, string][] =>
    globSync(pattern, { cwd: join(project.root, folder) }).map((path) => [
      path,
      sha256(join(project.root, folder, path)),
    ])
  const found = Object.fromEntries([
    ...named('debian/*/*.deb', 'build'),
    ...named('debian/*/small.img', 'build'),
    ...named('debian/pool/**/*.deb', 'public'),
    ...named('debian/dists/**/Packages', 'public'),
  ])
  const manifests = globSync('cache/units/*/*.json', { cwd: join(project.root, '..') })
  for (const path of manifests) found[`manifest ${basename(path)}`] = filesOf(join(project.root, '..', path))
  return found
}

function filesOf(path: string): string {
  const { manifest }: { manifest: { files: unknown } } = JSON.parse(readFileSync(path, 'utf8'))
  return JSON.stringify(manifest.files)
}

/** As if a unit had never been built here; its source, too, where that is what the phase is about. */
function forget(project: TestProject, unit: string, source: boolean): void {
  const folder = join(project.root, '..')
  for (const path of globSync('cache/units/*/*.json', { cwd: folder }))
    if (isManifestOf(join(folder, path), unit)) rmSync(join(folder, path))
  for (const path of globSync(`build/debian/${unit}.*/{build.log,outputs.json}`, { cwd: project.root }))
    rmSync(join(project.root, path))
  const sum = createHash('sha256').update(archive).digest('hex')
  if (source) rmSync(join(folder, 'cache/objects', sum.slice(0, 2), sum.slice(2)), { force: true })
}

function isManifestOf(path: string, unit: string): boolean {
  const { manifest }: { manifest: { unit: string } } = JSON.parse(readFileSync(path, 'utf8'))
  return manifest.unit === unit
}

/** A cache with what the shared one has of the tools, so that not every test installs them. */
function seeded(folder: string): string {
  const cache = join(folder, 'cache')
  const shared = sharedCache()
  mkdirSync(cache)
  for (const part of ['feeds', 'objects'])
    if (existsSync(join(shared, part))) execFileSync('cp', ['-al', join(shared, part), join(cache, part)])
  for (const path of globSync('units/*/*.json', { cwd: shared }))
    if (isManifestOf(join(shared, path), 'tools-debian')) cpSync(join(shared, path), join(cache, path))
  const roots = existsSync(join(shared, 'roots')) ? readdirSync(join(shared, 'roots')) : []
  mkdirSync(join(cache, 'roots'))
  for (const root of roots) {
    const programs = join(shared, 'roots', root, 'usr/bin/mmdebstrap')
    if (existsSync(programs))
      cpSync(join(shared, 'roots', root), join(cache, 'roots', root), { recursive: true, verbatimSymlinks: true })
  }
  return cache
}

test(`killed ${killsEach} times in each of ${phases.length} phases, the results are those of a quiet run`, async (t) => {
  const { port } = server.address() as AddressInfo
  const shared = sharedCache()
  const warm = join(scratch(t), 'warm')
  const warming = projectIn(join(warm, 'project'), join(warm, 'home'), shared)
  warming.write(texts(port))
  assert.equal((await warming.yoe(['build', 'tools-debian'])).code, 0)

  const [quietFolder, killedFolder] = [join(scratch(t), 'quiet'), join(scratch(t), 'somewhere else', 'killed')]
  const make = (folder: string): TestProject => {
    mkdirSync(folder, { recursive: true })
    const project = projectIn(join(folder, 'project'), join(folder, 'home'), seeded(folder))
    project.write(texts(port))
    return project
  }
  const project = make(killedFolder)
  const kills: string[] = []
  for (const phase of phases) {
    for (let round = 0; round < killsEach; round++) {
      askedBefore = asked
      if (phase.makes !== undefined) forget(project, phase.makes, phase.name === 'fetch')
      if (phase.name === 'index') execFileSync('rm', ['-rf', join(project.root, 'repo')])
      if (phase.name === 'publish') execFileSync('rm', ['-rf', join(project.root, 'public')])
      const publishing = phase.name === 'index' || phase.name === 'publish'
      const running = project.start(publishing ? ['publish', '--to', 'public'] : ['build'])
      let over = false
      running.ended.then(() => {
        over = true
      })
      await until(`${phase.name} begins\n${running.said()}`, () => over || phase.begun(project), 120)
      assert.ok(!over, `${phase.name}: over before it could be killed\n${running.said()}`)
      await sleep(Math.random() * phase.within)
      kills.push(`${phase.name}${over ? ' (too late)' : ''}`)
      process.kill(-(running.child.pid ?? 0), 'SIGKILL')
      await running.ended
      await until(`no process of the ${phase.name} is left`, () => processesWith(killedFolder).length === 0, 10)
    }
  }
  t.diagnostic(kills.join(', '))
  await finish(project)
  assert.deepEqual(
    globSync(['cache/tmp/*', '**/*:*-*-*', '**/*.tmp'], { cwd: killedFolder }).filter(
      (path) => !path.includes('/roots/'),
    ),
    [],
    'nothing unfinished is left',
  )

  const quiet = make(quietFolder)
  // The feed's keyring is a package, too.
  cpSync(join(killedFolder, 'home/.config'), join(quietFolder, 'home/.config'), { recursive: true })
  await finish(quiet)
  assert.deepEqual(results(project), results(quiet))
  const verified = await project.yoe(['plan', '--json'])
  const { units }: { units: { state: string }[] } = JSON.parse(verified.stdout)
  assert.ok(units.every(({ state }) => state === 'cached' || state === 'unneeded'))
})
