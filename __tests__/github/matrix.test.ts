import assert from 'node:assert/strict'
import { test } from 'node:test'
import { YoeError } from '#engine/errors.ts'
import { within } from '#github/changes.ts'
import type { PlannedCell } from '#github/engine-port.ts'
import { matches, planMatrix } from '#github/matrix.ts'

const cell = (
  machine: string,
  arch: PlannedCell['arch'],
  inputs?: readonly string[],
  distro = 'trixie',
): PlannedCell => ({
  cell: `${machine}/base/${distro}`,
  machine,
  image: 'base',
  distro,
  arch,
  ...(inputs === undefined ? {} : { inputs }),
})
const none = new Map<string, string>()

test('runners follow the architecture, and what the input says of machine, pattern or architecture', () => {
  const cells = [
    cell('pc', 'x86_64'),
    cell('pi4', 'arm64'),
    cell('pi5', 'arm64'),
    cell('visionfive', 'riscv64'),
    cell('qemu-arm', 'arm64'),
  ]
  const runners = (given: Readonly<Record<string, string>>) =>
    planMatrix({ cells, runners: new Map(Object.entries(given)), changed: undefined }).include.map(
      ({ runner }) => runner,
    )
  assert.deepEqual(runners({}), [
    'ubuntu-24.04',
    'ubuntu-24.04-arm',
    'ubuntu-24.04-arm',
    'ubuntu-24.04',
    'ubuntu-24.04-arm',
  ])
  assert.deepEqual(runners({ arm64: 'own-arm', pi5: 'fast', 'qemu-*/*': 'kvm' }), [
    'ubuntu-24.04',
    'own-arm',
    'fast',
    'ubuntu-24.04',
    'kvm',
  ])
})

test('cells that a change does not touch are dropped; what is not known is kept', () => {
  const cells = [
    cell('a', 'x86_64', ['units/app', 'PROJECT.star']),
    cell('b', 'x86_64', ['units/web']),
    cell('c', 'x86_64'),
    cell('d', 'x86_64', ['.']),
  ]
  const kept = (changed: readonly string[] | undefined) =>
    planMatrix({ cells, runners: none, changed })
      .include.map(({ machine }) => machine)
      .join('')
  assert.equal(kept(['units/app/main.c']), 'acd')
  assert.equal(kept(['units/application/x']), 'cd')
  assert.equal(kept(['units/web']), 'bcd')
  assert.equal(kept([]), 'c')
  assert.equal(kept(undefined), 'abcd')
})

test('names leave out the distro that all have', () => {
  const names = (cells: readonly PlannedCell[]) =>
    planMatrix({ cells, runners: none, changed: undefined }).include.map(({ name }) => name)
  assert.deepEqual(names([cell('a', 'x86_64')]), ['a/base'])
  assert.deepEqual(names([cell('a', 'x86_64'), cell('a', 'x86_64', undefined, 'alpine')]), [
    'a/base/trixie',
    'a/base/alpine',
  ])
})

test('more than GitHub allows is refused with the number', () => {
  const cells = Array.from({ length: 257 }, (_, i) => cell(`m${i}`, 'x86_64'))
  assert.throws(
    () => planMatrix({ cells, runners: none, changed: undefined }),
    (failure) => failure instanceof YoeError && /257/.test(failure.message),
  )
  assert.equal(planMatrix({ cells: cells.slice(1), runners: none, changed: undefined }).include.length, 256)
})

test('with fewer jobs than cells, cells of one runner share jobs, neighbours together', () => {
  const jobs = (cells: readonly PlannedCell[], maxJobs: number) =>
    planMatrix({ cells, runners: none, changed: undefined, maxJobs }).include.map(
      ({ runner, name, cell: list }) => `${runner.slice(12) || 'x64'} ${name} ${list.split(',').length}`,
    )
  const cells = [cell('a', 'x86_64'), cell('b', 'arm64'), cell('c', 'x86_64'), cell('d', 'x86_64'), cell('e', 'arm64')]
  assert.deepEqual(jobs(cells, 9), ['x64 a/base 1', '-arm b/base 1', 'x64 c/base 1', 'x64 d/base 1', '-arm e/base 1'])
  assert.deepEqual(jobs(cells, 3), ['x64 a/base 1', '-arm b/base and 1 more 2', 'x64 c/base and 1 more 2'])
  assert.deepEqual(jobs(cells, 2), ['x64 a/base and 2 more 3', '-arm b/base and 1 more 2'])
  assert.throws(() => jobs(cells, 1), /2 kinds of runners, and 1 jobs/)
  const many = Array.from({ length: 1000 }, (_, i) => cell(`m${i}`, i % 5 === 0 ? 'arm64' : 'x86_64'))
  const { include } = planMatrix({ cells: many, runners: none, changed: undefined, maxJobs: 256 })
  assert.equal(include.length, 256)
  assert.equal(new Set(include.flatMap((row) => row.cell.split(','))).size, 1000)
  assert.ok(Math.max(...include.map((row) => row.cell.split(',').length)) <= 5)
  const [first] = include
  assert.equal(first?.machine.split(',').length, first?.cell.split(',').length)
})

test('patterns', () => {
  for (const [pattern, name, want] of [
    ['*', 'a/b', true],
    ['a', 'a/b', true],
    ['a/c', 'a/b', false],
    ['qemu-*/b*', 'qemu-x/base', true],
    ['a.b', 'axb/c', false],
    ['a/b/trixie', 'a/b', false],
  ] as const)
    assert.equal(matches(pattern, name), want, `${pattern} ${name}`)
})

test('changed files are told relative to the project', () => {
  assert.deepEqual(within('.', ['a', 'b/c']), ['a', 'b/c'])
  assert.deepEqual(within('fw', ['fw/a', 'fwx/b', 'c']), ['a'])
})
