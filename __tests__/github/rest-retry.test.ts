import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withRetries } from '#github/rest-retry.ts'

/** Answers in turn (a status with headers, or 200), and how long was waited in between. */
async function told(
  answers: readonly (number | undefined | readonly [number, Readonly<Record<string, string | number>>, string?])[],
) {
  const waits: number[] = []
  let [calls, now] = [0, 1_000_000]
  const clock = {
    now: () => now,
    sleep: async (ms: number) => {
      waits.push(ms)
      now += ms
    },
  }
  const call = async (): Promise<string> => {
    const answer = answers[calls++] ?? 200
    const [status, headers = {}, words = `HTTP ${status}`] = typeof answer === 'number' ? [answer] : answer
    if (status === 200) return 'good'
    throw Object.assign(new Error(words), { ...(status === 0 ? {} : { status }), response: { headers } })
  }
  const outcome = await withRetries(call, clock).catch((failure: unknown) => String(failure))
  return { outcome, calls, waits }
}

for (const [name, answers, want] of [
  ['a good answer', [200], { outcome: 'good', calls: 1, waits: [] }],
  ['a server error passes', [500, 502, 200], { outcome: 'good', calls: 3, waits: [500, 1000] }],
  ['no answer at all', [0, 200], { outcome: 'good', calls: 2, waits: [500] }],
  ['it stays', [503, 503, 503, 503], { outcome: 'Error: HTTP 503', calls: 4, waits: [500, 1000, 2000] }],
  ['Retry-After is kept', [[429, { 'Retry-After': '7' }], 200], { outcome: 'good', calls: 2, waits: [7000] }],
  ['secondary limits are a 403', [[403, { 'retry-after': 3 }], 200], { outcome: 'good', calls: 2, waits: [3000] }],
  [
    'the hourly limit says when it ends',
    [[403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1010' }], 200],
    { outcome: 'good', calls: 2, waits: [10_000] },
  ],
  [
    'an hour is too long',
    [[403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '4600' }]],
    { outcome: 'Error: HTTP 403', calls: 1, waits: [] },
  ],
  [
    'too many at once without a word when to come again: a minute',
    [[403, {}, 'You have exceeded a secondary rate limit'], 200],
    { outcome: 'good', calls: 2, waits: [60_000] },
  ],
  ['what is not allowed stays so', [403], { outcome: 'Error: HTTP 403', calls: 1, waits: [] }],
  ['what is not there stays so', [404], { outcome: 'Error: HTTP 404', calls: 1, waits: [] }],
] as const)
  test(`retries: ${name}`, async () => assert.deepEqual(await told(answers), want))
