import { spawnSync } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { resolveClosure } from '#engine/catalog/closure.ts'
import type { Feed, PackageRecord } from '#engine/catalog/package.ts'
import { universe } from '#engine/catalog/universe.ts'
import { silent } from '#engine/events.ts'
import type { FeedEnvironment } from '#engine/formats.ts'
import type { FeedDeclaration } from '#engine/project/model.ts'
import type { Fetcher } from '#engine/source/fetcher.ts'
import { candidates } from '#engine/source/mirrors.ts'
import { openAptFeed } from '#feeds/debian/feed.ts'
import { optionsOf, sitesOf } from '#feeds/debian/feed-place.ts'
import { debianVersions } from '#feeds/debian/version.ts'
import { aptPlan, makeAptRoot } from '../__tests__/support/apt-root.ts'
import { unitName, writeBigProject } from '../__tests__/support/big-project.ts'
import { hostsOwn } from '../__tests__/support/host-mirrors.ts'

const root = join(import.meta.dirname, '..')
const yoe = [process.execPath, '--disable-warning=ExperimentalWarning', join(root, 'src/cli/main.mjs')]
const moduleRoot = join(root, 'modules/module-debian')
const keyring = 'keys/debian-archive-keyring.gpg'

function declaration(name: string, options: Readonly<Record<string, string>>): FeedDeclaration {
  const at = { file: 'bench', line: 1, column: 1 }
  const all = { name, suite: 'trixie', keyring, ...options }
  return { id: `debian.${name}`, module: 'module-debian', at, format: 'debian', distro: 'debian', options: all }
}

const declarations: readonly FeedDeclaration[] = [
  declaration('main', {}),
  declaration('contrib', { component: 'contrib' }),
  declaration('security', { url: 'http://security.debian.org/debian-security', suite: 'trixie-security' }),
]

/** Closures that nobody calls small. */
const desktops = ['gnome', 'kde-full', 'texlive-full']

// A warm command fetches nothing, so it loads nothing that fetches.
const fetcher: Fetcher = {
  fetch: async (request) =>
    (await import('#engine/source/download.ts')).createFetcher({ mirrors: hostsOwn, offline: false }).fetch(request),
  locate: (url) => candidates([url], hostsOwn),
}

async function openFeeds(cacheRoot: string, arch: FeedEnvironment['arch']): Promise<readonly Feed[]> {
  const now = Date.now
  const environment = { arch, moduleRoot, cacheRoot, fetcher, offline: false, refresh: false, now, report: silent }
  const feeds: Feed[] = []
  for (const one of declarations) feeds.push(await openAptFeed(one, environment))
  return feeds
}

function closureOf(feeds: readonly Feed[], roots: readonly string[]): readonly PackageRecord[] {
  return resolveClosure({
    ...universe(feeds, []),
    versions: debianVersions,
    arch: 'amd64',
    roots: roots.map((name) => ({ dependency: [{ name }], by: 'the benchmark' })),
  }).packages
}

interface Cost {
  readonly wall: number
  readonly cpu: number
  /** MiB at most. */
  readonly rss: number
  readonly stdout: string
}

/** What a process prints about itself last. */
const tellRss = `process.on('exit',()=>process.stderr.write('rss='+Math.round(process.resourceUsage().maxRSS/1024)+'\\n'))`
const watched = `data:text/javascript,${encodeURIComponent(tellRss)}`

/** The quickest of some runs of a whole process: what the work costs when nothing else runs. */
function measure(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  cwd: string,
  rounds = 7,
  before = (): void => {},
): Cost {
  const costs: Cost[] = []
  for (let round = 0; round < rounds; round++) {
    before()
    const start = performance.now()
    const run = spawnSync('sh', ['-c', '"$@"; code=$?; times >&2; exit $code', 'sh', ...argv], {
      env,
      cwd,
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    })
    const wall = (performance.now() - start) / 1000
    if (run.status !== 0) throw new Error(`${argv.join(' ')}: ${run.stderr.slice(-2000)}`)
    const children = run.stderr.trimEnd().split('\n').at(-1) ?? ''
    const seconds = [...children.matchAll(/(\d+)m([\d.]+)s/g)].map(([, m, s]) => Number(m) * 60 + Number(s))
    const rss = Number(/rss=(\d+)/.exec(run.stderr)?.[1] ?? 0)
    costs.push({ wall, cpu: seconds.reduce((a, b) => a + b, 0), rss, stdout: run.stdout })
  }
  return costs.reduce((a, b) => (a.wall < b.wall ? a : b))
}

