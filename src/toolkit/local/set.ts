import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Position } from '#engine/errors.ts'
import { userErrors, YoeError } from '#engine/errors.ts'
import type { Reporter } from '#engine/events.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { Json, Project } from '#engine/project/model.ts'
import { locateProject } from '../project-file.ts'
import { loadProject, openWorkspace } from '../workspace.ts'
import { localFile } from './file.ts'
import type { LocalKey } from './settings.ts'
import { isLocalKey, literalOf, localKeyNames } from './settings.ts'
import type { Literal } from './syntax.ts'
import { writeLocal } from './write.ts'

export interface SetRequest {
  readonly cwd: string
  readonly project: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly report: Reporter
  readonly signal: AbortSignal
}

export interface SetDone {
  readonly key: string
  /** Null: it is not set any more. */
  readonly value: Json
  readonly file: string
  readonly changed: boolean
}

/**
 * `yoe config set`: keeps a setting in local.star.
 *
 * @param key with dashes or underscores
 * @param text '' takes the setting out
 * @throws {YoeError} USAGE for what is no setting of this machine, and for a value that it can't have
 */
export async function setLocal(request: SetRequest, key: string, text: string): Promise<SetDone> {
  const { root, entry } = locateProject(request.cwd, request.project, request.env)
  const name = key.replaceAll('-', '_')
  if (!isLocalKey(name)) throw noSetting(key, text, root, entry)
  const literal = text === '' ? undefined : literalOf(name, text)
  if (literal !== undefined) await requireKnown(request, name, text)
  const changed = await writeLocal(root, new Map([[name, literal]]), request.signal)
  return { key: name, value: literal === undefined ? null : plain(literal), file: localFile, changed }
}

function noSetting(key: string, text: string, root: string, entry: string): YoeError {
  const inProject = /^defaults\.(machine|image|distro)$/.exec(key)?.[1]
  if (inProject !== undefined) {
    const local = inProject === 'distro' ? 'default-distro-override' : inProject
    return new YoeError('USAGE', `${key} is in ${entry}, which is yours to edit`, {
      at: defaultLine(root, entry, inProject),
      hint: `write ${inProject} = ${JSON.stringify(text)} in its defaults(…)\nyoe config set ${local} … decides on this machine alone`,
    })
  }
  const dashed = localKeyNames.map((known) => known.replaceAll('_', '-'))
  return new YoeError('USAGE', `there is no setting "${key}"`, {
    hint: didYouMean(key, dashed) ?? `there are: ${dashed.join(', ')}`,
  })
}

/** The line of the project's file that sets a default, as far as a look at its text tells. */
function defaultLine(root: string, entry: string, name: string): Position | undefined {
  const lines = readFileSync(join(root, entry), 'utf8').split('\n')
  const start = lines.findIndex((line) => /\bdefaults\s*\(/.test(line))
  if (start < 0) return undefined
  const found = lines.findIndex((line, index) => index >= start && new RegExp(`\\b${name}\\s*=`).test(line))
  return { file: entry, line: (found < 0 ? start : found) + 1, column: 1 }
}

/** What the project does not have is refused, as far as the project can be asked. */
async function requireKnown(request: SetRequest, key: LocalKey, text: string): Promise<void> {
  const kinds: { readonly [K in LocalKey]?: (project: Project) => readonly string[] } = {
    machine: ({ machines }) => machines.map(({ name }) => name),
    image: ({ units }) => units.filter(({ kind }) => kind === 'image').map(({ name }) => name),
    default_distro_override: ({ feeds }) => feeds.map(({ distro }) => distro),
  }
  const namesOf = kinds[key]
  const project = namesOf === undefined ? undefined : await projectIfWhole(request)
  if (namesOf === undefined || project === undefined) return
  const names = [...new Set(namesOf(project))]
  if (names.includes(text)) return
  throw new YoeError('USAGE', `this project has no ${key === 'default_distro_override' ? 'feed for' : key} "${text}"`, {
    hint: didYouMean(text, names) ?? `there are: ${names.join(', ') || 'none'}`,
  })
}

async function projectIfWhole(request: SetRequest): Promise<Project | undefined> {
  try {
    const workspace = openWorkspace({ ...request, offline: true })
    return (await loadProject({ ...workspace, local: { settings: {}, at: new Map() } }, undefined)).project
  } catch (failure) {
    if (userErrors(failure) === undefined) throw failure
    return undefined
  }
}

function plain(value: Literal): Json {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]))
  return typeof value === 'object' ? value.map(plain) : value
}
