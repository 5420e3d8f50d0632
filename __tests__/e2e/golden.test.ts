import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Diagnostic } from '#engine/catalog/diagnostics.ts'
import { dependencyText } from '#engine/catalog/explain.ts'
import type { PackageRecord } from '#engine/catalog/package.ts'
import { packageNames } from '#engine/catalog/subpackages.ts'
import { silent } from '#engine/events.ts'
import type { ResolvedConfig, Setting } from '#engine/plan/config.ts'
import { inOrder, type Node } from '#engine/plan/graph.ts'
import type { Json, Machine } from '#engine/project/model.ts'
import { openCatalog } from '#toolkit/catalog-view.ts'
import { type Plan, planCatalog } from '#toolkit/planning.ts'
import { targetsOf } from '#toolkit/targets.ts'
import { openWorkspace } from '#toolkit/workspace.ts'
import { checkout } from '../support/project.ts'
import { vendorProject } from '../support/vendor-project.ts'

const golden = join(checkout, '__tests__/e2e/golden/vendor-project.json')

/**
 * Three vendor modules, two distros, four machines and six images: everything that resolving decides about them, in one
 * file that is read in reviews. `YOE_UPDATE_GOLDEN=1` writes it anew.
 */
test('the whole resolved state of a project is what it was', async (t) => {
  // What plans images and installs packages is of the machine that builds: the file is the same whoever runs this.
  const own = process.arch
  Object.defineProperty(process, 'arch', { value: 'x64' })
  t.after(() => Object.defineProperty(process, 'arch', { value: own }))
  const made = await vendorProject(t)
  const workspace = openWorkspace({
    cwd: made.root,
    project: undefined,
    env: { YOE_CACHE: made.cache, YOE_MIRRORS: made.mirrors },
    offline: false,
    report: silent,
    signal: new AbortController().signal,
  })
  const { project } = await openCatalog(workspace, { machine: undefined, distro: undefined })
  const targets = targetsOf(project, undefined)
  assert.equal(new Set(targets.map(({ machine }) => machine)).size, 4)
  assert.equal(new Set(targets.map(({ image }) => image)).size, 6)
  const decisions: Record<string, Json> = {}
  const images: Record<string, Json> = {}
  const nodes: Record<string, Json> = {}
  for (const { image, machine, distro, inert } of targets) {
    if (distro === undefined) {
      images[`${image} on ${machine}`] = `inert: ${inert}`
      continue
    }
    const catalog = await openCatalog(workspace, { machine, distro, targets: [image] })
    decisions[`${distro} on ${machine}`] = catalog.view.diagnostics.map(decision)
    const plan = await planCatalog(catalog, [image])
    images[`${image} on ${machine}`] = plan.targets[0]?.id ?? null
    for (const node of inOrder(plan.targets)) nodes[`${node.id} on ${machine}`] = nodeState(plan, node)
  }
  const state = {
    modules: project.modules.map(({ name, description }) => `${name}: ${description}`),
    pins: project.pins.map(
      ({ name, module, distro }) => `${name} of ${module}${distro === undefined ? '' : ` on ${distro}`}`,
    ),
    feeds: project.feeds.map(({ id, distro }) => `${id} (${distro})`),
    machines: Object.fromEntries(project.machines.map((machine) => [machine.name, machineState(machine)])),
    decisions: shared(decisions),
    images,
    nodes: shared(nodes),
  }
  const text = `${pretty(state)}\n`
  if (process.env['YOE_UPDATE_GOLDEN'] === '1') writeFileSync(golden, text)
  assert.equal(text, readFileSync(golden, 'utf8'), 'see the difference with YOE_UPDATE_GOLDEN=1 and git diff')
})

function decision(diagnostic: Diagnostic): Json {
  if (diagnostic.kind === 'unused pin') return `${diagnostic.name}: pin to ${diagnostic.pin.module} is not used`
  const { name, winner, loser, why } = diagnostic
  return `${name}: ${winner.from || 'project'}'s ${winner.name} before ${loser.from || 'project'}'s ${loser.name} (${why})`
}

function machineState({
  arch,
  kernel,
  distroKernels,
  bootloader,
  packages,
  distroPackages,
  publicConfig,
}: Machine): Json {
  const units = Object.entries(distroKernels).map(([distro, { unit }]) => [distro, unit])
  return filled({
    arch,
    kernel: kernel?.unit,
    distroKernels: Object.fromEntries(units),
    bootloader: bootloader?.unit,
    packages,
    distroPackages,
    publicConfig,
  })
}

