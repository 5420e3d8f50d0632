import { type Position, YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { Json } from '#engine/project/model.ts'

/** Where Debian publishes what it makes; other distros have no default. */
const defaultUrls: Readonly<Record<string, string>> = { debian: 'http://ftp.debian.org/debian' }

/** What `apt_feed(...)` says, checked. */
export interface AptFeedOptions {
  /** Second half of the feed's id: `main` in `debian.main`. */
  readonly name: string
  readonly distro: string
  /** Without a slash at the end. */
  readonly url: string
  /** Other places for some architectures (Debian's spelling): Ubuntu's ports. */
  readonly archUrls: Readonly<Record<string, string>>
  /** `trixie`, `bookworm-security`: a folder under dists/. */
  readonly suite: string
  readonly components: readonly string[]
  /** Debian's spelling; undefined: whatever upstream has. */
  readonly arches: readonly string[] | undefined
  /** OpenPGP keys, binary or armored, relative to the module's folder. */
  readonly keyring: string
  /** How old an index without Valid-Until may be before it is refused; undefined: it is never too old. */
  readonly maxAgeDays: number | undefined
}

const word = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$/
const archName = /^[a-z0-9][a-z0-9-]{1,31}$/
// A suite or component may have parts (`bookworm/updates`), none of which starts with a dot.
const parts = /^[A-Za-z0-9][A-Za-z0-9._+~-]*(?:\/[A-Za-z0-9][A-Za-z0-9._+~-]*)*$/
const relativeFile = /^(?!.*(?:^|\/)\.\.?(?:\/|$))[A-Za-z0-9][A-Za-z0-9._+/-]{0,254}$/

/** Keyword arguments of `apt_feed(...)`. */
export const aptFeedFields = [
  'name',
  'distro',
  'url',
  'arch_urls',
  'suite',
  'component',
  'components',
  'arches',
  'keyring',
  'max_age_days',
]

/**
 * Checks the arguments of `apt_feed(...)`, as given in a `.star` file or kept in a FeedDeclaration.
 *
 * @param at where the call is, for the errors
 * @returns the options, or every error
 * @see seed, Declaring a feed; Split mirrors
 */
export function aptFeedOptions(
  given: Readonly<Record<string, Json>>,
  at: Position,
):
  | { readonly ok: true; readonly options: AptFeedOptions }
  | { readonly ok: false; readonly errors: readonly YoeError[] } {
  const errors: YoeError[] = []
  const bad = (message: string, hint?: string): undefined => {
    errors.push(new YoeError('BAD_FIELD', `apt_feed(): ${message}`, { at, hint }))
    return undefined
  }
  for (const field of Object.keys(given)) {
    if (aptFeedFields.includes(field)) continue
    const hint = didYouMean(field, aptFeedFields, 2) ?? `its fields are: ${aptFeedFields.join(', ')}`
    errors.push(new YoeError('UNKNOWN_FIELD', `apt_feed() has no field "${field}"`, { at, hint }))
  }
  const value = (field: string): Json | undefined => given[field] ?? undefined
  const text = (field: string, pattern: RegExp, says: string): string | undefined => {
    const found = value(field)
    if (found === undefined) return undefined
    if (typeof found !== 'string' || !pattern.test(found))
      return bad(`${field} must be ${says}, not ${JSON.stringify(found)}`)
    return found
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
  const need = (field: string, found: string | undefined, example: string): string => {
    if (found === undefined && value(field) === undefined)
      bad(`${field} is missing`, `add ${field} = ${JSON.stringify(example)}`)
    return found ?? ''
  }
  const address = (field: string, found: Json | undefined): string | undefined => {
    if (found === undefined) return undefined
    if (typeof found === 'string' && isAddress(found)) return found.replace(/\/+$/, '')
    return bad(
      `${field} must be an http, https or file address without user name or query, not ${JSON.stringify(found)}`,
    )
  }

  const name = need('name', text('name', word, 'a plain name'), 'main')
  const distro = text('distro', word, 'a plain name') ?? 'debian'
  const url = address('url', value('url')) ?? (value('url') === undefined ? defaultUrls[distro] : '')
  if (url === undefined) bad('url is missing', `${distro} has no default address: add url = "https://..."`)
  const suite = need('suite', text('suite', parts, 'the name of a folder under dists/'), 'trixie')
  const component = text('component', parts, 'the name of a component')
  const components = texts('components', parts, 'component names') ?? (component === undefined ? ['main'] : [component])
  if (value('component') !== undefined && value('components') !== undefined)
    bad('component and components say the same: give one')
  const keyring = need('keyring', text('keyring', relativeFile, 'a file of this module'), 'keys/debian-archive-keyring')
  const arches = texts('arches', archName, 'Debian architectures such as "amd64"')
  const maxAge = value('max_age_days')
  if (
    maxAge !== undefined &&
    !(typeof maxAge === 'number' && Number.isInteger(maxAge) && maxAge > 0 && maxAge <= 36_500)
  ) {
    bad(`max_age_days must be a whole number of days, not ${JSON.stringify(maxAge)}`)
  }
  const archUrls: Record<string, string> = {}
  const byArch = value('arch_urls')
  if (byArch !== undefined) {
    if (typeof byArch !== 'object' || byArch === null || Array.isArray(byArch)) {
      bad(`arch_urls must be a dict from architecture to address, not ${JSON.stringify(byArch)}`)
    } else {
      for (const [arch, place] of Object.entries(byArch)) {
        if (!archName.test(arch)) bad(`arch_urls: ${JSON.stringify(arch)} is no Debian architecture`)
        archUrls[arch] = address(`arch_urls[${JSON.stringify(arch)}]`, place) ?? ''
      }
    }
  }
  if (errors.length > 0) return { ok: false, errors }
  const maxAgeDays = typeof maxAge === 'number' ? maxAge : undefined
  return {
    ok: true,
    options: { name, distro, url: url ?? '', archUrls, suite, components, arches, keyring, maxAgeDays },
  }
}

function isAddress(text: string): boolean {
  if (!/^(?:https?|file):\/\//.test(text) || !/^[\x21-\x7e]+$/.test(text) || !URL.canParse(text)) return false
  const { username, password, search, hash } = new URL(text)
  return username === '' && password === '' && search === '' && hash === ''
}
