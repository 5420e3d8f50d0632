import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { firstMember } from '#feeds/alpine/gzip-members.ts'
import { compareVersions, isVersion } from '#feeds/alpine/version.ts'
import { inRoot } from '../../support/alpine/apk.ts'
import { indexes } from '../../support/alpine/material.ts'
import { alpine320 } from '../../support/alpine/roots.ts'

/** All versions of a genuine index. */
function genuineVersions(): readonly string[] {
  const archive = readFileSync(indexes['v3.19-main-x86_64'])
  const signature = firstMember(archive, 1 << 20)
  assert.ok(typeof signature !== 'string')
  const index = firstMember(archive.subarray(signature.length), 64 << 20)
  assert.ok(typeof index !== 'string')
  return [...new Set([...index.content.toString('latin1').matchAll(/^V:(.*)$/gm)].map(([, version = '']) => version))]
}

const pieces =
  '0 1 2 9 01 001 00 20230101 99999999999 a b z . .0 .1 .01 .10 .. _alpha _beta1 _pre _rc2 _cvs _svn3 _git20230717 _hg _p1 _p _p10 -r0 -r1 -r10 _foo - -x A ~ + _'.split(
    ' ',
  )

test('thousands of pairs, genuine and made, are ordered as apk-tools 2.14.4 orders them, and judged as it does', async () => {
  const genuine = genuineVersions()
  let state = 20_261
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return (state >> 8) % limit
  }
  const any = (list: readonly string[]): string => list[below(list.length)] ?? ''
  const made = (): string =>
    ['0', '1', '1.2', '3.0', '1.2.3', '0.1', '2'][below(7)] +
    Array.from({ length: below(5) }, () => any(pieces)).join('')
  const pairs = Array.from({ length: 4000 }, (): readonly [string, string] => {
    const first = below(3) === 0 ? any(genuine) : made()
    const second = below(4) === 0 ? first + any(pieces) : below(3) === 0 ? any(genuine) : made()
    return [first, second]
  }).filter((pair) => pair.every((version) => version.length < 40 && !/\d{16}/.test(version)))
  const versions = [...new Set(pairs.flat())].slice(0, 3000)
  const script = [
    ...pairs.map(([a, b]) => `apk version -t '${a}' '${b}'`),
    ...versions.map((version) => `apk version --check -q '${version}' >/dev/null && echo ok || echo no`),
  ].join('\n')
  const ran = await inRoot(await alpine320(), ['/bin/sh', '-s'], { stdin: Buffer.from(script) })
  const lines = String(ran.stdout).trim().split('\n')
  assert.equal(lines.length, pairs.length + versions.length, String(ran.stderr).slice(0, 500))
  const signs = pairs.map(([a, b]) => ['<', '=', '>'][Math.sign(compareVersions(a, b)) + 1])
  const wrong = pairs.flatMap(([a, b], index) => (signs[index] === lines[index] ? [] : [`${a} ${lines[index]} ${b}`]))
  assert.deepEqual(wrong, [])
  const misjudged = versions.filter((version, index) => isVersion(version) !== (lines[pairs.length + index] === 'ok'))
  assert.deepEqual(misjudged, [])
})
