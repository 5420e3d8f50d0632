import { YoeError } from '#engine/errors.ts'
import { Deb822Error, type Paragraph, parseParagraphs } from './deb822.ts'

/** One file of a suite, as the signed Release names it. */
export interface ReleaseFile {
  /** Relative to the suite's folder: `main/binary-amd64/Packages.gz`. */
  readonly path: string
  readonly size: number
  readonly sha256: string
  /** Where the Release has such a list too. */
  readonly sha512: string | undefined
}

/** What a verified Release says. Times in milliseconds since 1970. */
export interface Release {
  readonly origin: string
  readonly suite: string
  readonly codename: string
  readonly date: number
  readonly validUntil: number | undefined
  readonly architectures: readonly string[]
  readonly components: readonly string[]
  readonly byHash: boolean
  /** Whether the index of an architecture already holds packages for all of them. */
  readonly allIncluded: boolean
  readonly files: ReadonlyMap<string, ReleaseFile>
}

/**
 * Reads the text of a verified Release.
 *
 * @param feed for the messages: `debian.main`
 * @throws {YoeError} FEED_INVALID: no Release, no SHA256 list, lists that disagree
 * @see Debian Wiki, RepositoryFormat
 */
export function parseRelease(text: string, feed: string): Release {
  const invalid = (reason: string, cause?: unknown): YoeError =>
    new YoeError('FEED_INVALID', `feed ${feed}: its Release file ${reason}`, {
      hint: 'the archive is at fault; ask who runs it, or use another mirror',
      cause,
    })
  let paragraphs: readonly Paragraph[]
  try {
    paragraphs = parseParagraphs(text)
  } catch (failure) {
    if (!(failure instanceof Deb822Error)) throw failure
    throw invalid(`can't be read: ${failure.message}`, failure)
  }
  const [fields] = paragraphs
  if (fields === undefined || paragraphs.length > 1) throw invalid('is not one paragraph')
  const words = (name: string): readonly string[] => (fields.get(name) ?? '').split(/\s+/).filter((word) => word !== '')

  const date = parseDate(fields.get('date'))
  if (date === undefined) throw invalid('has no Date')
  const until = fields.get('valid-until')
  const validUntil = parseDate(until)
  if (until !== undefined && validUntil === undefined) throw invalid('has a Valid-Until that is no date')

  const sha256 = digests(fields.get('sha256'), 64)
  if (sha256 === undefined) throw invalid('has no SHA256 list, or one that is damaged; weaker ones are not accepted')
  const sha512 = fields.has('sha512') ? digests(fields.get('sha512'), 128) : new Map<string, Listed>()
  if (sha512 === undefined) throw invalid('has a damaged SHA512 list')
  const files = new Map<string, ReleaseFile>()
  for (const [path, { size, digest }] of sha256) {
    const stronger = sha512.get(path)
    if (stronger !== undefined && stronger.size !== size) throw invalid(`gives ${path} two sizes`)
    files.set(path, { path, size, sha256: digest, sha512: stronger?.digest })
  }
  return {
    origin: fields.get('origin') ?? '',
    suite: fields.get('suite') ?? '',
    codename: fields.get('codename') ?? '',
    date,
    validUntil,
    architectures: words('architectures'),
    components: words('components'),
    byHash: fields.get('acquire-by-hash') === 'yes',
    allIncluded:
      !words('architectures').includes('all') || words('no-support-for-architecture-all').includes('Packages'),
    files,
  }
}

interface Listed {
  readonly size: number
  readonly digest: string
}

/** A list of `digest size path`; undefined when it is missing, damaged, or says two things of one path. */
function digests(text: string | undefined, length: 64 | 128): Map<string, Listed> | undefined {
  if (text === undefined) return undefined
  const line = new RegExp(`^([0-9a-f]{${length}})\\s+(\\d{1,15})\\s+([A-Za-z0-9._+~/:-]{1,255})$`)
  const list = new Map<string, Listed>()
  for (const entry of text.split('\n')) {
    if (entry === '') continue
    const [, digest, size, path] = line.exec(entry) ?? []
    if (digest === undefined || size === undefined || path === undefined) return undefined
    const other = list.get(path)
    if (other !== undefined && (other.digest !== digest || other.size !== Number(size))) return undefined
    list.set(path, { size: Number(size), digest })
  }
  return list
}

