/**
 * A machine of a run, for tests and benchmarks: builds a graph in a cache of its own, sharing what it makes through a
 * folder or a bucket. Its one argument is a {@link RunnerOptions} as JSON. Says what happens on standard output, a line each:
 * `building NAME`, `built NAME` and, at the end, `done` with the outcome of each node.
 */
import { createHash, randomBytes } from 'node:crypto'
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Claims } from '#engine/build/claims.ts'
import { execute } from '#engine/build/executor.ts'
import type { PackageNode } from '#engine/plan/graph.ts'
import { Exchange } from '#engine/source/exchange.ts'
import { UnitCache } from '#engine/store/cache.ts'
import type { RemoteStore } from '#engine/store/remote.ts'
import { credentialChain } from '#engine/store/remotes/aws-credentials.ts'
import { DirectoryStore } from '#engine/store/remotes/dir.ts'
import { BucketStore } from '#engine/store/remotes/s3.ts'
import { BucketRequests } from '#engine/store/remotes/s3-requests.ts'
import { parseCacheKey, parseCacheSigner } from '#engine/store/signing.ts'
import { packageNode } from './nodes.ts'
import { quietContext } from './quiet-context.ts'

export interface RunnerUnit {
  readonly name: string
  readonly ms: number
  readonly needs: readonly string[]
  /** Part of its key, and so of the keys of what needs it. */
  readonly version?: string
  /** Bytes of its package; default: a few. */
  readonly size?: number
}

export interface RunnerOptions {
  readonly name: string
  /** Of this machine alone. */
  readonly root: string
  /** Of all machines: a folder, or a bucket; undefined: nothing is shared. */
  readonly shared: string | { readonly endpoint: string; readonly bucket: string; readonly region: string } | undefined
  /** File with a line `RUNNER UNIT` for each build, of all machines. */
  readonly built: string
  /** Each with what it takes and what it needs, dependencies first. */
  readonly units: readonly RunnerUnit[]
  /** What is asked for; default: all. */
  readonly targets?: readonly string[]
  readonly jobs: number
  readonly key: string
  /** False: every machine builds what it lacks. */
  readonly claims: boolean
  readonly deadMs: number
  /** As in {@link ClaimsOptions}; default: theirs. */
  readonly pollMs?: readonly [number, number]
  /** Milliseconds that this machine's clock is ahead. */
  readonly skewMs: number
}

const options: RunnerOptions = JSON.parse(process.argv[2] ?? '{}')
const { name: runner, root, shared, built, units, jobs, key } = options
const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}
const trueNow = Date.now
Date.now = () => trueNow() + options.skewMs

const nodes = new Map<string, PackageNode>()
for (const { name, needs } of units)
  nodes.set(name, packageNode(name, ...needs.map((need) => nodes.get(need) ?? packageNode(need))))
const hashes = new Map<string, string>()
for (const { name, needs, version = '' } of units) {
  const below = needs.map((need) => hashes.get(need) ?? '')
  hashes.set(
    name,
    createHash('sha256')
      .update(JSON.stringify([name, version, below]))
      .digest('hex'),
  )
}
const keys = new Map([...nodes].map(([name, node]) => [node, { hash: hashes.get(name) ?? '', inputs: null }]))
const report = (event: { readonly type: string; readonly message?: string }): void => {
  if (event.type === 'notice' || event.type === 'warning') say(`told ${event.message}`)
}
const context = await quietContext(root, { keys, report })
const signer = parseCacheSigner(key)
const remote =
  shared === undefined ? undefined : typeof shared === 'string' ? new DirectoryStore(shared) : bucket(shared)
const remotes = new UnitCache({
  store: context.store,
  remotes: remote === undefined ? [] : [remote],
  trust: { keys: [parseCacheKey(signer.publicKey)], unsigned: false },
  signer,
  report,
})
const { deadMs, pollMs } = options
const targets = (options.targets ?? [...nodes.keys()]).flatMap((name) => nodes.get(name) ?? [])
const documents = remote?.documents
const claims =
  documents === undefined || !options.claims
    ? undefined
    : new Claims({
        documents,
        holder: runner,
        report,
        beatMs: deadMs / 4,
        deadMs,
        ...(pollMs === undefined ? {} : { pollMs }),
      })
const start = performance.now()
const reports = await execute(context, targets, {
  jobs,
  keepGoing: true,
  rebuild: new Map(),
  ...(remote === undefined ? {} : { remotes }),
  signer,
  claims,
  build: async ({ unit: { name } }) => {
    say(`building ${name}`)
    appendFileSync(built, `${runner} ${name}\n`)
    const { ms = 0, size } = units.find((unit) => unit.name === name) ?? {}
    await sleep(ms)
    const path = join(root, `${name}.deb`)
    mkdirSync(root, { recursive: true })
    // No two builds are the same, so that two results for one key would show.
    const text = `${name} by ${runner} at ${process.hrtime.bigint()}`
    writeFileSync(path, size === undefined ? text : Buffer.concat([Buffer.from(text), randomBytes(size)]))
    say(`built ${name}`)
    return [{ name: `${name}.deb`, path }]
  },
})
say(`took ${Math.round(performance.now() - start)}`)
await context.store.release()
const results = reports.map(({ node, outcome, manifest }) => [node.unit.name, outcome, manifest?.files[0]?.sha256])
say(`done ${JSON.stringify(results)}`)

function bucket(place: { readonly endpoint: string; readonly bucket: string; readonly region: string }): RemoteStore {
  const requests = new BucketRequests(place, new Exchange({ direct: true }), credentialChain(process.env))
  let count = 0
  const temp = (): string => join(root, `entry-${count++}`)
  return new BucketStore({ requests, bucket: place.bucket, prefix: '', temp, title: 'bucket' })
}
