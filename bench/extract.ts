import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bwrapWorker } from '#engine/build/bwrap.ts'
import { unpackArchive } from '#engine/source/unpack.ts'
import { Store } from '#engine/store/store.ts'

/** Seconds, and what the process held at most in MiB. */
interface Measured {
  readonly seconds: number
  readonly peak: number
}

const packers = { none: undefined, gzip: ['gzip', '-1'], zstd: ['zstd', '-q', '-3'], xz: ['xz', '-0', '-T0'] } as const
type Packing = keyof typeof packers

/** A tar of `megabytes`: sources are many small files and a few large ones. Packs to about a third. */
function makeSource(folder: string, megabytes: number, packing: Packing): string {
  const tree = join(folder, `source-${megabytes}`)
  const words = Array.from({ length: 64 }, (_, n) => createHash('sha512').update(`${n}`).digest())
  let made = 0
  for (let file = 0; made < megabytes * 1e6; file++) {
    const size = file % 200 === 0 ? megabytes * 2e4 : 4000 + ((file * 7919) % 24_000)
    const place = join(tree, `d${file % 97}`)
    mkdirSync(place, { recursive: true })
    const text = Buffer.alloc(size)
    // A third of it is never the same, as a compressor sees it.
    for (let at = 0; at < size; at += 64) {
      const word = words[(file * 31 + at * 7 + (at >> 9)) % 64] ?? text
      word.copy(text, at, 0, 40)
      text.writeUInt32LE(Math.imul(file * 65_537 + at, 2_654_435_761) >>> 0, Math.min(at + 40, size - 4))
    }
    const to = openSync(join(place, `f${file}.c`), 'w')
    writeSync(to, text)
    closeSync(to)
    made += size
  }
  const path = join(folder, `source-${megabytes}.tar`)
  execFileSync('tar', ['-C', folder, '-cf', path, `source-${megabytes}`])
  rmSync(tree, { recursive: true })
  const packer = packers[packing]
  if (packer === undefined) return path
  const packed = `${path}.${packing}`
  execFileSync('sh', ['-c', `${packer.join(' ')} -c "$0" > "$1"`, path, packed])
  rmSync(path)
  return packed
}

/** What this project does with a source: reads it by its digest, and unpacks it. In a process of its own, for its memory. */
async function ours(archive: string, dest: string): Promise<void> {
  const { objects } = await Store.open(join(dest, 'cache'))
  const { sha256 } = await objects.adopt(archive)
  mkdirSync(join(dest, 'src'))
  const start = performance.now()
  // As the next command does, which knows nothing of what was verified before.
  const again = await Store.open(join(dest, 'cache'))
  const path = await again.objects.path(sha256)
  if (path === undefined) throw new Error('the source is gone')
  const input = { worker: bwrapWorker(), root: 'host', archive: path, title: 'source.tar', strip: true } as const
  await unpackArchive({ ...input, dest: join(dest, 'src') })
  const seconds = (performance.now() - start) / 1000
  console.log(JSON.stringify({ seconds, peak: process.resourceUsage().maxRSS / 1024 }))
}

function measureOurs(folder: string, archive: string): Measured {
  const dest = mkdtempSync(join(folder, 'ours-'))
  const copy = join(dest, 'archive')
  execFileSync('cp', [archive, copy])
  const argv = ['--disable-warning=ExperimentalWarning', import.meta.filename, 'ours', copy, dest]
  const { stdout, status, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  rmSync(dest, { recursive: true })
  const { seconds, peak }: Measured = JSON.parse(stdout)
  return { seconds, peak }
}

function measurePeer(folder: string, archive: string): Measured {
  const dest = mkdtempSync(join(folder, 'peer-'))
  const start = performance.now()
  execFileSync('sh', ['-c', 'sha256sum "$0" >/dev/null && tar -xf "$0" -C "$1"', archive, dest])
  const seconds = (performance.now() - start) / 1000
  rmSync(dest, { recursive: true })
  return { seconds, peak: 0 }
}

/** The better of two, one after the other: the disk is not the same at every moment. */
function best(rounds: readonly Measured[]): Measured {
  return {
    seconds: Math.min(...rounds.map(({ seconds }) => seconds)),
    peak: Math.max(...rounds.map(({ peak }) => peak)),
  }
}

/** Hashing and unpacking a source, against `sha256sum` and `tar`; memory for a large source and a small one. */
export function benchExtract(print: (line: string) => void, megabytes = 2000): void {
  const folder = mkdtempSync(join(process.env['BENCH_TMP'] ?? tmpdir(), 'yoe-bench-'))
  try {
    print('| source | yoe, s | tar and sha256sum, s | ratio | peak of yoe, MiB |')
    print('|---|---|---|---|---|')
    const cases: readonly (readonly [Packing, number])[] = [
      ['none', megabytes / 20],
      ['none', megabytes],
      ['gzip', megabytes / 4],
      ['zstd', megabytes / 4],
      ['xz', megabytes / 20],
    ]
    for (const [packing, size] of cases) {
      const archive = makeSource(folder, size, packing)
      const rounds = [1, 2].map(() => [measureOurs(folder, archive), measurePeer(folder, archive)] as const)
      const [mine, peer] = [best(rounds.map(([a]) => a)), best(rounds.map(([, b]) => b))]
      const row = [mine.seconds.toFixed(2), peer.seconds.toFixed(2), (mine.seconds / peer.seconds).toFixed(2)]
      print(
        `| ${size} MB, ${packing} (${(statSync(archive).size / 1e6).toFixed(0)} MB) | ${row.join(' | ')} | ${mine.peak.toFixed(0)} |`,
      )
      rmSync(archive)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  const [mode, archive = '', dest = ''] = process.argv.slice(2)
  if (mode === 'ours') await ours(archive, dest)
  else benchExtract(console.log, Number(mode ?? 2000))
}
