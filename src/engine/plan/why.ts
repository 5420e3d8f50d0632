import type { Json } from '../project/model.ts'
import { type Change, changesOf } from './changes.ts'

/** Most reasons that are spelled out; the rest is counted. */
const shown = 3

const engineChanged = 'yoe itself changed'

/** Path to what it was, for a folder whose content had this digest; undefined: not remembered. */
export type Listings = (digest: string) => ReadonlyMap<string, string> | undefined

/**
 * Why a result with these inputs is not the one there was before: short phrases, most telling first.
 *
 * @param before the input document of the last build; undefined when there was none
 * @param listings names the files that changed in a folder, instead of the folder
 */
export function whyChanged(before: Json | undefined, now: Json, listings: Listings = () => undefined): string {
  if (before === undefined) return 'not built here before'
  const changes = changesOf(before, now)
  // Then every key below it is another, and the document may have members that the old yoe did not know.
  if (changes.some(({ path }) => path[0] === 'engine')) return engineChanged
  const phrases = [...new Set(changes.flatMap((change) => phrasesOf(change, { before, now, listings })))]
  if (phrases.length === 0) return 'its result is no longer in the cache'
  const more = phrases.length > shown ? `, and ${phrases.length - shown} more` : ''
  return phrases.slice(0, shown).join(', ') + more
}

/** Both documents as a whole: a change may have to be told by a name that did not change. */
interface Documents {
  readonly before: Json
  readonly now: Json
  readonly listings: Listings
}

function phrasesOf(change: Change, documents: Documents): readonly string[] {
  const [head, ...rest] = change.path
  const name = rest.join('.')
  switch (head) {
    case undefined:
      return ['its inputs changed']
    case 'deps':
    case 'units':
      return [moved(name, change)]
    case 'packages':
    case 'feedDeps':
      return [movedPackage(name, change)]
    case 'toolchain':
      return ['the toolchain changed']
    case 'tools':
      return ['the tools changed']
    case 'image':
      return ['its image of a registry is another one']
    case 'dockerfile':
      return name === 'content' ? contentPhrases('its Dockerfile', change, documents) : [`its ${name} changed`]
    case 'bases':
      return [`its base ${name} changed`]
    case 'engine':
      return [engineChanged]
    case 'unit':
      return unitPhrases(change, documents)
    case 'config':
      return [configPhrase(rest)]
    case 'runtimeDeps':
      return ['runtime_deps changed']
    case 'installed':
      return [`other packages of ${rest[0] ?? 'its units'} are installed`]
    case 'cmdline':
      return ["the kernel's command line changed"]
    case 'console':
      return ["the kernel's console changed"]
    case 'kernel':
      return [rest.length === 0 ? 'the kernel changed' : `the kernel's ${rest[0]} changed`]
    case 'bootloader':
      return [rest.length === 0 ? 'the boot loader changed' : `the boot loader's ${rest[0]} changed`]
    case 'project':
      return [`the project is called ${text(change.after)}, not ${text(change.before)}`]
    case 'projectVersion':
      return [`the project's version ${text(change.before)} → ${text(change.after)}`]
    case 'machine':
      return [`machine ${rest[0] ?? ''} changed`]
    default:
      return [`${change.path.join('.')} changed`]
  }
}

function unitPhrases(change: Change, documents: Documents): readonly string[] {
  const [, field, ...rest] = change.path
  switch (field) {
    case 'source': {
      const [was, is] = [documents.before, documents.now].map((side) =>
        member(member(member(side, 'unit'), 'source'), 'kind'),
      )
      if (is === 'dev' && was !== 'dev') return ['its source is in dev mode']
      if (was === 'dev' && is !== 'dev') return ['its source is pinned again']
      if (rest[0] === 'commit' && is === 'dev') return ['its source is at another commit']
      return rest[0] === 'content' ? contentPhrases('its source', change, documents) : ['its source changed']
    }
    case 'overlays':
      return contentPhrases('an overlay', change, documents)
    case 'tasks':
      return [taskPhrase(change, documents)]
    case 'version':
    case 'release':
      return [`${field} ${text(change.before)} → ${text(change.after)}`]
    case 'patches':
      return ['its patches changed']
    case 'extra':
      return [rest.length === 0 ? 'its extra fields changed' : `${rest.join('.')} changed`]
    default:
      return [`${fieldNames.get(String(field)) ?? String(field)} changed`]
  }
}

/** Fields that are called otherwise in `.star` files. */
const fieldNames: ReadonlyMap<string, string> = new Map([
  ['extraSubpackages', 'extra_subpackages'],
  ['qaSkip', 'qa_skip'],
])

const settingNames: ReadonlyMap<string, string> = new Map([
  ['cflags', 'CFLAGS'],
  ['cxxflags', 'CXXFLAGS'],
  ['cppflags', 'CPPFLAGS'],
  ['ldflags', 'LDFLAGS'],
  ['includePaths', 'include_paths'],
])

function configPhrase([setting, name]: Change['path']): string {
  if (setting === undefined) return 'public_config changed'
  const what = setting === 'environment' ? (name ?? 'environment') : (settingNames.get(String(setting)) ?? setting)
  return `public_config changed (${what})`
}

function taskPhrase({ path, before, after }: Change, documents: Documents): string {
  const [, , index, field, step] = path
  if (typeof index !== 'number') return 'its tasks changed'
  const gone = field === undefined && after === undefined
  const task = member(member(member(gone ? documents.before : documents.now, 'unit'), 'tasks'), index)
  const name = member(task, 'name')
  if (typeof name !== 'string') return 'its tasks changed'
  if (field === undefined)
    return before === undefined ? `task ${name} was added` : gone ? `task ${name} was removed` : `task ${name} changed`
  if (field === 'container') return `task ${name}'s container changed`
  const changed = typeof step === 'number' ? member(member(task, 'steps'), step) : undefined
  const kind = member(changed, 'kind')
  if (kind === 'call') return `task ${name}'s function changed`
  const dest = member(changed, 'dest')
  if (kind === 'install' && path.at(-1) === 'content' && typeof dest === 'string')
    return `what task ${name} installs as ${dest} changed`
  return `task ${name} changed`
}

function member(value: Json | undefined, key: string | number): Json | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const found = Object.entries(value).find(([name]) => name === String(key))
  return found?.[1]
}

/** Folders are told file by file, where it is remembered what they held. */
function contentPhrases(what: string, { before, after }: Change, { listings }: Documents): readonly string[] {
  const [was, is] = [before, after].map((digest) => (typeof digest === 'string' ? listings(digest) : undefined))
  if (was === undefined || is === undefined) return [`${what} changed`]
  const phrases = [...new Set([...is.keys(), ...was.keys()])].sort().flatMap((path) => {
    const [old, now] = [was.get(path), is.get(path)]
    return old === now ? [] : [moved(path, { path: [], ...(old && { before: old }), ...(now && { after: now }) })]
  })
  return phrases.length === 0 ? [`${what} changed`] : phrases
}

function moved(name: string, { before, after }: Change): string {
  return before === undefined ? `${name} was added` : after === undefined ? `${name} was removed` : `${name} changed`
}

function movedPackage(name: string, change: Change): string {
  const [old, now] = [change.before, change.after].map((entry) =>
    typeof entry === 'string' ? (entry.split(' ')[0] ?? '') : '',
  )
  if (change.before === undefined || change.after === undefined || old === now) return `package ${moved(name, change)}`
  return `package ${name} ${old} → ${now}`
}

function text(value: Json | undefined): string {
  return value === undefined ? 'none' : typeof value === 'string' ? value : JSON.stringify(value)
}
