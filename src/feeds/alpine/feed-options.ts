import type { Position } from '#engine/errors.ts'
import type { Json } from '#engine/project/model.ts'
import { type Checked, FeedFields, word } from '../shared/feed-fields.ts'

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

const archName = /^[a-z0-9][a-z0-9_]{1,31}$/
const relativePath = /^(?!.*(?:^|\/)\.\.?(?:\/|$))[A-Za-z0-9][A-Za-z0-9._@+/-]{0,254}$/

const fieldNames = ['name', 'url', 'branch', 'section', 'sections', 'index', 'keys', 'arches', 'max_age_days']

/**
 * Checks the arguments of `alpine_feed(...)`, as given in a `.star` file or kept in a FeedDeclaration.
 *
 * @param at where the call is, for the errors
 * @returns the options, or every error
 * @see seed, alpine_feed: declaring a whole repo as one module entry
 */
export function alpineFeedOptions(given: Readonly<Record<string, Json>>, at: Position): Checked<AlpineFeedOptions> {
  const fields = new FeedFields('alpine_feed', fieldNames, given, at)
  const name = fields.need('name', fields.text('name', word, 'a plain name'), 'main')
  const branch = fields.need('branch', fields.text('branch', word, 'a release such as "v3.21" or "edge"'), 'v3.21')
  const section = fields.text('section', word, 'the name of a repository')
  const several = fields.texts('sections', word, 'names of repositories')
  if (fields.value('section') !== undefined && fields.value('sections') !== undefined)
    fields.bad('section and sections say the same: give one')
  const index = fields.text('index', relativePath, 'a folder of this module')
  const example = ['keys/alpine-devel@lists.alpinelinux.org-6165ee59.rsa.pub']
  const keys = fields.need('keys', fields.texts('keys', relativePath, 'files of this module'), example)
  const names = (keys ?? []).map((key) => key.slice(key.lastIndexOf('/') + 1))
  if (new Set(names).size !== names.length)
    fields.bad('keys has two files of one name, and signatures know keys by that')
  const arches = fields.texts('arches', archName, 'architectures as Alpine calls them, such as "aarch64"')
  const url = fields.address('url', fields.value('url') ?? defaultUrl)
  const maxAgeDays = fields.maxAgeDays()
  const { errors } = fields
  if (errors.length > 0 || name === undefined || branch === undefined || keys === undefined || url === undefined)
    return { ok: false, errors }
  const sections = several ?? [section ?? 'main']
  return { ok: true, options: { name, url, branch, sections, index, keys, arches, maxAgeDays } }
}
