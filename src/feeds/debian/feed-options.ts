import type { Position } from '#engine/errors.ts'
import type { Json } from '#engine/project/model.ts'
import { type Checked, FeedFields, word } from '../shared/feed-fields.ts'

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
export function aptFeedOptions(given: Readonly<Record<string, Json>>, at: Position): Checked<AptFeedOptions> {
  const fields = new FeedFields('apt_feed', aptFeedFields, given, at)
  const name = fields.need('name', fields.text('name', word, 'a plain name'), 'main')
  const distro = fields.text('distro', word, 'a plain name') ?? 'debian'
  const url = fields.address('url', fields.value('url') ?? defaultUrls[distro])
  if (url === undefined && fields.value('url') === undefined)
    fields.bad('url is missing', `${distro} has no default address: add url = "https://..."`)
  const suite = fields.need('suite', fields.text('suite', parts, 'the name of a folder under dists/'), 'trixie')
  const component = fields.text('component', parts, 'the name of a component')
  const several = fields.texts('components', parts, 'component names')
  if (fields.value('component') !== undefined && fields.value('components') !== undefined)
    fields.bad('component and components say the same: give one')
  const keys = fields.text('keyring', relativeFile, 'a file of this module')
  const keyring = fields.need('keyring', keys, 'keys/debian-archive-keyring')
  const arches = fields.texts('arches', archName, 'Debian architectures such as "amd64"')
  const maxAgeDays = fields.maxAgeDays()
  const archUrls = addressesByArch(fields)
  const { errors } = fields
  if (errors.length > 0 || name === undefined || url === undefined || suite === undefined || keyring === undefined)
    return { ok: false, errors }
  const components = several ?? [component ?? 'main']
  return { ok: true, options: { name, distro, url, archUrls, suite, components, arches, keyring, maxAgeDays } }
}

function addressesByArch(fields: FeedFields): Readonly<Record<string, string>> {
  const found = fields.value('arch_urls')
  if (found === undefined) return {}
  const addresses: Record<string, string> = {}
  if (typeof found !== 'object' || found === null || Array.isArray(found)) {
    fields.bad(`arch_urls must be a dict from architecture to address, not ${JSON.stringify(found)}`)
    return addresses
  }
  for (const [arch, place] of Object.entries(found)) {
    if (!archName.test(arch)) fields.bad(`arch_urls: ${JSON.stringify(arch)} is no Debian architecture`)
    const address = fields.address(`arch_urls[${JSON.stringify(arch)}]`, place)
    if (address !== undefined) addresses[arch] = address
  }
  return addresses
}
