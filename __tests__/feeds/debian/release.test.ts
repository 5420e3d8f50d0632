import assert from 'node:assert/strict'
import { test } from 'node:test'
import { YoeError } from '../../../src/engine/errors.ts'
import { checkRelease, type Expectation, parseRelease, remarkableAge } from '../../../src/feeds/debian/release.ts'
import { releaseText } from './archive.ts'

const now = Date.UTC(2026, 0, 15, 12)
const day = 24 * 3600 * 1000
const date = (days: number): string => new Date(now + days * day).toUTCString().replace('GMT', 'UTC')

const file = 'main/binary-amd64/Packages'
const text = (fields: Readonly<Record<string, string | undefined>> = {}): string =>
  releaseText({ [file]: Buffer.from('x') }, new Date(now - day), fields)

const outcome = (fields: Readonly<Record<string, string | undefined>>, expected: Partial<Expectation> = {}): string => {
  try {
    checkRelease(parseRelease(text(fields), 'debian.main'), {
      feed: 'debian.main',
      suite: 'testy',
      components: ['main'],
      maxAgeDays: undefined,
      now,
      lastDate: undefined,
      override: 'rm newest.json',
      ...expected,
    })
    return 'fine'
  } catch (failure) {
    if (!(failure instanceof YoeError)) throw failure
    assert.match(failure.message, /^feed debian\.main: /)
    assert.ok(failure.hint !== undefined)
    return `${failure.code} ${failure.message.slice('feed debian.main: '.length)} / ${failure.hint}`
  }
}

const rows: readonly (readonly [string, Readonly<Record<string, string | undefined>>, Partial<Expectation>, RegExp])[] =
  [
    ['as it should be', {}, {}, /^fine$/],
    ['asked for by suite instead of codename', {}, { suite: 'stable' }, /^fine$/],
    [
      'another suite',
      {},
      { suite: 'trixie' },
      /^FEED_INVALID trixie was asked for, but the archive sent testy \(stable\)/,
    ],
    [
      'a component it lacks',
      {},
      { components: ['main', 'contrib'] },
      /^FEED_INVALID testy has no component "contrib" .*has: main/,
    ],
    ['a component with a prefix', { Components: 'updates/main' }, {}, /^fine$/],
    ['Valid-Until ahead', { 'Valid-Until': date(1) }, {}, /^fine$/],
    [
      'Valid-Until passed',
      { 'Valid-Until': date(-0.1) },
      {},
      /^FEED_EXPIRED its Release expired on 2026-01-15T09:36:00Z/,
    ],
    ['Valid-Until passed, max age not', { 'Valid-Until': date(-0.1) }, { maxAgeDays: 30 }, /^FEED_EXPIRED/],
    ['Valid-Until that is no date', { 'Valid-Until': 'never' }, {}, /^FEED_INVALID .*Valid-Until that is no date/],
    ['no Valid-Until, old, no limit', { Date: date(-400) }, {}, /^fine$/],
    [
      'no Valid-Until, older than the limit',
      { Date: date(-31) },
      { maxAgeDays: 30 },
      /^FEED_EXPIRED .*older than max_age_days = 30/,
    ],
    ['no Valid-Until, younger than the limit', { Date: date(-29) }, { maxAgeDays: 30 }, /^fine$/],
    ['dated nine seconds ahead', { Date: date(9 / 86_400) }, {}, /^fine$/],
    [
      'dated eleven seconds ahead',
      { Date: date(11 / 86_400) },
      {},
      /^FEED_INVALID .*in the future .*clock says 2026-01-15T12:00:00Z/,
    ],
    ['no Date', { Date: undefined }, {}, /^FEED_INVALID .*no Date/],
    ['a Date in another language', { Date: 'Mi, 14 Jan 2026 12:00:00 UTC' }, {}, /^FEED_INVALID .*no Date/],
    ['the same again', {}, { lastDate: now - day }, /^fine$/],
    ['newer than before', {}, { lastDate: now - 2 * day }, /^fine$/],
    [
      'older than before',
      {},
      { lastDate: now - day / 2 },
      /^FEED_REPLAYED .*of 2026-01-14T12:00:00Z, though one of 2026-01-15T00:00:00Z was accepted before .*rm newest\.json/,
    ],
    [
      'MD5 and SHA1 only',
      { SHA256: undefined, MD5Sum: `\n ${'a'.repeat(32)} 1 ${file}`, SHA1: `\n ${'a'.repeat(40)} 1 ${file}` },
      {},
      /^FEED_INVALID .*no SHA256 list/,
    ],
    ['lists that disagree in size', { SHA512: `\n ${'a'.repeat(128)} 2 ${file}` }, {}, /^FEED_INVALID .*two sizes/],
    [
      'a list that disagrees with itself',
      { SHA256: `\n ${'a'.repeat(64)} 1 ${file}\n ${'b'.repeat(64)} 1 ${file}` },
      {},
      /^FEED_INVALID .*damaged/,
    ],
    ['a digest that is too short', { SHA256: `\n ${'a'.repeat(63)} 1 ${file}` }, {}, /^FEED_INVALID .*damaged/],
    ['a damaged second list', { SHA512: '\n xyz' }, {}, /^FEED_INVALID .*SHA512/],
    ['a field twice', { Extra: 'x\nSuite: stable' }, {}, /^FEED_INVALID .*second time/],
    ['two paragraphs', { Extra: 'x\n\nSuite: evil' }, {}, /^FEED_INVALID .*not one paragraph/],
    ['an escape sequence', { Label: '\u001b[2J' }, {}, /^FEED_INVALID .*control character/],
  ]

for (const [title, fields, expected, want] of rows) {
  test(`a Release: ${title}`, () => {
    assert.match(outcome(fields, expected), want)
  })
}

test('files are known by path, with every strong digest', () => {
  const release = parseRelease(
    text({ SHA512: `\n ${'c'.repeat(128)} 1 ${file}`, 'No-Support-for-Architecture-all': 'Packages' }),
    'f',
  )
  assert.deepEqual(release.files.get(file), {
    path: file,
    size: 1,
    sha256: '2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881',
    sha512: 'c'.repeat(128),
  })
  assert.equal(release.byHash, true)
  assert.equal(release.allIncluded, true)
  assert.equal(parseRelease(text({ Architectures: 'all amd64' }), 'f').allIncluded, false)
})

test('only an undated end makes age remarkable', () => {
  assert.equal(remarkableAge({ date: now - 200 * day, validUntil: undefined }, now), 200)
  assert.equal(remarkableAge({ date: now - 100 * day, validUntil: undefined }, now), undefined)
  assert.equal(remarkableAge({ date: now - 200 * day, validUntil: now + day }, now), undefined)
})
