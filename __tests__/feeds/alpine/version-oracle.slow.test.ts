import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { firstMember } from '#feeds/alpine/gzip-members.ts'
import { compareVersions, isVersion } from '#feeds/alpine/version.ts'
import { inRoot } from '../../support/alpine/apk.ts'
import { indexes } from '../../support/alpine/material.ts'
import { alpine320, alpine323 } from '../../support/alpine/roots.ts'

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

/** A repeatable source of chance. */
let state = 20_261
const below = (limit: number): number => {
  state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
  return (state >> 8) % limit
}

/** Genuine and made, some as no version may be. */
function pairsOfVersions(): readonly (readonly [string, string])[] {
  const genuine = genuineVersions()
  const any = (list: readonly string[]): string => list[below(list.length)] ?? ''
  const made = (): string =>
    ['0', '1', '1.2', '3.0', '1.2.3', '0.1', '2'][below(7)] +
    Array.from({ length: below(5) }, () => any(pieces)).join('')
  return Array.from({ length: 4000 }, (): readonly [string, string] => {
    const first = below(3) === 0 ? any(genuine) : made()
    const second = below(4) === 0 ? first + any(pieces) : below(3) === 0 ? any(genuine) : made()
    return [first, second]
  }).filter((pair) => pair.every((version) => version.length < 40 && !/\d{16}/.test(version)))
}

/** What a client says: the order of each pair (`<`, `=`, `>`; '' when it refuses one), and which texts are versions. */
async function judged(system: string, pairs: readonly (readonly [string, string])[], versions: readonly string[]) {
  const script = [
    ...pairs.map(([a, b]) => `echo "$(apk version -t '${a}' '${b}' 2>/dev/null)"`),
    ...versions.map((version) => `apk version --check -q '${version}' >/dev/null 2>&1 && echo ok || echo no`),
  ].join('\n')
  const ran = await inRoot(system, ['/bin/sh', '-s'], { stdin: Buffer.from(script) })
  const lines = String(ran.stdout).replace(/\n$/, '').split('\n')
  assert.equal(lines.length, pairs.length + versions.length, String(ran.stderr).slice(0, 500))
  const valid = new Set(versions.filter((_, index) => lines[pairs.length + index] === 'ok'))
  return { orders: lines.slice(0, pairs.length), valid }
}

const pairs = pairsOfVersions()
const versions = [...new Set(pairs.flat())].slice(0, 3000)
const signOf = (a: string, b: string): string | undefined => ['<', '=', '>'][Math.sign(compareVersions(a, b)) + 1]

test('thousands of pairs, genuine and made, are ordered as apk-tools 2.14.4 orders them, and judged as it does', async () => {
  const { orders, valid } = await judged(await alpine320(), pairs, versions)
  const wrong = pairs.flatMap(([a, b], index) => (signOf(a, b) === orders[index] ? [] : [`${a} ${orders[index]} ${b}`]))
  assert.deepEqual(wrong, [])
  const misjudged = versions.filter((version) => isVersion(version) !== valid.has(version))
  assert.deepEqual(misjudged, [])
})

/** What 3.0.8 takes for a version. @see apk-package(5) of apk-tools 3 */
const third = /^\d+(?:\.\d+)*[a-z]?(?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)\d*)*(?:~[0-9a-f]+)?(?:-r\d+)?$/

/** Where the clients disagree: a part of nothing but zeros, beside one that begins with some. */
const zeros: readonly (readonly [a: string, b: string, second: string, third: string])[] = [
  ['2.0', '2.0001', '>', '<'],
  ['3.0', '3.000003-r3', '>', '<'],
  ['3.0b', '3.000101b', '>', '<'],
  ['3.0', '3.000', '>', '<'],
]
const isOfZeros = (pair: readonly [string, string]): boolean =>
  pair.every((version) => /\.0/.test(version)) && pair.some((version) => /\.0+(?!\d)/.test(version))

test('apk-tools 3.0.8 agrees on what both take for a version', async () => {
  const some = versions.slice(0, 1000)
  const common = pairs
    .filter((pair) => pair.every((version) => third.test(version) && isVersion(version)) && !isOfZeros(pair))
    .slice(0, 1500)
  const { orders, valid } = await judged(await alpine323(), common, some)
  assert.ok(common.length > 1000, String(common.length))
  assert.deepEqual(
    common.filter(([a, b], index) => signOf(a, b) !== orders[index]),
    [],
  )
  assert.deepEqual(
    [...valid],
    some.filter((version) => third.test(version)),
  )
  // It refuses what 2.14.4 takes: dots and words without what belongs behind them, revisions of revisions. It knows commits.
  const commits = some.filter((version) => valid.has(version) && !isVersion(version))
  assert.ok(commits.length > 0 && commits.every((version) => version.includes('~')), commits.join(' '))
})

test('where the two disagree about zeros, we go with 2.14.4', async () => {
  const only = zeros.map(([a, b]) => [a, b] as const)
  const clients = [await judged(await alpine320(), only, []), await judged(await alpine323(), only, [])]
  assert.deepEqual(
    clients.map(({ orders }) => orders),
    [zeros.map(([, , second]) => second), zeros.map(([, , , other]) => other)],
  )
  assert.deepEqual(
    only.map(([a, b]) => signOf(a, b)),
    clients[0]?.orders,
  )
})