const rfc2822 =
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), {1,2}\d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d{1,2}:\d\d:\d\d (?:UTC|GMT|Z|\+0000)$/

function parseDate(text: string | undefined): number | undefined {
  if (text === undefined || !rfc2822.test(text)) return undefined
  const time = Date.parse(text.replace(/(?:UTC|Z|\+0000)$/, 'GMT'))
  return Number.isNaN(time) ? undefined : time
}

export interface Expectation {
  readonly feed: string
  readonly suite: string
  readonly components: readonly string[]
  readonly maxAgeDays: number | undefined
  /** Milliseconds since 1970. */
  readonly now: number
  /** Date of the newest Release accepted before; undefined for the first. */
  readonly lastDate: number | undefined
  /** What to type to accept an older one all the same. */
  readonly override: string
}

const DAY = 24 * 3600 * 1000

/**
 * Whether a Release is what was asked for, and is of its time.
 *
 * @throws {YoeError} FEED_INVALID (another suite or component), FEED_EXPIRED, FEED_REPLAYED (older than one seen before)
 */
export function checkRelease(release: Release, expected: Expectation): void {
  const { feed, suite, now } = expected
  if (suite !== release.suite && suite !== release.codename) {
    throw new YoeError(
      'FEED_INVALID',
      `feed ${feed}: ${suite} was asked for, but the archive sent ${release.codename || '?'} (${release.suite || '?'})`,
      {
        hint: `if that is meant, write suite = ${JSON.stringify(release.codename || release.suite)}; else use another mirror`,
      },
    )
  }
  for (const component of expected.components) {
    if (release.components.some((one) => one === component || one.endsWith(`/${component}`))) continue
    throw new YoeError('FEED_INVALID', `feed ${feed}: ${suite} has no component "${component}"`, {
      hint: `it has: ${release.components.join(', ')}`,
    })
  }
  if (release.date > now + 10_000) {
    throw new YoeError(
      'FEED_INVALID',
      `feed ${feed}: its Release is dated ${iso(release.date)}, which is in the future`,
      {
        hint: `this machine's clock says ${iso(now)}: set it right, or use another mirror`,
      },
    )
  }
  checkAge(release, expected)
  if (expected.lastDate !== undefined && release.date < expected.lastDate) {
    throw new YoeError(
      'FEED_REPLAYED',
      `feed ${feed}: the mirror sent a Release of ${iso(release.date)}, though one of ${iso(expected.lastDate)} was accepted before`,
      { hint: `use another mirror; if the archive really went back: ${expected.override}` },
    )
  }
}

/** Whether a Release that was accepted once still is. @throws {YoeError} FEED_EXPIRED */
export function checkAge(
  release: Pick<Release, 'date' | 'validUntil'>,
  { feed, now, maxAgeDays }: Pick<Expectation, 'feed' | 'now' | 'maxAgeDays'>,
): void {
  const { date, validUntil } = release
  const hint =
    "the mirror no longer follows its archive, or this machine's clock is wrong: use another mirror, or set the clock"
  if (validUntil !== undefined && validUntil < now) {
    throw new YoeError('FEED_EXPIRED', `feed ${feed}: its Release expired on ${iso(validUntil)}`, { hint })
  }
  if (maxAgeDays !== undefined && validUntil === undefined && date + maxAgeDays * DAY < now) {
    throw new YoeError(
      'FEED_EXPIRED',
      `feed ${feed}: its Release is of ${iso(date)}, older than max_age_days = ${maxAgeDays}`,
      { hint },
    )
  }
}

/** An age in days that deserves a warning where nothing says how old is too old; undefined when it does not. */
export function remarkableAge(release: Pick<Release, 'date' | 'validUntil'>, now: number): number | undefined {
  if (release.validUntil !== undefined) return undefined
  // Point releases of Debian stable are two to three months apart.
  const days = Math.floor((now - release.date) / DAY)
  return days > 180 ? days : undefined
}

const iso = (time: number): string => new Date(time).toISOString().replace('.000Z', 'Z')
