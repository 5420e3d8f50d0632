import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bwrapWorker } from '#engine/build/bwrap.ts'
import { removeTree } from '#engine/build/tree.ts'
import { openUnitLog } from '#engine/build/unit-log.ts'
import { defaultLimits } from '#engine/build/worker.ts'
import { silent } from '#engine/events.ts'

/** How long a task takes that works and prints (ms): with a log of ours, and with its output thrown away at once. */
export interface LogTimes {
  readonly lines: number
  readonly logged: number
  readonly thrownAway: number
  /** Bytes that this process grew by meanwhile. */
  readonly memory: number
}

/** A task that prints a million lines in a second, as compilers at their most talkative do not. */
const lines = 3_000_000
const task = `for i in 1 2 3; do timeout 0.7 sh -c 'while :; do :; done' || :; seq 1000000; done`

/** H3: what printing costs a build that prints a million lines every second while it works; the two take turns. */
export async function benchLog(rounds = 3): Promise<LogTimes> {
  const worker = bwrapWorker()
  const folder = mkdtempSync(join(tmpdir(), 'yoe-bench-'))
  const run = async (command: string): Promise<number> => {
    const log = openUnitLog(join(folder, 'log'), 'u', silent)
    const start = performance.now()
    await worker.run({
      root: 'host',
      argv: ['bash', '-c', command],
      env: { PATH: '/usr/bin:/bin' },
      cwd: '/',
      mounts: [],
      network: false,
      identity: 'user',
      limits: defaultLimits,
      output: log.write,
    })
    log.close()
    return performance.now() - start
  }
  const times: { logged: number[]; thrownAway: number[] } = { logged: [], thrownAway: [] }
  const before = process.memoryUsage().rss
  try {
    for (let round = 0; round < rounds; round++) {
      times.thrownAway.push(await run(`{ ${task}; } >/dev/null`))
      times.logged.push(await run(task))
    }
  } finally {
    await removeTree(folder)
  }
  const middle = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
  return {
    lines,
    logged: middle(times.logged),
    thrownAway: middle(times.thrownAway),
    memory: process.memoryUsage().rss - before,
  }
}

if (import.meta.main) {
  const { logged, thrownAway, memory } = await benchLog()
  console.log(
    `${lines} lines: ${logged.toFixed(0)} ms with a log, ${thrownAway.toFixed(0)} ms without: ${((100 * thrownAway) / logged).toFixed(0)} % of its speed, ${(memory / 2 ** 20).toFixed(0)} MiB more`,
  )
}
