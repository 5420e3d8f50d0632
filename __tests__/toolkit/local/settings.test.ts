import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { userErrors } from '#engine/errors.ts'
import { readLocal } from '#toolkit/local/file.ts'
import { isLocalKey, literalOf, localKeyNames } from '#toolkit/local/settings.ts'
import { printLiteral } from '#toolkit/local/syntax.ts'
import { shown } from '../../engine/project/evaluating.ts'
import { scratch } from '../../support/project.ts'

/** What `config set` is given, and what that becomes in the file; null: refused. */
const given: readonly (readonly [string, string, string | null])[] = [
  ['machine', 'qemu-arm64', '"qemu-arm64"'],
  ['machine', '../x', null],
  ['image', 'dev-image', '"dev-image"'],
  ['image', 'Dev Image', null],
  ['default_distro_override', 'ubuntu', '"ubuntu"'],
  ['parallel_builds', '12', '12'],
  ['parallel_builds', '0', null],
  ['parallel_builds', '257', null],
  ['parallel_builds', '1.5', null],
  ['parallel_builds', '1e2', null],
  ['parallel_builds', ' 4', null],
  ['qemu_memory', '8G', '"8G"'],
  ['qemu_memory', '8', '"8"'],
  ['qemu_memory', '0M', null],
  ['qemu_memory', '8 GB', null],
  ['qemu_display', 'on', '"on"'],
  ['qemu_display', 'yes', null],
  ['qemu_ports', '9000:9000', '["9000:9000"]'],
  ['qemu_ports', '9000:9000, 8081:80', '["9000:9000", "8081:80"]'],
  ['qemu_ports', '9000', null],
  ['qemu_ports', '70000:80', null],
  ['flash_device', '/dev/sdb', '"/dev/sdb"'],
  ['flash_device', '/etc/passwd', null],
  ['flash_device', '/dev/../etc/passwd', null],
  ['deploy_host', 'pi@dev-pi.local', '"pi@dev-pi.local"'],
  ['deploy_host', 'localhost:2222', '"localhost:2222"'],
  ['deploy_host', '-oProxyCommand=sh', null],
  ['deploy_host', 'a b', null],
  ['query', 'type:image in:base', '"type:image in:base"'],
  ['query', 'a\nb', null],
  ['mirrors', 'https://a.example/=http://b.example/', '{"https://a.example/": "http://b.example/"}'],
  ['mirrors', 'https://a.example/?x=1=http://b.example/', '{"https://a.example/?x=1": "http://b.example/"}'],
  ['mirrors', 'git@a.example:team=file:///b', '{"git@a.example:team": "file:///b"}'],
  ['mirrors', 'a=b', null],
  ['cache', '../cache', '"../cache"'],
  ['cache_bandwidth', '5M', '"5M"'],
  ['cache_bandwidth', 'fast', null],
  ['worker', 'docker', '"docker"'],
  ['worker', 'podman', null],
  ['limits', 'memory=8G, time=8h,processes=1024', '{"memory": "8G", "time": "8h", "processes": 1024}'],
  ['limits', 'memory=8', null],
  ['limits', 'memory=8 GB', null],
  ['limits', 'memorie=8G', null],
  ['limits', 'memory', null],
]

describe('config set', () => {
  for (const [key, text, want] of given) {
    it(`${key} ${JSON.stringify(text)} is ${want ?? 'refused'}`, (t) => {
      assert.ok(isLocalKey(key))
      if (want === null) {
        assert.throws(() => literalOf(key, text), { code: 'USAGE' })
        return
      }
      assert.equal(printLiteral(literalOf(key, text)), want)
      const root = scratch(t)
      writeFileSync(join(root, 'local.star'), `${key} = ${want}\n`)
      assert.ok(key in readLocal(root).settings)
    })
  }

  it('is tried here for every key', () => {
    assert.deepEqual([...new Set(given.map(([key]) => key))].sort(), localKeyNames.toSorted())
  })
})

it('everything that is wrong with the file is told, at its line', (t) => {
  const root = scratch(t)
  const text = `machin = "x"
parallel_builds = "8"
qemu_display = True
image = "a-b"
image = "c-d"
toString = 1
qemu_ports = "9000:9000"
qemu_memory = 1024
`
  writeFileSync(join(root, 'local.star'), text)
  assert.deepEqual(errorsOf(root), [
    'local.star:1: UNKNOWN_FIELD local.star has no setting "machin" | did you mean "machine"?',
    'local.star:2: BAD_FIELD parallel_builds must be a whole number from 1 to 256',
    'local.star:3: BAD_FIELD qemu_display must be "on" or "off"',
    'local.star:5: DUPLICATE image is set twice | the first is at line 4; remove one',
    `local.star:6: UNKNOWN_FIELD local.star has no setting "toString" | it has: ${localKeyNames.join(', ')}`,
    'local.star:7: BAD_FIELD qemu_ports must be a list of "HOST:GUEST", such as ["9000:9000"]',
    'local.star:8: BAD_FIELD qemu_memory must be a size such as "2G" or "512M"',
  ])
})

it('a file that is none, or too large', (t) => {
  const root = scratch(t)
  mkdirSync(join(root, 'local.star'))
  assert.match(errorsOf(root).join(), /^PERMISSION .*local\.star can't be read \(EISDIR\)/)
  const large = scratch(t)
  writeFileSync(join(large, 'local.star'), '#'.repeat(2 ** 20 + 1))
  assert.match(errorsOf(large).join(), /^STAR_LIMIT/)
})

function errorsOf(root: string): readonly string[] {
  try {
    readLocal(root)
  } catch (failure) {
    return (userErrors(failure) ?? []).map(shown)
  }
  return []
}
