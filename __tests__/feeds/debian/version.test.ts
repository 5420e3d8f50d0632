import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { compareVersions, isVersion } from '../../../src/feeds/debian/version.ts'

const ordered: readonly (readonly [string, '<' | '=' | '>', string])[] = [
  ['1.0', '=', '0:1.0'],
  ['1.0', '=', '1.0-0'],
  ['1.0~', '<', '1.0'],
  ['1.0~~', '<', '1.0~'],
  ['1.0~~a', '<', '1.0~'],
  ['1.0~', '<', '1.0a'],
  ['1.0a', '<', '1.0+'],
  ['1.0', '<', '1.0a'],
  ['1.0-1', '<', '1.0-1.1'],
  ['1.0-1', '<', '1.0-1+b1'],
  ['1.0-1~bpo1', '<', '1.0-1'],
  ['2:1.0', '>', '1:9.0'],
  ['1.10', '>', '1.9'],
  ['1.00', '=', '1.0'],
  ['1.0.0', '>', '1.0'],
  ['1.2-3-4', '>', '1.2-3'],
  ['0', '<', '1'],
  ['1.0-a', '<', '1.0-b'],
  ['1Z', '<', '1a'],
  ['99999999999999999999', '<', '100000000000000000000'],
  ['1:2:3', '>', '1:2'],
]

const sign = (number: number): string => (number < 0 ? '<' : number > 0 ? '>' : '=')

/** dpkg's own opinion on each pair, in one process. */
function dpkgOrder(pairs: readonly (readonly [string, string])[]): readonly string[] {
  const script =
    'while read -r a b; do if dpkg --compare-versions "$a" lt "$b"; then echo "<"; elif dpkg --compare-versions "$a" eq "$b"; then echo "="; else echo ">"; fi; done'
  const input = pairs.map((pair) => `${pair.join(' ')}\n`).join('')
  const { stdout, status } = spawnSync('sh', ['-c', script], { input, encoding: 'utf8' })
  assert.equal(status, 0)
  return stdout.trim().split('\n')
}

test('versions are ordered as in deb-version(7)', () => {
  for (const [a, order, b] of ordered) {
    assert.equal(sign(compareVersions(a, b)), order, `${a} ${order} ${b}`)
    assert.equal(sign(compareVersions(b, a)), { '<': '>', '>': '<', '=': '=' }[order], `${b} reversed ${a}`)
  }
})

test('dpkg orders the table and random pairs alike', () => {
  // A fixed generator: a failure comes again.
  let seed = 20_260_101
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    return (seed >>> 8) % below
  }
  const characters = '0019~~+.abAZ-'
  const version = (): string => {
    let text = random(4) === 0 ? `${random(3)}:` : ''
    text += random(10)
    for (let i = random(7); i > 0; i--) text += characters[random(characters.length)]
    return text.replace(/-+$/, '')
  }
  const pairs: (readonly [string, string])[] = ordered.map(([a, , b]) => [a, b])
  while (pairs.length < 250) {
    const a = version()
    // Often nearly the same: that is where orders differ.
    const pair = [a, random(2) === 0 ? version() : `${a}${characters[random(characters.length - 1)]}`] as const
    if (pair.every(isVersion)) pairs.push(pair)
  }
  const theirs = dpkgOrder(pairs)
  for (const [index, [a, b]] of pairs.entries()) {
    assert.equal(sign(compareVersions(a, b)), theirs[index], `${a} against ${b}`)
  }
})

test('what is a version is decided by its grammar', () => {
  const good = ['1', '1.0-1', '2:1.0~rc1+dfsg-3+b1', '1.2-3-4', '1:2:3-1', '20240101T120000']
  const bad = [
    '',
    'a1',
    '1 0',
    '1/0',
    '1\n',
    '-1',
    '1-',
    ':1',
    'x:1',
    '1:',
    '1_0',
    '1-1:2',
    '$(id)',
    '1é',
    '1-1_1',
    '~1',
  ]
  for (const text of good) {
    assert.equal(isVersion(text), true, text)
    assert.equal(spawnSync('dpkg', ['--validate-version', text]).status, 0, `dpkg on ${text}`)
  }
  for (const text of bad) assert.equal(isVersion(text), false, JSON.stringify(text))
})

test('comparing takes time in proportion to length', () => {
  const long = '9'.repeat(1_000_000)
  const start = performance.now()
  assert.ok(compareVersions(`1.${long}`, `1.${long}1`) < 0)
  assert.ok(compareVersions('1.'.repeat(500_000), `${'1.'.repeat(500_000)}1`) < 0)
  assert.ok(performance.now() - start < 2000)
})
