import { YoeError } from '#engine/errors.ts'
import { readNewest } from '../shared/feed-state.ts'

/** The text of an index that is believed. */
export interface VerifiedIndex {
  readonly branch: string
  /** `main/x86_64/APKINDEX`. */
  readonly path: string
  readonly bytes: Buffer
  readonly sha256: string
  /** When it was made; milliseconds since 1970. */
  readonly date: number
}

export interface Expectation {
  readonly id: string
  /** Alpine's spelling. */
  readonly arch: string
  /** What the signed archive says of its repository: `v3.19.1-643-gec825d20535`. */
  readonly description: string
  readonly now: number
  /** Where the newest date that was accepted is kept. */
  readonly newest: string
  readonly maxAgeDays: number | undefined
}

const another = 'use another mirror'

/**
 * Whether an index whose signature held is what was asked for, and is of its time. Alpine signs all branches and sections of an
 * architecture with one key; an index tells its branch by its description and its architecture by its packages.
 *
 * @throws {YoeError} FEED_INVALID (another branch or architecture, from the future), FEED_REPLAYED, FEED_EXPIRED
 */
export function checkIndex(index: VerifiedIndex, expected: Expectation): void {
  const { branch, date, path, bytes } = index
  const { id, arch, description, now, newest, maxAgeDays } = expected
  const made = branchIn(description)
  if (made !== undefined && /^v\d+\.\d+$/.test(branch) && made !== branch) {
    throw new YoeError(
      'FEED_INVALID',
      `feed ${id}: ${branch} was asked for, but the mirror sent ${description.trim().slice(0, 60)}`,
      {
        hint: another,
      },
    )
  }
  const [, other] = /^A:(.*)$/m.exec(bytes.toString('latin1', 0, 1 << 16)) ?? []
  if (other !== undefined && ![arch, 'noarch'].includes(other)) {
    throw new YoeError('FEED_INVALID', `feed ${id}: ${path} has packages for ${other.slice(0, 32)}`, { hint: another })
  }
  if (date > now + 10_000) {
    throw new YoeError('FEED_INVALID', `feed ${id}: ${path} is dated ${iso(date)}, which is in the future`, {
      hint: `this machine's clock says ${iso(now)}: set it right, or ${another}`,
    })
  }
  if (maxAgeDays !== undefined && date + maxAgeDays * 86_400_000 < now) {
    throw new YoeError(
      'FEED_EXPIRED',
      `feed ${id}: ${path} is of ${iso(date)}, older than max_age_days = ${maxAgeDays}`,
      {
        hint: `the mirror no longer follows Alpine, or this machine's clock is wrong: ${another}, or set the clock`,
      },
    )
  }
  const last = readNewest(newest)
  if (last !== undefined && date < last) {
    throw new YoeError(
      'FEED_REPLAYED',
      `feed ${id}: the mirror sent ${path} of ${iso(date)}, though one of ${iso(last)} was accepted before`,
      { hint: `${another}; if the repository really went back: rm ${newest}` },
    )
  }
}

/**
 * The branch that a description is of: a release, or edge, which is described by days and coming releases' alphas. In edge itself
 * a release's tag can be the last one, so that what is described so may be either.
 */
function branchIn(description: string): string | undefined {
  if (/^v(?:\d{8}|\d+\.\d+\.\d+_alpha\d*)\b/.test(description)) return 'edge'
  return /^(v\d+\.\d+)[.-]/.exec(description)?.[1]
}

const iso = (time: number): string => new Date(time).toISOString().replace('.000Z', 'Z')
