import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Dependency, Feed, PackageRecord } from '#engine/catalog/package.ts'
import { View } from '#engine/catalog/view.ts'
import { userErrors } from '#engine/errors.ts'
import { inOrder, type Node } from '#engine/plan/graph.ts'
import { hashNodes } from '#engine/plan/hash.ts'
import { type KnownClosures, resolveGraph, type Universe } from '#engine/plan/resolve.ts'
import type { Machine, PackageUnit, Project, ToolchainUnit, Unit } from '#engine/project/model.ts'
import { debianVersions } from '#feeds/debian/version.ts'
import { emptyProject, imageUnit, machineOf, packageUnit, toolchainUnit } from '../../support/units.ts'
import { shown } from '../project/evaluating.ts'
import { fakeFeed, packages } from './fake-world.ts'

/** A stream of numbers from 0 to 1 that is the same each time. */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

type Random = ReturnType<typeof numbers>

const below = (random: Random, limit: number): number => Math.floor(random() * limit)

const some = <T>(random: Random, from: readonly T[], most: number): readonly T[] =>
  [...new Set(Array.from({ length: below(random, most + 1) }, () => from[below(random, from.length)]))].filter(
    (one) => one !== undefined,
  )

function shuffled<T>(random: Random, list: readonly T[]): readonly T[] {
  const copy = [...list]
  for (let last = copy.length - 1; last > 0; last--) {
    const other = below(random, last + 1)
    const [a, b] = [copy[last], copy[other]]
    if (a === undefined || b === undefined) continue
    copy[last] = b
    copy[other] = a
  }
  return copy
}

const at = (line: number) => ({ file: 'units/u.star', line, column: 1 })
const modules = ['', 'low', 'high'] as const
const virtuals = ['init', 'mta', 'api'] as const

const toolchain = (name: string, provides: string, of: readonly string[]): ToolchainUnit => ({
  ...toolchainUnit(name, of, [provides]),
  distros: ['debian'],
})

/** Units that need each other and packages of a feed at random, many of them wrongly. */
function randomProject(random: Random): Project {
  const count = 3 + below(random, 12)
  const own = Array.from({ length: count }, (_, index) => `u${String(index).padStart(2, '0')}`)
  const named = (name: string): Dependency =>
    random() < 0.1 ? { name, version: { relation: '>=', version: String(1 + below(random, 3)) } } : { name }
  const units = own.flatMap((name, index): readonly PackageUnit[] =>
    modules.flatMap((module, rank) => {
      if (rank > 0 && random() < 0.7) return []
      // Mostly towards units before it, so that cycles are there and not everywhere.
      const near = random() < 0.05 ? own : own.slice(0, index)
      const reach = [...near, ...near.map((one) => `${one}-dev`), ...virtuals, 'bash', 'zlib1g-dev', 'make']
      const task = { name: 't', steps: [{ kind: 'run', command: 'x' }], network: false, at: at(index) } as const
      return packageUnit({
        name,
        module,
        version: String(1 + below(random, 3)),
        at: at(10 * index + rank),
        deps: some(random, reach, 3).map(named),
        runtimeDeps: some(random, reach, 2).map((one) =>
          random() < 0.3 ? [named(one), { name: 'bash' }] : [named(one)],
        ),
        provides: random() < 0.3 ? some(random, virtuals, 1).map((one) => ({ name: one })) : [],
        conflicts: random() < 0.1 ? some(random, own, 1).map(named) : [],
        subpackages: random() < 0.3 ? ['dev'] : [],
        tasks: random() < 0.8 ? [task] : [],
      })
    }),
  )
  const machine: Machine = machineOf({ kernel: { unit: 'linux-image', cmdline: '', deviceTrees: [] } })
  const where = { file: 'PROJECT.star', line: 1, column: 1 }
  const modulesOf = ['low', 'high'].map((name) => {
    const origin = { kind: 'local', folder: `/${name}` } as const
    return { name, description: '', root: `/${name}`, at: where, origin, listed: true, requires: [] }
  })
  return emptyProject({
    pins: random() < 0.3 ? [{ name: own[0] ?? '', module: 'low', at: where }] : [],
    modules: modulesOf,
    machines: [machine],
    units: [
      ...units,
      imageUnit({ name: 'im', artifacts: some(random, [...own, ...virtuals, 'bash'], 6) }),
      toolchain('tools-fake', 'tools', ['mmdebstrap']),
      toolchain('toolchain-fake', 'toolchain', ['gcc', 'make']),
    ],
  })
}

