import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { dockerWorker } from '#engine/build/docker.ts'
import { defaultLimits } from '#engine/build/worker.ts'

const exec = promisify(execFile)

/**
 * What a container costs: `true` as a run of ours, and by `docker run` of the same image with the same host folders (ms,
 * medians; they take turns). Needs a daemon that answers, and the `docker` program.
 */
export async function benchDocker(rounds = 10): Promise<{ readonly docker: number; readonly ours: number }> {
  const records = await mkdtemp(join(tmpdir(), 'yoe-bench-'))
  const worker = dockerWorker({ records })
  const ours = (): Promise<unknown> =>
    worker.run({
      ...{ root: 'host', argv: ['true'], env: { PATH: '/usr/bin:/bin' }, cwd: '/', mounts: [], network: false },
      identity: 'user',
      limits: defaultLimits,
      output: () => {},
    })
  try {
    await ours()
    const { stdout } = await exec('docker', ['image', 'ls', '--quiet', '--no-trunc', '--filter', 'label=io.yoe=root'])
    const image = stdout.split('\n')[0] ?? ''
    const plain = (): Promise<unknown> =>
      exec('docker', ['run', '--rm', '--network', 'none', '--volume', '/usr:/usr:ro', image, '/usr/bin/true'])
    const times = { docker: [] as number[], ours: [] as number[] }
    for (let round = 0; round < rounds; round++)
      for (const [name, work] of [
        ['docker', plain],
        ['ours', ours],
      ] as const) {
        const start = performance.now()
        await work()
        times[name].push(performance.now() - start)
      }
    const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
    return { docker: median(times.docker), ours: median(times.ours) }
  } finally {
    await rm(records, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  const { docker, ours } = await benchDocker()
  console.log(`docker run ${docker.toFixed(0)} ms, ours ${ours.toFixed(0)} ms: ${(ours / docker).toFixed(2)} × docker`)
}
