import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalUrl } from '#engine/modules/reference.ts'
import { compareVersions, parseVersion } from '#engine/modules/version.ts'

const same: readonly (readonly [string, string])[] = [
  ['https://github.com/foo/bar', 'https://github.com/foo/bar'],
  ['https://github.com/foo/bar.git', 'https://github.com/foo/bar'],
  ['https://github.com/foo/bar/', 'https://github.com/foo/bar'],
  ['https://github.com/foo/bar.git/', 'https://github.com/foo/bar'],
  ['HTTPS://GitHub.com/Foo/Bar.git', 'https://github.com/Foo/Bar'],
  ['https://me:token@github.com/foo/bar', 'https://github.com/foo/bar'],
  ['ssh://Git@Example.org:22/foo.git', 'ssh://Git@example.org:22/foo'],
  ['git@github.com:foo/bar.git', 'git@github.com:foo/bar'],
  ['file:///srv/git/bar.git', 'file:///srv/git/bar'],
]
for (const [url, want] of same) test(`canonical: ${url}`, () => assert.equal(canonicalUrl(url), want))

test('versions: semver.org’s own order, and shorter and longer ones', () => {
  const rising =
    '0.9 v1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 v1 1.0.1 1.2 1.10 v2'
  const versions = rising.split(' ').map((text) => ({ text, version: parseVersion(text) }))
  for (const [index, a] of versions.entries()) {
    for (const [other, b] of versions.entries()) {
      assert.ok(a.version !== undefined && b.version !== undefined)
      assert.equal(Math.sign(compareVersions(a.version, b.version)), Math.sign(index - other), `${a.text} ${b.text}`)
    }
  }
  for (const text of ['main', 'release-1', '1.x', 'v', '', '1..2', 'v1.2.3.4.5', '1.2-'])
    assert.equal(parseVersion(text), undefined, text)
})
