import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type DestEntry, scanDestdir } from '#engine/build/destdir.ts'
import type { PackInput } from '#engine/formats.ts'
import { controlArchive } from '#feeds/debian/control-archive.ts'
import { dataTar } from '#feeds/debian/data-tar.ts'
import { writeDeb } from '#feeds/debian/deb-file.ts'
import { packDeb } from '#feeds/debian/pack.ts'
import { bareRecord } from '#feeds/debian/pack-relations.ts'
import { packInput } from '../__tests__/support/making.ts'

/** 100 MB in 400 files that compress about as well as programs do, and are the same in every run. */
function makeTree(root: string): void {
  const words = Array.from({ length: 4096 }, (_, n) =>
    createHash('sha256')
      .update(`w${n}`)
      .digest()
      .subarray(0, 3 + (n % 14)),
  )
  let state = 1
  for (let file = 0; file < 400; file++) {
    const folder = join(root, 'usr/lib/bench', String(file % 20))
    mkdirSync(folder, { recursive: true })
    const parts: Buffer[] = []
    for (let size = 0; size < 250_000; ) {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
      // Few words are common, most are rare.
      const word = words[Math.floor(4096 * (((state >> 8) & 0xffff) / 65536) ** 3)] ?? Buffer.alloc(1)
      parts.push(word)
      size += word.length
    }
    writeFileSync(join(folder, `${file}.bin`), Buffer.concat(parts))
  }
}

const inputOf = (destdir: string, outdir: string): PackInput =>
  packInput(destdir, outdir, { unit: { name: 'bench', scope: 'noarch' }, maintainer: 'Bench' })

/** 20,000 files as small as those of a Node.js application. */
function makeSmallFiles(root: string): void {
  for (let file = 0; file < 20_000; file++) {
    const folder = join(root, 'usr/lib/bench', String(file % 200))
    if (file < 200) mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, `${file}.js`), `module.exports = ${file}${'\n'.repeat(file % 700)}`)
  }
}

/** What packing one tree is done by, by what it does. */
export type Ways = Readonly<Record<string, (tree: string, out: string) => Promise<unknown>>>

/** All compress with zstd -6, in as many threads as there are processors. */
const ways = {
  'yoe: md5sums, .deb, its sha256, on disk; and all checks': (tree, out) => packDeb(inputOf(tree, out)),
  'the same without the checks': writeOnly,
  'md5sum of every file, then dpkg-deb --build': (tree, out) => peer(tree, out, true),
  'dpkg-deb --build alone, without md5sums': (tree, out) => peer(tree, out, false),
} satisfies Ways

async function writeOnly(destdir: string, out: string): Promise<void> {
  const input = inputOf(destdir, out)
  const { maintainer, sourceDateEpoch: mtime } = input
  const tree = await scanDestdir(destdir)
  const sums = new Map<DestEntry, string>()
  const facts = { record: bareRecord(input, ''), description: 'bench', homepage: undefined, maintainer, tree, sums }
  const lists = { conffiles: [], services: [], replaces: [], brings: [] }
  await writeDeb(join(out, 'bench.deb'), {
    data: dataTar(tree, mtime, [tree.entries], sums),
    control: async () => controlArchive({ ...facts, ...lists }, mtime),
    mtime,
  })
  tree.close()
}

const peerControl = 'Package: bench\nVersion: 1.0-r0\nArchitecture: all\nMaintainer: Bench\nDescription: bench\n'
/** As dh_md5sums does it. */
const md5sums =
  "find . -type f ! -path './DEBIAN/*' -printf '%P\\0' | LC_ALL=C sort -z | xargs -r0 md5sum >DEBIAN/md5sums"

async function peer(tree: string, out: string, sums: boolean): Promise<void> {
  mkdirSync(join(tree, 'DEBIAN'))
  writeFileSync(join(tree, 'DEBIAN/control'), peerControl)
  const build = 'dpkg-deb --root-owner-group -Zzstd -z6 --build . "$0"'
  const script = sums ? `${md5sums} && ${build}` : build
  try {
    await promisify(execFile)('sh', ['-c', script, join(out, 'bench.deb')], { cwd: tree })
  } finally {
    rmSync(join(tree, 'DEBIAN'), { recursive: true })
  }
}

/** Packs two trees in each of these ways, and prints them all. The first one is this project's. */
export async function benchWays(ways: Ways, print: (line: string) => void): Promise<void> {
  const trees = { '100 MB in 400 files': makeTree, '20,000 small files': makeSmallFiles }
  for (const [name, make] of Object.entries(trees)) await compare(ways, name, make, print)
  print(
    `at most ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB of memory, ${availableParallelism()} processors`,
  )
}

async function compare(
  ways: Ways,
  name: string,
  make: (root: string) => void,
  print: (line: string) => void,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'yoe-bench-'))
  try {
    const tree = join(folder, 'tree')
    make(tree)
    const rows = Object.entries(ways).map(([way, work]) => ({ way, work, runs: [] as number[], bytes: 0 }))
    // In turns, so that what else the machine does is in all of them.
    for (let run = 0; run < 5; run++) {
      for (const row of rows) {
        const out = join(folder, 'out')
        mkdirSync(out)
        const start = performance.now()
        await row.work(tree, out)
        row.runs.push((performance.now() - start) / 1000)
        row.bytes = readdirSync(out).reduce((sum, file) => sum + statSync(join(out, file)).size, 0)
        rmSync(out, { recursive: true })
      }
    }
    const median = (runs: readonly number[]): number => runs.toSorted((a, b) => a - b)[2] ?? 0
    const [own = 1] = rows.map(({ runs }) => median(runs))
    print(`| packing ${name} | s | MB | against yoe |`)
    print('|---|---|---|---|')
    for (const { way, runs, bytes } of rows)
      print(
        `| ${way} | ${median(runs).toFixed(2)} | ${(bytes / 1e6).toFixed(1)} | ${(median(runs) / own).toFixed(2)} |`,
      )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

// This project's writer beside dpkg-deb: same compressor, same level.
if (import.meta.main) await benchWays(ways, console.log)
