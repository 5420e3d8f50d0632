// A graph of 300 units on machines of four jobs that share a bucket, each 80 ms and 50 MB/s away from it (a real S3 service
// behind slow lines). Units do nothing but take their time, so that the processors here count for little.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Exchange } from '#engine/source/exchange.ts'
import { credentialChain } from '#engine/store/remotes/aws-credentials.ts'
import { BucketStore } from '#engine/store/remotes/s3.ts'
import { BucketRequests } from '#engine/store/remotes/s3-requests.ts'
import { generateCacheKey } from '#engine/store/signing.ts'
import type { RunnerOptions, RunnerUnit } from '../__tests__/engine/build/runner-process.ts'
import { startBucket } from '../__tests__/support/s3.ts'
import { slowNetwork } from './slow-network.ts'

const line = { roundTripMs: 80, bytesPerSecond: 50e6 }
const count = 300
const packageBytes = 200_000
const imageBytes = 50e6

/** Layers of 30, each unit upon two of the layer before; an image of all. */
function graph(leafVersion: string): readonly RunnerUnit[] {
  let state = 1
  const random = (below: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor((state / 2 ** 31) * below)
  }
  const units: RunnerUnit[] = Array.from({ length: count }, (_, index) => ({
    name: `u${index}`,
    ms: 1_000 + random(2_000),
    needs: index < 30 ? [] : [...new Set([0, 1].map(() => `u${index - (index % 30) - 30 + random(30)}`))],
    size: packageBytes,
    ...(index === count - 1 ? { version: leafVersion } : {}),
  }))
  return [...units, { name: 'image', ms: 1_000, needs: units.map(({ name }) => name), size: imageBytes }]
}

const folder = mkdtempSync(join(tmpdir(), 'yoe-bench-'))
const real = await startBucket(folder)
/** Each machine has a line of its own. */
const lines = await Promise.all(Array.from({ length: 4 }, () => slowNetwork(real.endpoint, line)))
const [network] = lines
if (network === undefined) throw new TypeError('no line')
Object.assign(process.env, real.env)
const key = generateCacheKey().privateKey
let world = 0

/** Lets so many machines with empty caches make the image at the same time. */
async function run(machines: number, { bucket, leaf = '1', shared = true }: Run) {
  const built = join(folder, `built-${world++}`)
  writeFileSync(built, '')
  const earlier = lines.map((one) => one.requests.length)
  const bytes = moved()
  const took = await Promise.all(
    Array.from({ length: machines }, async (_, index) => {
      const options: RunnerOptions = {
        name: `m${index}`,
        root: join(folder, `machine-${world}-${index}`),
        shared: shared ? { endpoint: lines[index]?.url ?? '', bucket, region: real.region } : undefined,
        built,
        units: graph(leaf),
        targets: ['image'],
        jobs: 4,
        key,
        claims: shared,
        deadMs: 20_000,
        skewMs: 0,
      }
      const script = join(import.meta.dirname, '../__tests__/engine/build/runner-process.ts')
      const argv = ['--disable-warning=ExperimentalWarning', script, JSON.stringify(options)]
      const { stdout } = await promisify(execFile)(process.execPath, argv, { maxBuffer: 2 ** 26 })
      rmSync(options.root, { recursive: true })
      return Number(/^took (\d+)$/m.exec(stdout)?.[1])
    }),
  )
  const said = lines.flatMap((one, index) => one.requests.slice(earlier[index]))
  return {
    seconds: Math.max(...took) / 1000,
    builds: readFileSync(built, 'utf8').split('\n').length - 1,
    requests: said.length,
    puts: said.filter((one) => one.startsWith('PUT ') && one.includes('/units/')).length,
    bytes: moved() - bytes,
  }
}

function moved(): number {
  return lines.reduce((sum, one) => sum + one.bytes(), 0)
}

interface Run {
  readonly bucket: string
  readonly leaf?: string
  readonly shared?: boolean
}

const fresh = (): string => {
  const bucket = `bucket-${world}`
  mkdirSync(join(folder, 'buckets', bucket))
  return bucket
}
const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`
const row = (what: string, ...cells: readonly string[]): void => {
  console.log([what.padEnd(44), ...cells.map((cell) => cell.padStart(12))].join(''))
}

try {
  const alone = await run(1, { bucket: fresh(), shared: false })
  row('cold, 1 machine, nothing shared', `${alone.seconds.toFixed(1)} s`)
  const bucket = fresh()
  const one = await run(1, { bucket })
  const more = ((one.seconds / alone.seconds - 1) * 100).toFixed(1)
  const pace = (one.puts / one.seconds) * 60
  row('cold, 1 machine', `${one.seconds.toFixed(1)} s`, `+${more} %`, `${pace.toFixed(0)} saved/min`)
  for (const machines of [2, 4]) {
    const many = await run(machines, { bucket: fresh() })
    const twice = many.builds - count - 1
    row(
      `cold, ${machines} machines`,
      `${many.seconds.toFixed(1)} s`,
      `${(one.seconds / many.seconds).toFixed(2)} ×`,
      `${twice} twice (${((twice / count) * 100).toFixed(1)} %)`,
    )
  }
  const transfer = imageBytes / line.bytesPerSecond
  const same = await run(1, { bucket })
  row(
    'nothing changed',
    `${same.seconds.toFixed(1)} s`,
    `${same.requests} requests`,
    `${(same.seconds - transfer).toFixed(1)} s beyond the transfer`,
  )
  const leaf = await run(1, { bucket, leaf: '2' })
  const work = ((graph('2').at(-2)?.ms ?? 0) + 1_000) / 1_000
  row(
    'one leaf changed',
    `${leaf.seconds.toFixed(1)} s`,
    `${leaf.builds} built`,
    `${(leaf.seconds - work).toFixed(1)} s beyond unit and image`,
  )

  // What projects do today: the whole cache as one blob, down before and up after.
  const requests = new BucketRequests(
    { endpoint: network.url, bucket: fresh(), region: real.region },
    new Exchange({ direct: true }),
    credentialChain(process.env),
  )
  let temps = 0
  const blob = new BucketStore({
    requests,
    bucket: 'b',
    prefix: '',
    temp: () => join(folder, `blob-${temps++}`),
    title: 'b',
  })
  const size = count * packageBytes + imageBytes
  const bytes = Buffer.alloc(size)
  for (const [what, step] of [
    ['cold: up', async () => void (await blob.put('all-1', async (path) => writeFileSync(path, bytes)))],
    ['nothing changed: down', async () => void (await blob.get('all-1', async () => {}))],
    [
      'one leaf changed: down and up',
      async () => {
        await blob.get('all-1', async () => {})
        await blob.put('all-2', async (path) => writeFileSync(path, bytes))
      },
    ],
  ] as const) {
    const [start, before] = [performance.now(), moved()]
    await step()
    row(`one blob, ${what}`, `${((performance.now() - start) / 1000).toFixed(1)} s`, mb(moved() - before))
  }
  row('ours, moved: cold / nothing / one leaf', mb(one.bytes), mb(same.bytes), mb(leaf.bytes))
} finally {
  for (const one of lines) one.close()
  real.stop()
  rmSync(folder, { recursive: true, force: true })
}
