/**
 * A machine of a run, for tests and benchmarks: builds a graph in a cache of its own, sharing what it makes through a
 * folder. Its one argument is a {@link RunnerOptions} as JSON. Says what happens on standard output, a line each:
 * `building NAME`, `built NAME` and, at the end, `done` with the outcome of each node.
 */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Claims } from '#engine/build/claims.ts'
import { execute } from '#engine/build/executor.ts'
import type { PackageNode } from '#engine/plan/graph.ts'
import { UnitCache } from '#engine/store/cache.ts'
import { DirectoryStore } from '#engine/store/remotes/dir.ts'
import { parseCacheKey, parseCacheSigner } from '#engine/store/signing.ts'
import { packageNode } from './nodes.ts'
import { quietContext } from './quiet-context.ts'

export interface RunnerOptions {
  readonly name: string
  /** Of this machine alone. */
  readonly root: string
  /** Of all machines. */
  readonly shared: string
  /** File with a line `RUNNER UNIT` for each build, of all machines. */
  readonly built: string
  /** Each with what it takes and what it needs, dependencies first. */
  readonly units: readonly { readonly name: string; readonly ms: number; readonly needs: readonly string[] }[]
  readonly jobs: number
  readonly key: string
  /** False: every machine builds what it lacks. */
  readonly claims: boolean
  readonly deadMs: number
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
const keys = new Map(
  [...nodes].map(([name, node]) => [node, { hash: Buffer.from(name).toString('hex').padEnd(64, '0'), inputs: null }]),
)
const report = (event: { readonly type: string; readonly message?: string }): void => {
  if (event.type === 'notice' || event.type === 'warning') say(`told ${event.message}`)
}
const context = await quietContext(root, { keys, report })
const signer = parseCacheSigner(key)
const remote = new DirectoryStore(shared)
const remotes = new UnitCache({
  store: context.store,
  remotes: [remote],
  trust: { keys: [parseCacheKey(signer.publicKey)], unsigned: false },
  signer,
  report,
})
const { deadMs } = options
const claims = new Claims({
  documents: remote.documents,
  holder: runner,
  report,
  beatMs: deadMs / 4,
  deadMs,
  pollMs: [20, 100],
})
const reports = await execute(context, [...nodes.values()], {
  jobs,
  keepGoing: true,
  rebuild: new Map(),
  remotes,
  signer,
  ...(options.claims ? { claims } : {}),
  build: async ({ unit: { name } }) => {
    say(`building ${name}`)
    appendFileSync(built, `${runner} ${name}\n`)
    await sleep(units.find((unit) => unit.name === name)?.ms ?? 0)
    const path = join(root, `${name}.deb`)
    mkdirSync(root, { recursive: true })
    // No two builds are the same, so that two results for one key would show.
    writeFileSync(path, `${name} by ${runner} at ${process.hrtime.bigint()}`)
    say(`built ${name}`)
    return [{ name: `${name}.deb`, path }]
  },
})
await context.store.release()
const results = reports.map(({ node, outcome, manifest }) => [node.unit.name, outcome, manifest?.files[0]?.sha256])
say(`done ${JSON.stringify(results)}`)
