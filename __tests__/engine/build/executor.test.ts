import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { BuildContext } from '#engine/build/context.ts'
import { type BuildNode, type ExecuteOptions, execute, type NodeReport } from '#engine/build/executor.ts'
import { YoeError } from '#engine/errors.ts'
import type { Event } from '#engine/events.ts'
import type { PackageNode } from '#engine/plan/graph.ts'
import type { NodeKey } from '#engine/plan/hash.ts'
import { scratch } from '../../support/project.ts'
import { packageNode as node } from './nodes.ts'
import { quietContext } from './quiet-context.ts'

interface World {
  readonly context: BuildContext
  readonly events: Event[]
  /** Names of nodes in the order in which they were built. */
  readonly built: string[]
  readonly build: BuildNode
  run(targets: readonly PackageNode[], options?: Partial<ExecuteOptions>): Promise<readonly string[]>
  readonly reports: NodeReport[]
}

/** Builds nodes into files that hold their names; `work` is what happens meanwhile. */
async function world(
  t: TestContext,
  nodes: readonly PackageNode[],
  {
    root = scratch(t),
    signal = new AbortController().signal,
    inputs = (each: PackageNode): string => each.unit.name,
    work = async (_each: PackageNode): Promise<void> => {},
  } = {},
): Promise<World> {
  const events: Event[] = []
  const built: string[] = []
  const reports: NodeReport[] = []
  const keys = new Map<PackageNode, NodeKey>(
    nodes.map((each) => [
      each,
      { hash: Buffer.from(inputs(each)).toString('hex').padEnd(64, '0'), inputs: { unit: { version: inputs(each) } } },
    ]),
  )
  const context = await quietContext(root, { keys, report: (event) => events.push(event), signal })
  const build: BuildNode = async (each) => {
    if (each.kind !== 'package') throw new TypeError('only packages here')
    built.push(each.unit.name)
    await work(each)
    const path = join(context.buildRoot, `${each.unit.name}.deb`)
    mkdirSync(context.buildRoot, { recursive: true })
    writeFileSync(path, each.unit.name)
    return [{ name: `${each.unit.name}.deb`, path }]
  }
  return {
    context,
    events,
    built,
    build,
    reports,
    async run(targets, options = {}) {
      const found = await execute(context, targets, {
        jobs: 2,
        keepGoing: false,
        rebuild: new Map(),
        build,
        ...options,
      })
      reports.push(...found)
      return found.map(({ node: each, outcome, why }) => `${each.unit.name} ${outcome}: ${why}`)
    },
  }
}

const failing =
  (name: string): ((each: PackageNode) => Promise<void>) =>
  async (each) => {
    if (each.unit.name === name) throw new YoeError('TASK_FAILED', `${name} broke`)
  }

/** a ← b ← c, and d that nothing needs. */
function chain() {
  const a = node('a')
  const b = node('b', a)
  const c = node('c', a, b)
  return { a, b, c, d: node('d') }
}

test('dependencies first, each once; then all is cached, and nothing below a cached node is looked at', async (t) => {
  const { a, b, c } = chain()
  const root = scratch(t)
  const first = await world(t, [a, b, c], { root })
  assert.deepEqual(await first.run([c, b]), [
    'a built: not built here before',
    'b built: not built here before',
    'c built: not built here before',
  ])
  const second = await world(t, [a, b, c], { root })
  assert.deepEqual(await second.run([c]), ['c cached: nothing changed'])
  assert.deepEqual(second.built, [])
})

test('a changed node is built with the reason, and only what is missing below it', async (t) => {
  const { a, b, c } = chain()
  const root = scratch(t)
  await (await world(t, [a, b, c], { root })).run([c])
  const changed = await world(t, [a, b, c], { root, inputs: ({ unit: { name } }) => (name === 'c' ? 'c2' : name) })
  assert.deepEqual(await changed.run([c]), [
    'a cached: nothing changed',
    'b cached: nothing changed',
    'c built: version c → c2',
  ])
})

test('an object that is gone is built again', async (t) => {
  const { a } = chain()
  const root = scratch(t)
  await (await world(t, [a], { root })).run([a])
  rmSync(join(root, 'cache', 'objects'), { recursive: true })
  const again = await world(t, [a], { root })
  assert.deepEqual(await again.run([a]), ['a built: its result is no longer in the cache'])
})

test('a failure ends what depends on it; what is done stays done', async (t) => {
  const { a, b, c, d } = chain()
  const root = scratch(t)
  const broken = await world(t, [a, b, c, d], { root, work: failing('b') })
  assert.deepEqual(await broken.run([c, d], { jobs: 1 }), [
    'a built: not built here before',
    'b failed: b broke',
    'c skipped: b failed',
    'd skipped: b failed',
  ])
  const mended = await world(t, [a, b, c, d], { root })
  assert.deepEqual(await mended.run([c, d]), [
    'a cached: nothing changed',
    'b built: not built here before',
    'c built: not built here before',
    'd built: not built here before',
  ])
})

