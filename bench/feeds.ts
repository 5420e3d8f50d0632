import { spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { resolveClosure } from '#engine/catalog/closure.ts'
import { universe } from '#engine/catalog/universe.ts'
import { silent } from '#engine/events.ts'
import type { FeedDeclaration } from '#engine/project/model.ts'
import type { Fetcher } from '#engine/source/fetcher.ts'
import { candidates } from '#engine/source/mirrors.ts'
import { openAptFeed } from '#feeds/debian/feed.ts'
import { optionsOf, sitesOf } from '#feeds/debian/feed-place.ts'
import { debianVersions } from '#feeds/debian/version.ts'
import { makeAptRoot } from '../__tests__/support/apt-root.ts'
import { hostsOwn } from '../__tests__/support/host-mirrors.ts'

const moduleRoot = join(import.meta.dirname, '../modules/module-debian')
const keyring = 'keys/debian-archive-keyring.gpg'
const declaration: FeedDeclaration = {
  id: 'debian.main',
  module: 'module-debian',
  at: { file: 'bench', line: 1, column: 1 },
  format: 'debian',
  distro: 'debian',
  options: { name: 'main', url: 'http://ftp.debian.org/debian', suite: 'trixie', keyring },
}
/** About 400 packages. */
const roots = ['gimp', 'inkscape', 'openssh-server', 'build-essential']

// A warm command fetches nothing, so it loads nothing that fetches.
const fetcher: Fetcher = {
  fetch: async (request) =>
    (await import('#engine/source/download.ts')).createFetcher({ mirrors: hostsOwn, offline: false }).fetch(request),
  locate: (url) => candidates([url], hostsOwn),
}

/** What a command does with a feed: opens it and resolves a closure. @returns how many packages */
async function once(cacheRoot: string): Promise<number> {
  const feed = await openAptFeed(declaration, {
    arch: 'x86_64',
    moduleRoot,
    cacheRoot,
    fetcher,
    offline: false,
    refresh: false,
    now: Date.now,
    report: silent,
  })
  const { packages } = resolveClosure({
    ...universe([feed], []),
    versions: debianVersions,
    arch: 'amd64',
    roots: roots.map((name) => ({ dependency: [{ name }], by: 'the benchmark' })),
  })
  return packages.length
}

interface Cost {
  readonly wall: number
  readonly cpu: number
  /** MiB; 0 where it was not measured. */
  readonly rss: number
}

/** Median of whole processes; `before` runs ahead of each. */
function measure(argv: readonly string[], env: NodeJS.ProcessEnv, rounds: number, before: () => void = () => {}): Cost {
  const costs: Cost[] = []
  for (let round = 0; round < rounds; round++) {
    before()
    // The shell's own `times` sums up the user and system seconds of its children.
    const start = performance.now()
    const shell = spawnSync('sh', ['-c', '"$@" >/dev/null; times', 'sh', ...argv], {
      env,
      encoding: 'utf8',
    })
    const wall = (performance.now() - start) / 1000
    if (shell.status !== 0) throw new Error(`${argv.join(' ')}: ${shell.stderr}`)
    const [, children = ''] = shell.stdout.split('\n')
    const seconds = [...children.matchAll(/(\d+)m([\d.]+)s/g)].map(([, m, s]) => Number(m) * 60 + Number(s))
    costs.push({ wall, cpu: seconds.reduce((a, b) => a + b, 0), rss: Number(/rss=(\d+)/.exec(shell.stderr)?.[1] ?? 0) })
  }
  return costs.sort((a, b) => a.cpu - b.cpu)[Math.floor(rounds / 2)] ?? { wall: 0, cpu: 0, rss: 0 }
}

/**
 * Indexing Debian trixie main and resolving a closure of some 400 packages from it, against apt on the same feed;
 * whole processes, CPU seconds beside wall time since other work may go on.
 */
export async function benchFeeds(print: (line: string) => void, rounds = 5): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'yoe-bench-'))
  try {
    const cache = join(folder, 'cache')
    const count = await once(cache)
    const [site = ''] = sitesOf(optionsOf(declaration), { fetcher, offline: false })
    const source = { site, suite: 'trixie', components: ['main'] }
    const apt = makeAptRoot(join(folder, 'apt'), [source], join(moduleRoot, keyring))
    const env = { ...process.env, NODE_COMPILE_CACHE: join(folder, 'compiled') }
    const child = [process.execPath, import.meta.filename, 'child', cache]
    const remove = (pattern: string): void => {
      for (const path of globSync(pattern)) rmSync(path)
    }
    measure(child, env, 2)
    const install = ['--no-install-recommends', 'install', ...roots]
    const rows: readonly (readonly [string, Cost])[] = [
      ['empty Node', measure([process.execPath, '-e', ''], env, rounds)],
      [
        'yoe: cold index (file at hand) and closure',
        measure(child, env, rounds, () => remove(join(cache, 'feeds/*.index'))),
      ],
      [
        'apt-cache gencaches',
        measure(['apt-cache', 'gencaches', '-qq'], apt.env, rounds, () => remove(join(apt.folder, '*.bin'))),
      ],
      [`yoe: warm closure of ${count} packages`, measure(child, env, rounds)],
      [
        `apt-get --print-uris, ${count} packages`,
        measure(['apt-get', '-qq', '-y', '--print-uris', ...install], apt.env, rounds),
      ],
      [`apt-get -s, ${count} packages`, measure(['apt-get', '-qq', '-s', ...install], apt.env, 1)],
    ]
    print('| feeds: Debian trixie main | CPU s | wall s | MiB |')
    print('|---|---|---|---|')
    for (const [name, { cpu, wall, rss }] of rows) {
      print(`| ${name} | ${cpu.toFixed(3)} | ${wall.toFixed(2)} | ${rss === 0 ? '' : rss} |`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  const [mode, cache] = process.argv.slice(2)
  if (mode === 'child' && cache !== undefined) {
    await once(cache)
    process.stderr.write(`rss=${Math.round(process.resourceUsage().maxRSS / 1024)}\n`)
  } else await benchFeeds(console.log)
}