const node = (...rest: readonly string[]): readonly string[] => [process.execPath, '--import', watched, ...rest]

/** Index files that a command opens: counted in the process itself. */
function indicesOpened(argv: readonly string[], env: NodeJS.ProcessEnv, cwd: string): number {
  const count = `import fs from 'node:fs';import{syncBuiltinESMExports}from'node:module';const open=fs.openSync;let n=0;
fs.openSync=(path,...rest)=>{if(String(path).endsWith('.index'))n++;return open(path,...rest)};syncBuiltinESMExports();
process.on('exit',()=>process.stderr.write('opened='+n+'\\n'))`
  const run = spawnSync(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(count)}`, ...yoe.slice(1), ...argv],
    { env, cwd, encoding: 'utf8', maxBuffer: 2 ** 28 },
  )
  if (run.status !== 0) throw new Error(run.stderr)
  return Number(/opened=(\d+)/.exec(run.stderr)?.[1])
}

type Print = (line: string) => void

function table(print: Print, title: string, empty: Cost): (name: string, cost: Cost, limit?: string) => void {
  print('')
  print(`| ${title} | wall s | against an empty Node | CPU s | MiB | to hold |`)
  print('|---|---|---|---|---|---|')
  return (name, { wall, cpu, rss }, limit = '') =>
    print(
      `| ${name} | ${wall.toFixed(3)} | ${(wall / empty.wall).toFixed(1)} | ${cpu.toFixed(2)} | ${rss} | ${limit} |`,
    )
}

/** Commands on a project with many units, nothing changed since the last one. */
function commands(print: Print, folder: string, units: number): void {
  const project = join(folder, `project-${units}`)
  writeBigProject(project, { units, modules: Math.min(20, units), moreFeeds: true })
  const env = { ...process.env, YOE_CACHE: join(folder, 'cache'), XDG_CONFIG_HOME: join(folder, 'config') }
  const empty = measure(node('-e', '0'), env, project)
  const row = table(print, `${units} units, warm`, empty)
  row('node -e 0', empty)
  const last = unitName(units - 1)
  const limit = units > 100 ? '0.25 s' : '0.15 s'
  const argvs = [['list'], ['desc', last], ['plan', 'one'], ['plan'], ['refs', unitName(1)]]
  const first = measure([...node(), ...yoe.slice(1), 'plan', 'all'], env, project, 1)
  for (const argv of argvs) {
    measure([...node(), ...yoe.slice(1), ...argv], env, project, 1)
    row(`yoe ${argv.join(' ')}`, measure([...node(), ...yoe.slice(1), ...argv], env, project), limit)
  }
  row(`yoe plan all (${units} units)`, measure([...node(), ...yoe.slice(1), 'plan', 'all'], env, project, 3))
  row('yoe plan all, nothing evaluated, no closure known', first)
  const machine = ['plan', 'one', '--machine', 'board1']
  measure([...yoe, ...machine], env, project, 1)
  row('yoe plan one --machine board1 (arm64)', measure([...node(), ...yoe.slice(1), ...machine], env, project), limit)
  print('')
  for (const argv of [['list'], ['refs', unitName(1)], ['plan', 'one'], machine]) {
    print(`yoe ${argv.join(' ')} opens ${indicesOpened(argv, env, project)} feed indices`)
  }
}

/** What an image of three desktops costs a warm command, beside one of a shell. */
function largeImage(print: Print, folder: string): void {
  const project = join(folder, 'large-image')
  mkdirSync(join(project, 'images'), { recursive: true })
  const modules = 'modules = [module("yoe:module-debian"), module("yoe:module-core")]'
  const defaults = 'defaults = defaults(machine = "qemu-x86_64", image = "small", distro = "debian")'
  writeFileSync(join(project, 'PROJECT.star'), `project(name = "large", ${defaults}, ${modules})\n`)
  const image = (name: string, of: readonly string[]): string =>
    `image(name = "${name}", artifacts = [${of.map((each) => `"${each}"`).join(', ')}])\n`
  writeFileSync(join(project, 'images/all.star'), image('small', ['bash']) + image('large', desktops))
  const cache = join(folder, 'cache')
  const env = { ...process.env, YOE_CACHE: cache, XDG_CONFIG_HOME: join(folder, 'config') }
  const plan = (name: string): readonly string[] => [...node(), ...yoe.slice(1), 'plan', name, '--json']
  for (const name of ['small', 'large']) measure(plan(name), env, project, 1)
  const empty = measure(node('-e', '0'), env, project)
  const row = table(print, 'an image of three desktops', empty)
  const small = measure(plan('small'), env, project)
  const large = measure(plan('large'), env, project)
  const packages = (cost: Cost): number => {
    const { units }: { units: readonly { unit: string; packages?: number }[] } = JSON.parse(cost.stdout)
    return units.find(({ packages: count }) => count !== undefined)?.packages ?? 0
  }
  row(`yoe plan small, warm: ${packages(small)} packages`, small)
  const over = (cost: Cost): string => `${(cost.wall - small.wall).toFixed(3)} s over the small one`
  row(`yoe plan large, warm: ${packages(large)} packages`, large, `${over(large)}; to hold: 0.1 s, 150 MiB`)
  const forget = (): void => rmSync(join(cache, 'closures'), { recursive: true, force: true })
  const solved = measure(plan('large'), env, project, 3, forget)
  row('yoe plan large, all closures solved anew', solved, over(solved))
}

/** Indices and closures by themselves, as a whole process each. */
async function feeds(print: Print, folder: string): Promise<void> {
  const cache = join(folder, 'cache-feeds')
  for (const arch of ['x86_64', 'arm64'] as const) await openFeeds(cache, arch)
  const env = { ...process.env, NODE_COMPILE_CACHE: join(folder, 'compiled') }
  const child = (mode: string, ...rest: string[]): readonly string[] =>
    node('--disable-warning=ExperimentalWarning', import.meta.filename, mode, cache, ...rest)
  measure(child('closure', 'bash'), env, folder, 2)
  const empty = measure(node('-e', '0'), env, folder)
  const row = table(print, 'Debian trixie: main, contrib, security', empty)
  const forget = (): void => {
    for (const path of globSync(join(cache, 'feeds/*.index'))) rmSync(path)
  }
  const opened = await openFeeds(cache, 'x86_64')
  const count = opened.reduce((sum, feed) => sum + [...feed.names()].length, 0)
  row('node -e 0', empty)
  row(`cold: ${count} packages unpacked and parsed`, measure(child('closure', 'bash'), env, folder, 5, forget), '1.2 s')
  const start = measure(child('open'), env, folder)
  row('warm start: the feeds opened', start)
  for (const name of desktops) {
    const cost = measure(child('closure', name), env, folder)
    const over = `${(cost.wall - start.wall).toFixed(3)} s over the start, solved anew; to hold: 150 MiB`
    row(`closure of ${name}: ${closureOf(opened, [name]).length} packages`, cost, over)
  }
  await openFeeds(cache, 'arm64') // made anew: what was forgotten was of both
  const text = globSync(join(cache, 'objects/*/*')).filter((path) => statSync(path).size > 1 << 20)
  const parsed = globSync(join(cache, 'feeds/*.index')).reduce((sum, path) => sum + statSync(path).size, 0)
  print('')
  print(
    `parsed indices: ${mib(parsed)} MiB, of ${mib(text.reduce((sum, path) => sum + textSize(path), 0))} MiB of text (${text.length} large files, ${mib(text.reduce((sum, path) => sum + statSync(path).size, 0))} MiB packed)`,
  )
  growth(print, child, env, folder)
  againstApt(print, folder, opened)
}

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1)

function textSize(path: string): number {
  const xz = readFileSync(path).subarray(0, 2).toString('latin1') !== '\x1f\x8b'
  const { stdout } = spawnSync('sh', ['-c', `${xz ? 'xz -dc' : 'gzip -dc'} < "$0" | wc -c`, path], { encoding: 'utf8' })
  return Number(stdout)
}

/** Time by the number of roots, for packages of one closure, which can all be installed together. */
function growth(
  print: Print,
  child: (mode: string, ...rest: string[]) => readonly string[],
  env: NodeJS.ProcessEnv,
  folder: string,
): void {
  print('')
  print('| roots | packages | CPU ms | µs for a package |')
  print('|---|---|---|---|')
  for (const roots of [1, 10, 100, 1000]) {
    const { stdout } = measure(child('growth', String(roots)), env, folder, 3)
    const [packages = 0, ms = 0] = stdout.trim().split(' ').map(Number)
    print(`| ${roots} | ${packages} | ${ms.toFixed(1)} | ${((ms * 1000) / packages).toFixed(0)} |`)
  }
}

/** The same roots by real apt, with the same three archives. */
function againstApt(print: Print, folder: string, opened: readonly Feed[]): void {
  const sources = declarations.map((one) => {
    const { suite, components } = optionsOf(one)
    const [site = ''] = sitesOf(optionsOf(one), { fetcher, offline: false })
    return { site, suite, components }
  })
  const apt = makeAptRoot(join(folder, 'apt'), sources, join(moduleRoot, keyring))
  print('')
  print('| roots | apt | yoe | only apt | only yoe |')
  print('|---|---|---|---|---|')
  const together = [['gnome', 'texlive-full'], ['kde-full', 'texlive-full'], desktops]
  for (const roots of [...desktops.map((name) => [name]), ...together]) {
    const theirs = new Set(aptPlan(apt, roots))
    const ours = new Set(closureOf(opened, roots).map(({ name, version }) => `${name} ${version}`))
    const only = (a: ReadonlySet<string>, b: ReadonlySet<string>): string => {
      const list = [...a].filter((entry) => !b.has(entry))
      return `${list.length}${list.length === 0 ? '' : `: ${list.slice(0, 8).join(', ')}`}`
    }
    print(`| ${roots.join(' ')} | ${theirs.size} | ${ours.size} | ${only(theirs, ours)} | ${only(ours, theirs)} |`)
  }
}

/**
 * The figures of a large project on real feeds: 2,000 units in 20 modules, Debian trixie with contrib and security for two
 * architectures, fetched from the mirror that this machine uses.
 */
export async function benchResolve(print: Print): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'yoe-bench-'))
  try {
    commands(print, folder, 20)
    commands(print, folder, 2000)
    largeImage(print, folder)
    await feeds(print, folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  const [mode, cache = '', what = ''] = process.argv.slice(2)
  if (mode === undefined) await benchResolve(console.log)
  else {
    const opened = await openFeeds(cache, 'x86_64')
    if (mode === 'closure') closureOf(opened, [what])
    if (mode === 'open') opened.map((feed) => feed.lookup('bash'))
    if (mode === 'growth') {
      const all = closureOf(opened, ['kde-full']).map(({ name }) => name)
      const step = all.length / Number(what)
      const roots = Array.from({ length: Number(what) }, (_, index) => all[Math.floor(index * step)] ?? '')
      // Records are made once in a feed's life, so each measurement has feeds of its own.
      const fresh = await openFeeds(cache, 'x86_64')
      const start = process.cpuUsage()
      const { length } = closureOf(fresh, roots)
      const { user, system } = process.cpuUsage(start)
      console.log(length, (user + system) / 1000)
    }
  }
}
