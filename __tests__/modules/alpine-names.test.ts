/** Whoever has Alpine's public mirror meets no unknown name: by complete indexes of its releases. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import type { Unit } from '#engine/project/model.ts'
import { evaluate, shown } from '../engine/project/evaluating.ts'
import { indexes } from '../support/alpine/material.ts'

/** What is in `community`; all else is in `main`. */
const community = ['cpio', 'go', 'npm', 'py3-flit', 'py3-pip', 'py3-poetry-core']

/** Names of packages, and what they provide, of an index. */
function namesIn(index: string): ReadonlySet<string> {
  const text = execFileSync('tar', ['-xOzf', index, 'APKINDEX'], { encoding: 'utf8', maxBuffer: 2 ** 28 })
  const lines = [...text.matchAll(/^([Pp]):(.*)$/gm)]
  return new Set(
    lines.flatMap(([, kind, value = '']) =>
      kind === 'P' ? [value] : value.split(' ').map((one) => /^[^=<>~]*/.exec(one)?.[0] ?? ''),
    ),
  )
}

/** What of the feed a unit names where it is for Alpine. */
function asked(unit: Unit): readonly string[] {
  switch (unit.kind) {
    case 'toolchain':
      return unit.packages
    case 'image':
      return [...unit.artifacts, ...(unit.distroArtifacts['alpine'] ?? [])]
    case 'package':
      return [
        ...[...unit.deps, ...(unit.distroDeps['alpine'] ?? [])],
        ...[...unit.runtimeDeps, ...(unit.distroRuntimeDeps['alpine'] ?? [])].flat(),
      ].map(({ name }) => name)
    default:
      return unit satisfies never
  }
}

test('packages that module-alpine and module-core name are in Alpine, and where they are said to be', async () => {
  const names = new Map<string, string>()
  for (const arch of ['x86_64', 'arm64']) {
    const { evaluated, errors } = await evaluate({
      'PROJECT.star': `project(name = "demo", version = "1", defaults = defaults(distro = "alpine", machine = "qemu-${arch}"), modules = [module("yoe:module-alpine"), module("yoe:module-core")])\n`,
    })
    assert.deepEqual(errors.map(shown), [])
    const units = (evaluated?.project.units ?? []).filter(({ distros }) => distros?.includes('alpine') ?? true)
    const own = new Set(
      units.flatMap((unit) => [
        unit.name,
        ...(unit.kind === 'package'
          ? unit.provides.map(({ name }) => name)
          : unit.kind === 'toolchain'
            ? unit.provides
            : []),
      ]),
    )
    for (const unit of units) for (const name of asked(unit)) if (!own.has(name)) names.set(name, unit.name)
  }
  assert.ok(names.size > 60, String(names.size))
  const main = namesIn(indexes['v3.22-main-x86_64'])
  const others = namesIn(indexes['v3.19-community-x86_64'])
  const unknown = [...names].filter(([name]) => !(community.includes(name) ? others : main).has(name))
  assert.deepEqual(unknown, [])
  assert.deepEqual(
    community.filter((name) => !names.has(name) || main.has(name)),
    [],
  )
})
