import { spawnSync } from 'node:child_process'
import { copyFileSync, globSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { universe } from '#engine/catalog/universe.ts'
import { silent } from '#engine/events.ts'
import type { FeedDeclaration } from '#engine/project/model.ts'
import type { Fetcher } from '#engine/source/fetcher.ts'
import { resolveAlpineClosure } from '#feeds/alpine/closure.ts'
import { openAlpineFeed } from '#feeds/alpine/feed.ts'
import { alpineVersions } from '#feeds/alpine/version.ts'
import { apk2 } from '../__tests__/support/alpine/apk.ts'
import { indexes } from '../__tests__/support/alpine/material.ts'
import { genuineKeys } from '../__tests__/support/alpine/roots.ts'

const key = 'alpine-devel@lists.alpinelinux.org-6165ee59.rsa.pub'
/** 625 packages. */
const roots = ['plasma', 'libreoffice']
const sections = ['main', 'community'] as const

// A warm command fetches nothing, so it loads nothing that fetches.
const fetcher: Fetcher = {
  fetch: async (request) =>
    (await import('#engine/source/download.ts'))
      .createFetcher({ mirrors: { rules: [], only: false }, offline: false })
      .fetch(request),
}

/** What a command does with a feed: opens it, and resolves a closure. @returns how many packages */
async function once(folder: string, wanted: readonly string[]): Promise<number> {
  const declaration: FeedDeclaration = {
    id: 'alpine.main',
    module: 'module-alpine',
    at: { file: 'bench', line: 1, column: 1 },
    format: 'apk',
    distro: 'alpine',
    options: { name: 'main', url: `file://${folder}/mirror`, branch: 'v3.19', sections: [...sections], keys: [key] },
  }
  const feed = await openAlpineFeed(declaration, {
    arch: 'x86_64',
    moduleRoot: folder,
    cacheRoot: join(folder, 'cache'),
    fetcher,
    offline: false,
    refresh: false,
    now: Date.now,
    report: silent,
  })
  if (wanted.length === 0) return 0
  const { packages } = resolveAlpineClosure({
    ...universe([feed], []),
    versions: alpineVersions,
    arch: 'x86_64',
    roots: wanted.map((name) => ({ dependency: [{ name }], by: 'the benchmark' })),
  })
  return packages.length
}

/** Median seconds of something; `before` runs ahead of each. */
async function median(rounds: number, work: () => unknown, before: () => void = () => {}): Promise<number> {
  const seconds: number[] = []
  for (let round = 0; round < rounds; round++) {
    before()
    const start = performance.now()
    await work()
    seconds.push((performance.now() - start) / 1000)
  }
  return seconds.sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? 0
}

/** Indexing the 23,000 packages of Alpine 3.19 and resolving a closure of them, whole processes, beside the real apk. */
export async function benchAlpineFeeds(print: (line: string) => void, rounds = 5): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'yoe-bench-'))
  try {
    const keys = await genuineKeys()
    copyFileSync(join(keys, key), join(folder, key))
    for (const section of sections) {
      const place = join(folder, 'mirror/v3.19', section, 'x86_64')
      mkdirSync(place, { recursive: true })
      copyFileSync(indexes[`v3.19-${section}-x86_64`], join(place, 'APKINDEX.tar.gz'))
    }
    const root = join(folder, 'root')
    mkdirSync(root)
    await apk2(['add', '--initdb'], { root })
    const repositories = sections.map((section) => join(folder, 'mirror/v3.19', section))
    const apk = async (args: readonly string[]): Promise<void> => {
      const { code, stderr } = await apk2([...args], { root, keys, repositories })
      if (code !== 0) throw new Error(String(stderr))
    }
    const count = await once(folder, roots)
    const env = { ...process.env, NODE_COMPILE_CACHE: join(folder, 'compiled') }
    const child = (...wanted: readonly string[]): void => {
      const ran = spawnSync(process.execPath, [import.meta.filename, 'child', folder, ...wanted], { env })
      if (ran.status !== 0) throw new Error(String(ran.stderr))
    }
    const forget = (): void => {
      for (const path of globSync(join(folder, 'cache/feeds/*.index'))) rmSync(path)
    }
    const anew = (): void => rmSync(join(folder, 'cache'), { recursive: true, force: true })
    child(...roots)
    const rows: readonly (readonly [string, number])[] = [
      ['empty Node', await median(rounds, () => spawnSync(process.execPath, ['-e', '']))],
      ['yoe: verified and indexed, from the archive', await median(rounds, () => child(), anew)],
      ['yoe: indexed, from the verified text', await median(rounds, () => child(), forget)],
      ['yoe: opened warm', await median(rounds, () => child())],
      ['apk: the same read (apk list of one name)', await median(rounds, () => apk(['list', 'musl']))],
      [`yoe: warm closure of ${count} packages`, await median(rounds, () => child(...roots))],
      [
        `apk add --simulate, ${count} packages`,
        await median(rounds, () => apk(['add', '--simulate', '--no-network', ...roots])),
      ],
    ]
    print('| feeds: Alpine 3.19 main and community | wall s |')
    print('|---|---|')
    for (const [name, wall] of rows) print(`| ${name} | ${wall.toFixed(3)} |`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  const [mode, folder, ...wanted] = process.argv.slice(2)
  if (mode === 'child' && folder !== undefined) await once(folder, wanted)
  else await benchAlpineFeeds(console.log)
}