function nodeState(plan: Plan, node: Node): Json {
  const key = plan.keys.get(node)?.hash.slice(0, 16)
  const { at, builtVia } = node.unit
  const base = { key, declared: [...builtVia, `${at.file}:${at.line}`].join(', ') }
  const record = ({ name, version }: PackageRecord): string => `${name} ${version}`
  switch (node.kind) {
    case 'toolchain':
      return filled({ ...base, packages: node.packages.map(record) })
    case 'package': {
      const { unit } = node
      return filled({
        ...base,
        toolchain: node.toolchain?.id,
        tasks: unit.tasks.map(({ name, container, steps }) => {
          const kinds = steps.map(({ kind }) => kind).join(', ')
          return `${name}: ${kinds}${container === undefined ? '' : ` in ${node.containers.get(container)?.id}`}`
        }),
        sysroot: [...node.sysroot.map(({ id }) => id), ...node.sysrootFeed.map(record)],
        config: configLines(node.config),
        packages: packageNames(unit),
        provides: unit.provides.map(({ name, version }) => (version === undefined ? name : `${name} = ${version}`)),
        runtimeDeps: node.runtimeDeps.map((group) => group.map(dependencyText).join(' | ')),
        replaces: unit.replaces.map(dependencyText),
        conflicts: unit.conflicts.map(dependencyText),
        services: unit.services,
        conffiles: unit.conffiles,
        extra: unit.extra,
      })
    }
    case 'image': {
      const { hostname, timezone, services, users } = node.unit
      return filled({
        ...base,
        kernel: node.machine.kernel?.unit,
        ...{ hostname, timezone, services },
        users: users.map(({ name }) => name),
        units: node.units.map(({ id }) => id),
        closure: node.closure.map(record),
      })
    }
    default:
      return node satisfies never
  }
}

/** `CFLAGS` to `-O2 (machine box)`. */
function configLines({ environment, ...lists }: ResolvedConfig): Record<string, Json> {
  const line = ({ value, from }: Setting): string => `${value} (${from})`
  const flags = Object.entries(lists).map(([name, settings]): [string, Json] => [name, settings.map(line)])
  return Object.fromEntries([...flags, ...Object.entries(environment).map(([name, one]) => [name, line(one)])])
}

/** As JSON, without members that say nothing. */
function filled(value: unknown): Json {
  const whole: Json = JSON.parse(JSON.stringify(value))
  const without = (one: Json): Json =>
    typeof one !== 'object' || one === null || Array.isArray(one)
      ? one
      : Object.fromEntries(
          Object.entries(one)
            .map(([name, member]): [string, Json] => [name, without(member)])
            .filter(([, member]) => typeof member !== 'object' || member === null || Object.keys(member).length > 0),
        )
  return without(whole)
}

/** What is the same on several machines is told once. */
function shared(states: Readonly<Record<string, Json>>): Record<string, Json> {
  const split = Object.entries(states).map(([title, state]) => {
    const [name = '', machine = ''] = title.split(' on ')
    return { name, machine, state }
  })
  const same = Map.groupBy(split, ({ name, state }) => `${name} ${JSON.stringify(state)}`)
  const told = [...same.values()].map((each): [string, Json] => {
    const machines = each.map(({ machine }) => machine).join(', ')
    return [`${each[0]?.name} on ${machines}`, each[0]?.state ?? null]
  })
  return Object.fromEntries(told.sort(([a], [b]) => (a < b ? -1 : 1)))
}

const widest = 120

/** JSON whose lists and objects stand on one line where they fit. */
function pretty(value: Json, indent = '', lead = 0): string {
  const short = JSON.stringify(value, undefined, 1).replaceAll(/\n\s*/g, ' ')
  if (typeof value !== 'object' || value === null || indent.length + lead + short.length < widest) return short
  const inner = `${indent} `
  const [open, close] = Array.isArray(value) ? '[]' : '{}'
  const lines = Array.isArray(value)
    ? value.map((one: Json) => pretty(one, inner))
    : Object.entries(value).map(([name, one]) => {
        const title = `${JSON.stringify(name)}: `
        return title + pretty(one, inner, title.length)
      })
  return `${open}\n${lines.map((line) => inner + line).join(',\n')}\n${indent}${close}`
}
