import { type Position, YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { Json } from '#engine/project/model.ts'

/** Where Alpine publishes what it makes. */
const defaultUrl = 'https://dl-cdn.alpinelinux.org/alpine'

/** What `alpine_feed(...)` says, checked. */
export interface AlpineFeedOptions {
  /** Second half of the feed's id: `main` in `alpine.main`. */
  readonly name: string
  /** Without a slash at the end. */
  readonly url: string
  /** A release: `v3.19`, `edge`; a folder below the address. */
  readonly branch: string
  /** Repositories of it, in order of preference. */
  readonly sections: readonly string[]
  /** Folder of the module that holds `ARCH/APKINDEX` (of several sections: `SECTION/ARCH/APKINDEX`); undefined: none. */
  readonly index: string | undefined
  /** Public keys, PEM, relative to the module's folder; signatures name them by the last part of their path. */
  readonly keys: readonly string[]
  /** Alpine's spelling; undefined: all that are asked for. */
  readonly arches: readonly string[] | undefined
  /** How old an index may be before it is refused; undefined: it is never too old. */
  readonly maxAgeDays: number | undefined
}

const word = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$/
const archName = /^[a-z0-9][a-z0-9_]{1,31}$/
const relativePath = /^(?!.*(?:^|\/)\.\.?(?:\/|$))[A-Za-z0-9][A-Za-z0-9._@+/-]{0,254}$/

const fields = ['name', 'url', 'branch', 'section', 'sections', 'index', 'keys', 'arches', 'max_age_days']

/**
 * Checks the arguments of `alpine_feed(...)`, as given in a `.star` file or kept in a FeedDeclaration.
 *
 * @param at where the call is, for the errors
 * @returns the options, or every error
 * @see seed, alpine_feed: declaring a whole repo as one module entry
 */
export function alpineFeedOptions(
  given: Readonly<Record<string, Json>>,
  at: Position,
):
  | { readonly ok: true; readonly options: AlpineFeedOptions }
  | { readonly ok: false; readonly errors: readonly YoeError[] } {
  const errors: YoeError[] = []
  const bad = (message: string, hint?: string): undefined => {
    errors.push(new YoeError('BAD_FIELD', `alpine_feed(): ${message}`, { at, hint }))
    return undefined
  }
  for (const field of Object.keys(given)) {
    if (fields.includes(field)) continue
    const hint = didYouMean(field, fields, 2) ?? `its fields are: ${fields.join(', ')}`
    errors.push(new YoeError('UNKNOWN_FIELD', `alpine_feed() has no field "${field}"`, { at, hint }))
  }
  const value = (field: string): Json | undefined => given[field] ?? undefined
  const text = (field: string, pattern: RegExp, says: string): string | undefined => {
    const found = value(field)
    if (found === undefined) return undefined
    if (typeof found === 'string' && pattern.test(found)) return found
    return bad(`${field} must be ${says}, not ${JSON.stringify(found)}`)
  }
  const texts = (field: string, pattern: RegExp, says: string): readonly string[] | undefined => {
    const found = value(field)
    if (found === undefined) return undefined
    const list: readonly Json[] = Array.isArray(found) ? found : [null]
    const good = list.filter((item): item is string => typeof item === 'string' && pattern.test(item))
    if (good.length === 0 || good.length !== list.length)
      return bad(`${field} must be a list of ${says}, not ${JSON.stringify(found)}`)
    if (new Set(good).size !== good.length) return bad(`${field} names something twice`)
    return good
  }
  const need = <T>(field: string, found: T | undefined, example: Json): T | undefined => {
    if (value(field) === undefined) bad(`${field} is missing`, `add ${field} = ${JSON.stringify(example)}`)
    return found
  }

  const name = need('name', text('name', word, 'a plain name'), 'main')
  const branch = need('branch', text('branch', word, 'a release such as "v3.21" or "edge"'), 'v3.21')
  const section = text('section', word, 'the name of a repository')
  const several = texts('sections', word, 'names of repositories')
  if (value('section') !== undefined && value('sections') !== undefined)
    bad('section and sections say the same: give one')
  const index = text('index', relativePath, 'a folder of this module')
  const example = ['keys/alpine-devel@lists.alpinelinux.org-6165ee59.rsa.pub']
  const keys = need('keys', texts('keys', relativePath, 'files of this module'), example)
  const names = (keys ?? []).map((key) => key.slice(key.lastIndexOf('/') + 1))
  if (new Set(names).size !== names.length) bad('keys has two files of one name, and signatures know keys by that')
  const arches = texts('arches', archName, 'architectures as Alpine calls them, such as "aarch64"')
  const url = value('url') ?? defaultUrl
  const address = typeof url === 'string' && isAddress(url) ? url.replace(/\/+$/, '') : undefined
  if (address === undefined)
    bad(`url must be an http, https or file address without user name or query, not ${JSON.stringify(url)}`)
  const maxAge = value('max_age_days')
  const maxAgeDays =
    typeof maxAge === 'number' && Number.isInteger(maxAge) && maxAge > 0 && maxAge <= 36_500 ? maxAge : undefined
  if (maxAge !== undefined && maxAgeDays === undefined)
    bad(`max_age_days must be a whole number of days, not ${JSON.stringify(maxAge)}`)
  if (errors.length > 0 || name === undefined || branch === undefined || keys === undefined || address === undefined)
    return { ok: false, errors }
  const sections = several ?? [section ?? 'main']
  return { ok: true, options: { name, url: address, branch, sections, index, keys, arches, maxAgeDays } }
}

function isAddress(text: string): boolean {
  if (!/^(?:https?|file):\/\//.test(text) || !/^[\x21-\x7e]+$/.test(text) || !URL.canParse(text)) return false
  const { username, password, search, hash } = new URL(text)
  return username === '' && password === '' && search === '' && hash === ''
}
