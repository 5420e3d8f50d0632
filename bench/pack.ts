import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silent } from '#engine/events.ts'
import type { PackInput } from '#engine/formats.ts'
import { nowhere } from '#engine/qa/package-parts.ts'
import { packDeb } from '#feeds/debian/pack.ts'
import { packageUnit } from '../__tests__/support/units.ts'

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

function inputOf(destdir: string, outdir: string): PackInput {
  return {
    unit: packageUnit({ name: 'bench', scope: 'noarch' }),
    arch: 'x86_64',
    distro: 'debian',
    destdir,
    outdir,
    runtimeDeps: [],
    libraries: new Map(),
    around: nowhere,
    report: silent,
    maintainer: 'Bench',
    sourceDateEpoch: 1_700_000_000,
  }
}

/** 20,000 files as small as those of a Node.js application. */
function makeSmallFiles(root: string): void {
  for (let file = 0; file < 20_000; file++) {
    const folder = join(root, 'usr/lib/bench', String(file % 200))
    if (file < 200) mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, `${file}.js`), `module.exports = ${file}${'\n'.repeat(file % 700)}`)
  }
}

/** Packs two trees with this project's writer and with dpkg-deb (same compressor, same level), and prints both. */
export async function benchPack(print: (line: string) => void): Promise<void> {
  const trees = { '100 MB in 400 files': makeTree, '20,000 small files': makeSmallFiles }
  for (const [name, make] of Object.entries(trees)) await compare(name, make, print)
}

async function compare(name: string, make: (root: string) => void, print: (line: string) => void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'yoe-bench-'))
  try {
    const tree = join(folder, 'tree')
    make(tree)
    const peer = join(folder, 'peer.deb')
    const ours: number[] = []
    const theirs: number[] = []
    const timed = async (runs: number[], work: () => unknown): Promise<void> => {
      const start = performance.now()
      await work()
      runs.push((performance.now() - start) / 1000)
    }
    // In turns, so that what else the machine does is in both.
    for (let run = 0; run < 5; run++) {
      await timed(ours, () => packDeb(inputOf(tree, join(folder, 'out'))))
      mkdirSync(join(tree, 'DEBIAN'))
      writeFileSync(
        join(tree, 'DEBIAN/control'),
        'Package: bench\nVersion: 1.0-r0\nArchitecture: all\nMaintainer: Bench\nDescription: bench\n',
      )
      await timed(theirs, () =>
        execFileSync('dpkg-deb', ['--root-owner-group', '-Zzstd', '-z6', '--build', tree, peer], { stdio: 'pipe' }),
      )
      rmSync(join(tree, 'DEBIAN'), { recursive: true })
    }
    const median = (runs: readonly number[]): number => runs.toSorted((a, b) => a - b)[2] ?? 0
    const rss = process.resourceUsage().maxRSS / 1024
    const row = (who: string, seconds: number, bytes: number, note = ''): void =>
      print(
        `| ${who} | ${seconds.toFixed(2)} | ${(bytes / 1e6).toFixed(1)} | ${(seconds / median(ours)).toFixed(2)} | ${note}`,
      )
    print(`| packing ${name} | s | MB | against ours |`)
    print('|---|---|---|---|')
    row(
      'yoe (zstd -6, checks, md5sums, sha256)',
      median(ours),
      statSync(join(folder, 'out/bench_1.0-r0_all.deb')).size,
      `${rss.toFixed(0)} MiB at most`,
    )
    row('dpkg-deb (zstd -6, none of these)', median(theirs), statSync(peer).size)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

if (import.meta.main) await benchPack(console.log)
