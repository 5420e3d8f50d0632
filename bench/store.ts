import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Store } from '#engine/store/store.ts'

export interface StoreFigures {
  readonly megabytes: number
  /** Milliseconds, the best of a few rounds each. */
  readonly put: number
  /** First use by another process: every byte hashed. */
  readonly get: number
  /** The same by coreutils: copy, sync and sha256sum; sha256sum alone. */
  readonly copyAndSum: number
  readonly sum: number
}

/** Putting a file into the store and having it back, against `cp`, `sync` and `sha256sum` on the same disk. */
export async function benchStore(megabytes = 256, rounds = 3): Promise<StoreFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'yoe-bench-'))
  try {
    const file = join(folder, 'file')
    const content = Buffer.alloc(megabytes * 1e6)
    for (let at = 0; at < content.length; at += 8) content.writeUInt32LE((at * 2654435761) >>> 0, at)
    writeFileSync(file, content)
    let sha256 = ''
    const put = await best(rounds, async (round) => {
      const { objects } = await Store.open(join(folder, `cache${round}`))
      sha256 = (await objects.putFile(file)).sha256
    })
    const get = await best(rounds, async () => {
      const { objects } = await Store.open(join(folder, 'cache0'))
      if ((await objects.path(sha256)) === undefined) throw new Error('the object is gone')
    })
    const copyAndSum = await best(rounds, async (round) => {
      execFileSync('sh', ['-c', 'cp "$0" "$1" && sync "$1" && sha256sum "$1"', file, join(folder, `copy${round}`)])
    })
    const sum = await best(rounds, async () => void execFileSync('sha256sum', [file]))
    return { megabytes, put, get, copyAndSum, sum }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function best(rounds: number, work: (round: number) => Promise<void>): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    await work(round)
    times.push(performance.now() - start)
  }
  return Math.min(...times)
}

if (import.meta.main) {
  const { megabytes, put, get, copyAndSum, sum } = await benchStore()
  const row = (name: string, ours: number, peer: number): void =>
    console.log(`| ${name} | ${(ours / 1000).toFixed(2)} | ${(peer / 1000).toFixed(2)} | ${(ours / peer).toFixed(2)} |`)
  console.log(`| ${megabytes} MB | yoe, s | coreutils, s | ratio |\n|---|---|---|---|`)
  row('put: hashed, synced (cp, sync, sha256sum)', put, copyAndSum)
  row('get: every byte verified (sha256sum)', get, sum)
}