test('with keep-going everything that can still be built is; without, nothing new is started', async (t) => {
  const [bad, other, top] = [node('bad'), node('other'), node('top')]
  const late = node('late', other)
  const build = async (keepGoing: boolean): Promise<readonly string[]> => {
    const each = await world(t, [bad, other, top, late], { work: failing('bad') })
    return (await each.run([bad, late, top], { jobs: 1, keepGoing })).map((line) => line.split(':')[0] ?? '').toSorted()
  }
  assert.deepEqual(await build(true), ['bad failed', 'late built', 'other built', 'top built'])
  const stopped = await build(false)
  assert.ok(stopped.includes('bad failed') && stopped.includes('late skipped'), stopped.join())
})

test('a build that waits for a node beyond its dependencies gives its place away', { timeout: 20_000 }, async (t) => {
  const [image, library] = [node('image'), node('library')]
  const { context, run } = await world(t, [image, library])
  const lines = await run([image], {
    jobs: 1,
    build: async (each, _log, results) => {
      if (each === image) await results.manifestOf(library)
      const path = join(context.buildRoot, each.unit.name)
      mkdirSync(context.buildRoot, { recursive: true })
      writeFileSync(path, each.unit.name)
      return [{ name: each.unit.name, path }]
    },
  })
  assert.deepEqual(
    lines.map((line) => line.split(':')[0]),
    ['image built', 'library built'],
  )
})

test('never more at a time than jobs, and never fewer while there is work', async (t) => {
  const nodes = Array.from({ length: 12 }, (_, index) => node(`n${index}`))
  let now = 0
  let most = 0
  const each = await world(t, nodes, {
    work: async () => {
      most = Math.max(most, ++now)
      await new Promise((resolve) => setTimeout(resolve, 5))
      now--
    },
  })
  await each.run(nodes, { jobs: 3 })
  assert.equal(most, 3)
  assert.equal(each.built.length, 12)
})

test('two runs that want one node build it once', async (t) => {
  const root = scratch(t)
  const same = node('same')
  const slow = async (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 200))
  const runs = await Promise.all([0, 1, 2].map(() => world(t, [same], { root, work: slow })))
  const lines = (await Promise.all(runs.map((each) => each.run([same])))).flat().toSorted()
  assert.equal(runs.flatMap(({ built }) => built).length, 1)
  assert.deepEqual(lines, [
    'same built: another process built it just now',
    'same built: another process built it just now',
    'same built: not built here before',
  ])
})

test('--force builds the named node, and only it', async (t) => {
  const { a, b } = chain()
  const root = scratch(t)
  await (await world(t, [a, b], { root })).run([b])
  const forced = await world(t, [a, b], { root })
  assert.deepEqual(await forced.run([b], { rebuild: new Map([[b, { why: 'asked for by --force', clean: false }]]) }), [
    'a cached: nothing changed',
    'b built: asked for by --force',
  ])
})

test('after its deadline nothing is started', async (t) => {
  const { a } = chain()
  const { run } = await world(t, [a])
  assert.deepEqual(await run([a], { deadline: Date.now() - 1 }), ['a skipped: the time for this job is over'])
})

test('stopped from outside: what runs is cancelled, what waits is not started', async (t) => {
  const { a, b } = chain()
  const stop = new AbortController()
  const each = await world(t, [a, b], {
    signal: stop.signal,
    work: async () => {
      stop.abort()
      throw new YoeError('CANCELLED', '/bin/bash was cancelled')
    },
  })
  assert.deepEqual(await each.run([b]), ['a cancelled: a was cancelled', 'b cancelled: a was cancelled'])
})

test('a bug of ours is no report', async (t) => {
  const { a } = chain()
  const { run } = await world(t, [a], {
    work: async () => {
      throw new RangeError('ours')
    },
  })
  await assert.rejects(run([a]), RangeError)
})

test('every node that is looked at ends once, and nothing unfinished is left', async (t) => {
  const { a, b, c, d } = chain()
  const root = scratch(t)
  const each = await world(t, [a, b, c, d], { root, work: failing('b') })
  await each.run([c, d], { keepGoing: true })
  const ended = each.events.flatMap((event) => (event.type === 'unit-ended' ? [event.unit] : []))
  assert.deepEqual(ended.toSorted(), [...new Set(ended)].toSorted())
  await each.context.store.release()
  assert.deepEqual(readdirSync(join(root, 'cache', 'tmp')), [])
})

test('two states of a project at once: a unit has one build folder, which one of them builds in at a time', async (t) => {
  const [root, a] = [scratch(t), node('a')]
  let inside = 0
  let most = 0
  const work = async (): Promise<void> => {
    most = Math.max(most, ++inside)
    await new Promise((resolve) => setTimeout(resolve, 30))
    inside--
  }
  const states = await Promise.all(['1', '2', '3'].map((inputs) => world(t, [a], { root, inputs: () => inputs, work })))
  const ended = await Promise.all(states.map((state) => state.run([a])))
  assert.deepEqual(
    ended.flat().map((line) => line.split(':')[0]),
    ['a built', 'a built', 'a built'],
  )
  assert.equal(most, 1)
})
