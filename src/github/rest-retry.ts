import { type Clock, systemClock } from './actions-cache/bucket.ts'

/** The longest that one call waits before it is tried again; who is asked to wait longer gives up. */
const longestWait = 60_000
const attempts = 4

/** The status of a refused REST call; undefined when there was no answer at all. */
export function statusOf(failure: unknown): number | undefined {
  return failure instanceof Error && 'status' in failure && typeof failure.status === 'number'
    ? failure.status
    : undefined
}

/**
 * A call of GitHub's REST API, tried again while the answer is one that passes: no answer, a server's error, a rate limit.
 * It waits as long as the answer says (Retry-After, x-ratelimit-reset), else 0.5 s and twice as long each time.
 */
export async function withRetries<T>(call: () => Promise<T>, clock: Clock = systemClock): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call()
    } catch (failure) {
      const wait = waitOf(failure, attempt, clock)
      if (attempt === attempts || wait === undefined || wait > longestWait) throw failure
      await clock.sleep(wait)
    }
  }
}

/** Milliseconds; undefined: trying again would not help. */
function waitOf(failure: unknown, attempt: number, clock: Clock): number | undefined {
  const status = statusOf(failure)
  const backOff = 250 * 2 ** attempt
  if (status === undefined || status >= 500) return backOff
  const after = Number(header(failure, 'retry-after') ?? Number.NaN)
  const reset = Number(header(failure, 'x-ratelimit-reset') ?? Number.NaN)
  const spent = header(failure, 'x-ratelimit-remaining') === '0'
  const limited = status === 429 || (status === 403 && spent)
  if (Number.isFinite(after) && (status === 403 || status === 429)) return after * 1000
  // GitHub asks for a minute where the answer to too many calls at once does not say how long.
  const tooManyAtOnce = /secondary rate limit|abuse detection/i.test(failure instanceof Error ? failure.message : '')
  if (tooManyAtOnce && !spent && (status === 403 || status === 429)) return longestWait
  if (!limited) return undefined
  return Number.isFinite(reset) ? Math.max(0, reset * 1000 - clock.now()) : backOff
}

function header(failure: unknown, name: string): string | undefined {
  if (!(failure instanceof Error) || !('response' in failure)) return undefined
  const { response } = failure
  if (typeof response !== 'object' || response === null || !('headers' in response)) return undefined
  const { headers } = response
  if (typeof headers !== 'object' || headers === null) return undefined
  const value = Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1]
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}
