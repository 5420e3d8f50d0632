import type { Change } from '#engine/plan/changes.ts'
import type { Node, PackageNode } from '#engine/plan/graph.ts'
import type { Json } from '#engine/project/model.ts'
import { readListing } from '#engine/source/listing.ts'

/** A declared thing that is not what it was. */
export interface FieldChange {
  /** As people know it: `version`, `patches/x.patch`, `task build`, `package libc6`. */
  readonly field: string
  readonly how: 'added' | 'removed' | 'changed'
  /** Left out where only digests are known. */
  readonly before?: Json
  readonly after?: Json
}

/** Another version of what builds: then everything is another. */
export const yoeItself = 'yoe itself'

/** The node whose key stands at a place of another's document. */
export function dependencyAt(node: Node, path: Change['path']): Node | undefined {
  const [head, name] = path
  switch (node.kind) {
    case 'toolchain':
      return head === 'bases' ? node.bases?.get(String(name)) : head === 'tools' ? node.tools : undefined
    case 'package':
      if (head === 'toolchain') return node.toolchain
      if (head === 'unit') return containerOfTask(node, path)
      return head === 'deps' ? node.sysroot.find(({ unit }) => unit.name === name) : undefined
    case 'image':
      if (head === 'tools') return node.tools
      return head === 'units' ? node.units.find(({ unit }) => unit.name === name) : undefined
    default:
      return node satisfies never
  }
}

/** A task may run in a root of its own, whose key is in the task. */
function containerOfTask(node: PackageNode, [, field, index, member]: Change['path']): Node | undefined {
  if (field !== 'tasks' || member !== 'container' || typeof index !== 'number') return undefined
  return node.containers.get(node.unit.tasks[index]?.container ?? '')
}

/**
 * What a change is to people. A folder that is not what it was is told file by file, where that is remembered.
 *
 * @param before the whole old document, for names of what is gone
 */
export function fieldsOf(node: Node, change: Change, before: Json, cacheRoot: string): readonly FieldChange[] {
  const one = fieldOf(node, change, before)
  const { before: old, after: now } = change
  if (typeof old !== 'string' || typeof now !== 'string' || shownValue(old) || shownValue(now)) return [one]
  const [was, is] = [readListing(cacheRoot, old), readListing(cacheRoot, now)]
  if (was === undefined || is === undefined) return [one]
  return [...new Set([...is.keys(), ...was.keys()])].sort().flatMap((path): readonly FieldChange[] => {
    const [a, b] = [was.get(path), is.get(path)]
    if (a === b) return []
    const field = path === '' || path === '.' ? one.field : `${one.field}/${path}`
    return [{ field, how: a === undefined ? 'added' : b === undefined ? 'removed' : 'changed' }]
  })
}

/** @param before the whole old document, for names of what is gone */
function fieldOf(node: Node, change: Change, before: Json): FieldChange {
  const how = change.before === undefined ? 'added' : change.after === undefined ? 'removed' : 'changed'
  const [head, ...rest] = change.path
  const named = (
    field: string,
    values: { readonly before?: Json | undefined; readonly after?: Json | undefined } = change,
  ): FieldChange => ({
    field,
    how,
    ...(shownValue(values.before) ? { before: values.before } : {}),
    ...(shownValue(values.after) ? { after: values.after } : {}),
  })
  switch (head) {
    case 'engine':
      return named(yoeItself)
    case 'project':
      return named("the project's name")
    case 'packages':
    case 'feedDeps':
      return named(`package ${rest.join('.')}`, {
        before: versionOf(change.before),
        after: versionOf(change.after),
      })
    case 'deps':
    case 'units':
      return named(`unit ${rest.join('.')}`, {})
    case 'runtimeDeps':
      return named('runtime_deps', { before: groupText(change.before), after: groupText(change.after) })
    case 'toolchain':
    case 'tools':
      return named('container', {})
    case 'unit':
      return named(unitField(node, rest, how === 'removed' ? before : undefined))
    default:
      return named(declaredName(change.path))
  }
}

/** Digests say nothing to people. */
const shownValue = (value: Json | undefined): value is Json =>
  value !== undefined && !(typeof value === 'string' && /^[0-9a-f]{64}$/.test(value))

const versionOf = (entry: Json | undefined): Json | undefined =>
  typeof entry === 'string' ? entry.split(' ')[0] : undefined

/** `[{"name": "a"}, {"name": "b"}]` as it is declared: `a | b`. */
function groupText(group: Json | undefined): Json | undefined {
  if (!Array.isArray(group)) return group
  const names = group.map((one: Json) => (typeof one === 'object' && one !== null && 'name' in one ? one['name'] : one))
  return names.every((name) => typeof name === 'string') ? names.join(' | ') : group
}

function unitField(node: Node, path: Change['path'], gone: Json | undefined): string {
  const [field = '', index, ...rest] = path
  const { unit } = node
  const at = typeof index === 'number' ? index : -1
  if (field === 'source' && unit.kind === 'package')
    return unit.source?.kind === 'path' ? unit.source.place.path : 'source'
  if (field === 'patches' && unit.kind === 'package' && gone === undefined) return unit.patches[at]?.path ?? 'patches'
  if (field === 'overlays' && unit.kind === 'image') return unit.overlays[at]?.path ?? 'overlays'
  if (field === 'tasks' && unit.kind === 'package') {
    const task = unit.tasks[at]
    if (task === undefined || gone !== undefined) return 'tasks'
    const step = rest[0] === 'steps' && typeof rest[1] === 'number' ? task.steps[rest[1]] : undefined
    if (step?.kind === 'install' && rest[2] === 'content') return step.source.path
    return `task ${task.name}`
  }
  return declaredName(path)
}

/** As `.star` files spell it. */
function declaredName([field = '', ...rest]: Change['path']): string {
  return [String(field).replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), ...rest].join('.')
}
