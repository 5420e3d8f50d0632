import { YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { PackageUnit } from '#engine/project/model.ts'

/** What a unit says to Alpine's packages alone, in keywords that no other format has; all about its main package. */
export interface OwnFields {
  /** `apk_scripts`: of the project's own, run after those that are made for users and services. */
  readonly scripts: Readonly<Partial<Record<ScriptName, string>>>
  /** `apk_triggers`: folders; `apk_scripts["trigger"]` runs when something in them changes. */
  readonly triggers: readonly string[]
  /** `apk_install_if`: installed by itself where all of these are. */
  readonly installIf: readonly string[]
  /** `apk_replaces_priority`: whose files win, of two packages that replace each other. */
  readonly replacesPriority: number | undefined
  /** `apk_provider_priority`: who is taken first, of those that provide one name. */
  readonly providerPriority: number | undefined
}

/** The scripts that apk runs, as they are called in a package (with a dot before it). @see apk-package(5) */
export const scriptNames = [
  'pre-install',
  'post-install',
  'pre-upgrade',
  'post-upgrade',
  'pre-deinstall',
  'post-deinstall',
  'trigger',
] as const
export type ScriptName = (typeof scriptNames)[number]

const fields = ['apk_scripts', 'apk_triggers', 'apk_install_if', 'apk_replaces_priority', 'apk_provider_priority']

const isScriptName = (text: string): text is ScriptName => scriptNames.some((name) => name === text)

/** @throws {YoeError} BAD_FIELD at the unit */
export function ownFields({ extra, at, name }: Pick<PackageUnit, 'extra' | 'at' | 'name'>): OwnFields {
  const refuse = (field: string, hint: string): YoeError =>
    new YoeError('BAD_FIELD', `${field} of ${name} is not what Alpine packages have`, { hint, at, unit: name })
  const unknown = Object.keys(extra).find((key) => key.startsWith('apk_') && !fields.includes(key))
  if (unknown !== undefined) throw refuse(unknown, didYouMean(unknown, fields) ?? `there are: ${fields.join(', ')}`)
  const list = (field: string, valid: RegExp, hint: string): readonly string[] => {
    const value = extra[field] ?? []
    const words = Array.isArray(value) ? value.filter((word) => typeof word === 'string') : []
    if (!Array.isArray(value) || words.length < value.length || !words.every((word) => valid.test(word)))
      throw refuse(field, hint)
    return words
  }
  const priority = (field: string): number | undefined => {
    const value = extra[field]
    if (value === undefined) return undefined
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 65_536) return value
    throw refuse(field, `a number from 0 to 65535: ${field} = 10`)
  }
  const triggers = list('apk_triggers', /^\/[!-~]*$/, 'folders: apk_triggers = ["/usr/share/app/plugins"]')
  const scripts = scriptsOf(extra['apk_scripts'] ?? {}, (hint) => refuse('apk_scripts', hint))
  if (triggers.length > 0 !== (scripts.trigger !== undefined))
    throw refuse('apk_triggers', 'folders and the script for them: apk_scripts = {"trigger": "#!/bin/sh\\n…"}')
  return {
    scripts,
    triggers,
    installIf: list('apk_install_if', /^[!-~]+$/, 'packages: apk_install_if = ["app=1.0-r0", "docs"]'),
    replacesPriority: priority('apk_replaces_priority'),
    providerPriority: priority('apk_provider_priority'),
  }
}

function scriptsOf(value: unknown, refuse: (hint: string) => YoeError): Partial<Record<ScriptName, string>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refuse('a dict of scripts: apk_scripts = {"post-install": "echo done\\n"}')
  const scripts: Partial<Record<ScriptName, string>> = {}
  for (const [key, text] of Object.entries(value)) {
    if (!isScriptName(key)) throw refuse(`the scripts are: ${scriptNames.join(', ')}`)
    if (typeof text !== 'string' || text.includes('\0'))
      throw refuse(`the text of a script: {"${key}": "echo done\\n"}`)
    scripts[key] = text
  }
  return scripts
}