/** The same declarations in another order, where the order means nothing. */
function reordered(random: Random, project: Project): Project {
  const again = (unit: Unit): Unit => {
    if (unit.kind === 'image') return { ...unit, artifacts: shuffled(random, unit.artifacts) }
    return unit.kind === 'package' ? { ...unit, deps: shuffled(random, unit.deps) } : unit
  }
  return { ...project, units: shuffled(random, project.units).map(again), pins: shuffled(random, project.pins) }
}

const feed: Feed = fakeFeed([...packages, 'exim 4: libc6 | mta', 'u01 2', 'sysv 1 | init'])

/** All that resolving gives, as one text: nodes, their order, what is in them, their keys; or what is wrong. */
function resolved(project: Project, targets: readonly string[], known?: KnownClosures): string {
  try {
    const [machine] = project.machines
    assert.ok(machine)
    const universe: Universe = {
      view: new View(project, machine, 'debian'),
      arch: machine.arch,
      packageArch: 'amd64',
      feeds: [feed],
      versions: debianVersions,
      packageVersion: (unit) => `${unit.version}-r${unit.release}`,
      ...(known === undefined ? {} : { known }),
    }
    const nodes = resolveGraph(universe, targets)
    const keys = hashNodes(nodes, () => '', project)
    const told = inOrder(nodes).map((node) => `${keys.get(node)?.hash} ${describe(node)}`)
    return [...told, JSON.stringify(universe.view.diagnostics)].join('\n')
  } catch (failure) {
    const errors = userErrors(failure)
    if (errors === undefined) throw failure
    return errors.map(shown).join('\n')
  }
}

function describe(node: Node): string {
  switch (node.kind) {
    case 'toolchain':
      return `${node.id}: ${node.packages.map(({ name }) => name)}`
    case 'package':
      return `${node.id} at ${node.unit.at.line}: ${node.sysroot.map(({ id }) => id)}; ${node.sysrootFeed.map(({ name }) => name)}`
    case 'image':
      return `${node.id}: ${node.units.map(({ id }) => id)}; ${node.closure.map(({ name, version }) => `${name} ${version}`)}`
    default:
      return node satisfies never
  }
}

test('the same declarations in any order give the same nodes, keys and texts', () => {
  let [fine, faulty] = [0, 0]
  for (let seed = 1; seed <= 400; seed++) {
    const random = numbers(seed)
    const project = randomProject(random)
    for (const target of ['im', 'u02']) {
      const first = resolved(project, [target])
      if (/^[0-9a-f]{64} /.test(first)) fine++
      else faulty++
      for (let round = 0; round < 4; round++)
        assert.equal(resolved(reordered(random, project), [target]), first, `seed ${seed}, ${target}`)
    }
  }
  // Both kinds are there in numbers, so that the test means something.
  assert.ok(fine > 100 && faulty > 100, `${fine} resolved, ${faulty} refused`)
})

test('100 runs give one answer', () => {
  const random = numbers(4)
  const projects = Array.from({ length: 5 }, () => randomProject(random))
  for (const project of projects) {
    const answers = new Set(Array.from({ length: 100 }, () => resolved(project, ['im'])))
    assert.equal(answers.size, 1)
  }
})

test('closures that are kept are those that would be found', () => {
  const random = numbers(9)
  const known = new Map<string, readonly PackageRecord[]>()
  for (let round = 0; round < 150; round++) {
    const project = randomProject(random)
    const found = resolved(project, ['im'])
    // Filled by projects that have the same names, and by this one.
    assert.equal(resolved(project, ['im'], known), found, `project ${round}`)
    assert.equal(resolved(reordered(random, project), ['im'], known), found, `project ${round}, reordered`)
  }
  assert.ok(known.size > 100)
})
