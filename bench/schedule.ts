import { mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { execute } from '#engine/build/executor.ts'
import type { PackageNode } from '#engine/plan/graph.ts'
import { packageNode } from '../__tests__/engine/build/nodes.ts'
import { quietContext } from '../__tests__/engine/build/quiet-context.ts'

/** How long a graph took, beside the shortest time that any order could take with these places (ms). */
export interface ScheduleTimes {
  readonly what: string
  readonly ms: number
  readonly bound: number
}

/**
 * Sixty units of known times: a chain as long as a fifth of all work, and layers of others around it, most of them short.
 * @param seed of the times
 */
function graph(seed: number): {
  readonly nodes: readonly PackageNode[]
  readonly ms: ReadonlyMap<PackageNode, number>
} {
  let state = seed
  const random = (): number => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return state / 2 ** 31
  }
  const nodes: PackageNode[] = []
  const ms = new Map<PackageNode, number>()
  const add = (time: number, ...below: PackageNode[]): PackageNode => {
    const node = packageNode(`u${nodes.length}`, ...below)
    nodes.push(node)
    ms.set(node, time)
    return node
  }
  let link: PackageNode | undefined
  for (let index = 0; index < 12; index++) link = add(400, ...(link === undefined ? [] : [link]))
  for (let layer = 0, below: PackageNode[] = []; layer < 4; layer++) {
    const made = Array.from({ length: 12 }, () => {
      const two = below.length === 0 ? [] : [0, 1].map(() => below[Math.floor(random() * below.length)])
      return add(50 + 800 * random() ** 3, ...new Set(two.flatMap((node) => node ?? [])))
    })
    below = made
  }
  return { nodes, ms }
}

/** Builds the graph with units that do nothing but take their time; `known`: earlier builds' times are remembered. */
async function run(seed: number, jobs: number, known: boolean): Promise<ScheduleTimes> {
  const { nodes, ms } = graph(seed)
  const root = await mkdtemp(join(tmpdir(), 'yoe-bench-'))
  try {
    const keyed = new Map(
      nodes.map((node, index) => [node, { hash: String(index).padStart(64, '0'), inputs: { unit: node.unit.name } }]),
    )
    const context = await quietContext(root, { keys: keyed })
    if (known) {
      const rows = nodes.map((node) => [node.id, ms.get(node), 0])
      writeFileSync(join(root, 'cache', 'measured.json'), JSON.stringify(rows))
    }
    mkdirSync(join(root, 'build'), { recursive: true })
    /** What each took by its own clock: the sleep, and what ours adds to it. */
    const took = new Map<string, number>()
    const started = new Map<string, number>()
    const start = performance.now()
    await execute(
      {
        ...context,
        report: (event) => {
          if (event.type === 'unit-started') started.set(event.unit, performance.now())
          if (event.type === 'unit-ended') took.set(event.unit, performance.now() - (started.get(event.unit) ?? 0))
        },
      },
      nodes,
      {
        jobs,
        keepGoing: false,
        rebuild: new Map(),
        build: async (node) => {
          const path = join(root, 'build', node.unit.name)
          await pause(node.kind === 'package' ? ms.get(node) : 0)
          writeFileSync(path, node.unit.name)
          return [{ name: 'file', path }]
        },
      },
    )
    const total = performance.now() - start
    await context.store.release()
    const time = (node: PackageNode): number => took.get(node.id) ?? 0
    const ends = new Map<PackageNode, number>()
    for (const node of nodes)
      ends.set(node, time(node) + Math.max(0, ...node.sysroot.map((below) => ends.get(below) ?? 0)))
    const work = nodes.reduce((sum, node) => sum + time(node), 0)
    const bound = Math.max(...ends.values(), work / jobs)
    return { what: `${jobs} jobs, times ${known ? 'known' : 'unknown'}`, ms: total, bound }
  } finally {
    await rm(root, { recursive: true })
  }
}

/** Graphs of sixty units against max(longest path, all work ÷ places), both from what the units took in that very run. */
export async function benchSchedule(seeds = [1]): Promise<readonly ScheduleTimes[]> {
  const all: ScheduleTimes[] = []
  for (const jobs of [2, 4])
    for (const known of [true, false]) {
      const times: ScheduleTimes[] = []
      for (const seed of seeds) times.push(await run(seed, jobs, known))
      const sorted = times.toSorted((a, b) => a.ms / a.bound - b.ms / b.bound)
      const middle = sorted[sorted.length >> 1]
      if (middle !== undefined) all.push(middle)
    }
  return all
}

if (import.meta.main) {
  for (const { what, ms, bound } of await benchSchedule())
    console.log(
      `${what.padEnd(22)} ${ms.toFixed(0).padStart(6)} ms  bound ${bound.toFixed(0).padStart(6)} ms  ${(ms / bound).toFixed(2)} × bound`,
    )
}
