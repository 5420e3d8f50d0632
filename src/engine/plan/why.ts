import type { Json } from '../project/model.ts'
import { differences } from './canonical.ts'

/** Most reasons that are spelled out; the rest is counted. */
const shown = 3

/**
 * Why a result with these inputs is not the one there was before: short phrases, most telling first.
 * @param before the input document of the last build; undefined when there was none
 */
export function whyChanged(before: Json | undefined, now: Json): string {
  if (before === undefined) return 'not built here before'
  const phrases = [...new Set(differences(before, now).map(({ path, before: old, after }) => phrase(path, old, after)))]
  if (phrases.length === 0) return 'its result is no longer in the cache'
  const more = phrases.length > shown ? `, and ${phrases.length - shown} more` : ''
  return phrases.slice(0, shown).join(', ') + more
}

function phrase(path: string, before: Json | undefined, after: Json | undefined): string {
  const [head = '', ...rest] = path.split('.')
  const name = rest.join('.')
  switch (head) {
    case 'deps':
    case 'units':
      return before === undefined
        ? `${name} was added`
        : after === undefined
          ? `${name} was removed`
          : `${name} changed`
    case 'packages':
    case 'feedDeps':
      return movedPackage(name, before, after)
    case 'toolchain':
      return 'the toolchain changed'
    case 'tools':
      return 'the tools changed'
    case 'engine':
      return 'yoe itself changed'
    case 'unit':
      return unitPhrase(rest, before, after)
    case 'cmdline':
      return "the kernel's command line changed"
    case 'project':
      return `the project is called ${text(after)}, not ${text(before)}`
    case 'machine':
      return `machine ${name} changed`
    default:
      return `${path} changed`
  }
}

function unitPhrase(
  [field = '', ...rest]: readonly string[],
  before: Json | undefined,
  after: Json | undefined,
): string {
  switch (field) {
    case 'source':
      return rest[0] === 'content' ? contentPhrase(rest.slice(1), before, after) : 'its source changed'
    case 'tasks':
      return 'its tasks changed'
    case 'version':
    case 'release':
      return `${field} ${text(before)} → ${text(after)}`
    case 'overlays':
      return 'an overlay changed'
    case 'patches':
      return 'its patches changed'
    case 'extra':
      return rest.length === 0 ? 'its extra fields changed' : `${rest.join('.')} changed`
    default:
      return `${field} changed`
  }
}

/** Folders are told apart file by file, so that a changed file can be named. */
function contentPhrase(path: readonly string[], before: Json | undefined, after: Json | undefined): string {
  if (path.length === 0) return 'its source changed'
  const file = path.join('.')
  return before === undefined ? `${file} was added` : after === undefined ? `${file} was removed` : `${file} changed`
}

function movedPackage(name: string, before: Json | undefined, after: Json | undefined): string {
  const versionOf = (entry: Json | undefined): string => (typeof entry === 'string' ? (entry.split(' ')[0] ?? '') : '')
  if (before === undefined) return `package ${name} was added`
  if (after === undefined) return `package ${name} was removed`
  const [old, now] = [versionOf(before), versionOf(after)]
  return old === now ? `package ${name} changed` : `package ${name} ${old} → ${now}`
}

function text(value: Json | undefined): string {
  return value === undefined ? 'none' : typeof value === 'string' ? value : JSON.stringify(value)
}
