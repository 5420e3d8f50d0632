import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '../../../src/engine/project/model.ts'
import { aptFeedOptions } from '../../../src/feeds/debian/feed-options.ts'

const at = { file: 'MODULE.star', line: 7, column: 1 }
const least = { name: 'main', suite: 'trixie', keyring: 'keys/archive.gpg' }

function errors(given: Readonly<Record<string, Json>>): string {
  const checked = aptFeedOptions(given, at)
  if (checked.ok) return 'fine'
  for (const error of checked.errors) assert.deepEqual(error.at, at)
  return checked.errors.map((error) => `${error.code} ${error.message} / ${error.hint ?? ''}`).join('\n')
}

test('the least that a feed needs, and its defaults', () => {
  const checked = aptFeedOptions(least, at)
  assert.deepEqual(checked.ok && checked.options, {
    name: 'main',
    distro: 'debian',
    url: 'http://ftp.debian.org/debian',
    archUrls: {},
    suite: 'trixie',
    components: ['main'],
    arches: undefined,
    keyring: 'keys/archive.gpg',
    maxAgeDays: undefined,
  })
})

test('everything that a feed can say', () => {
  const checked = aptFeedOptions(
    {
      ...least,
      distro: 'ubuntu',
      url: 'https://archive.example/ubuntu/',
      arch_urls: { arm64: 'https://ports.example/ubuntu-ports' },
      suite: 'noble/updates',
      components: ['main', 'universe'],
      arches: ['amd64', 'arm64'],
      max_age_days: 30,
    },
    at,
  )
  assert.ok(checked.ok)
  assert.deepEqual(checked.options.archUrls, { arm64: 'https://ports.example/ubuntu-ports' })
  assert.equal(checked.options.url, 'https://archive.example/ubuntu')
  assert.deepEqual(checked.options.components, ['main', 'universe'])
})

const rows: readonly (readonly [Readonly<Record<string, Json>>, RegExp])[] = [
  [{}, /name is missing.*\n.*suite is missing.*\n.*keyring is missing/],
  [{ ...least, sweet: 'x' }, /UNKNOWN_FIELD .*no field "sweet" .*its fields are/],
  [{ ...least, compnent: 'x' }, /no field "compnent" .*did you mean "component"/],
  [{ ...least, suite: 1 }, /^BAD_FIELD apt_feed\(\): suite must be .*not 1 /],
  [{ ...least, suite: '../x' }, /suite must be/],
  [{ ...least, suite: 'trixie/../..' }, /suite must be/],
  [{ ...least, name: 'a b' }, /name must be/],
  [{ ...least, components: [] }, /components must be a list/],
  [{ ...least, components: 'main' }, /components must be a list/],
  [{ ...least, components: ['main', 'main'] }, /names something twice/],
  [{ ...least, component: 'main', components: ['main'] }, /give one/],
  [{ ...least, keyring: '/etc/keys' }, /keyring must be a file of this module/],
  [{ ...least, keyring: 'keys/../../x' }, /keyring must be/],
  [{ ...least, url: 'ftp://x.example/debian' }, /url must be/],
  [{ ...least, url: 'http://user:pw@x.example/debian' }, /url must be/],
  [{ ...least, url: 'http://x.example/debian?a' }, /url must be/],
  [{ ...least, distro: 'ubuntu' }, /url is missing.*ubuntu has no default/],
  [{ ...least, arch_urls: { 'a b': 'http://x.example' } }, /no Debian architecture/],
  [{ ...least, arch_urls: ['x'] }, /arch_urls must be a dict/],
  [{ ...least, arches: ['AMD64'] }, /arches must be/],
  [{ ...least, max_age_days: 0 }, /max_age_days must be/],
  [{ ...least, max_age_days: '30' }, /max_age_days must be/],
]

test('every wrong argument is an error at the call', () => {
  for (const [given, want] of rows) assert.match(errors(given), want, JSON.stringify(given))
})
