import { execFile } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { bwrapWorker } from '#engine/build/bwrap.ts'
import { removeTree } from '#engine/build/tree.ts'
import { defaultLimits, type Run } from '#engine/build/worker.ts'

const exec = promisify(execFile)

/** How long `true` takes, median of the rounds (ms): as it is, under bubblewrap alone, and as our runs. */
export interface SandboxTimes {
  readonly spawn: number
  readonly bwrap: number
  readonly user: number
  readonly install: number
  /** With a way to the network. */
  readonly network: number
}

/** What starting a sandbox costs; they take turns, so that they meet the same machine. */
export async function benchSandbox(rounds = 20): Promise<SandboxTimes> {
  const worker = bwrapWorker()
  const out = await mkdtemp(join(tmpdir(), 'yoe-bench-'))
  await worker.prepareWritable(out)
  const ours =
    (identity: Run['identity'], network = false) =>
    () =>
      worker.run({
        root: 'host',
        argv: ['true'],
        env: { PATH: '/usr/bin:/bin' },
        cwd: '/',
        mounts: [{ source: out, target: '/out', writable: true }],
        network,
        identity,
        limits: defaultLimits,
        output: () => {},
      })
  const plain = [
    '--ro-bind',
    '/',
    '/',
    '--proc',
    '/proc',
    '--dev',
    '/dev',
    '--unshare-all',
    '--die-with-parent',
    'true',
  ]
  const work = {
    spawn: () => exec('true'),
    bwrap: () => exec('bwrap', plain),
    user: ours('user'),
    install: ours('install'),
    network: ours('user', true),
  }
  const times: Record<keyof typeof work, number[]> = { spawn: [], bwrap: [], user: [], install: [], network: [] }
  try {
    for (let round = 0; round <= rounds; round++)
      for (const name of ['spawn', 'bwrap', 'user', 'install', 'network'] as const) {
        const start = performance.now()
        await work[name]()
        if (round > 0) times[name].push(performance.now() - start) // the first round warms
      }
  } finally {
    await removeTree(out)
  }
  const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
  return {
    spawn: median(times.spawn),
    bwrap: median(times.bwrap),
    user: median(times.user),
    install: median(times.install),
    network: median(times.network),
  }
}

if (import.meta.main) {
  const times = await benchSandbox()
  for (const [name, ms] of Object.entries(times))
    console.log(`${name.padEnd(8)} ${ms.toFixed(1).padStart(6)} ms  ${(ms / times.bwrap).toFixed(2)} × bwrap`)
}
