import assert from 'node:assert/strict'
import { test } from 'node:test'
import { YoeError } from '#engine/errors.ts'
import { cellInputs } from '#github/cell-inputs.ts'
import {
  cellPatterns,
  cellsInput,
  choiceInput,
  flagInput,
  folderInput,
  listInput,
  mappingInput,
  numberInput,
} from '#github/inputs.ts'

const of = (value: string) => () => value
const refused = (failure: unknown): boolean =>
  failure instanceof YoeError &&
  failure.code === 'USAGE' &&
  !failure.message.includes('\n') &&
  failure.message.length < 400

/** faults.md H5: what may stand in an input. */
const payloads = [
  '',
  ' ',
  '$' + '{{ github.token }}',
  '$(id)',
  '`id`',
  'a;b',
  "a'b",
  'a"b',
  'a\nb',
  'a\r\nb',
  'a\0b',
  '-rf',
  '--help',
  '../x',
  '/etc/passwd',
  'a/../b',
  'a//b',
  'a/b/c/d',
  '\u202ea/b',
  'ä/ö',
  'a b/c',
  'a,b',
  '<b>',
  '%0A::error::',
  '::error::x',
  '##[error]',
  'x'.repeat(100_000),
  '__proto__',
  'true;',
  'TRUE',
  '1e3',
  '0x10',
  '-1',
  'NaN',
  '99999999999999999999',
]

test('whatever is in an input, it is either what it must be or one clear refusal', () => {
  for (const payload of payloads) {
    for (const read of [
      () => cellsInput(of(payload)),
      () => flagInput(of(payload), 'boot-test'),
      () => choiceInput(of(payload), 'only', ['auto', 'all']),
      () => numberInput(of(payload), 'jobs', { min: 1, max: 1024 }),
      () => cellPatterns(of(payload), 'cells'),
      () => folderInput(of(payload), 'project'),
      () => mappingInput(of(payload), 'runners'),
    ]) {
      try {
        read()
      } catch (failure) {
        assert.ok(refused(failure), `${JSON.stringify(payload.slice(0, 40))}: ${failure}`)
      }
    }
    assert.throws(() => cellsInput(of(payload)), refused, JSON.stringify(payload.slice(0, 40)))
  }
})

test('cells', () => {
  for (const cell of ['qemu-x86_64/base-image', 'a/b/trixie', 'rpi4/x.y+z'])
    assert.deepEqual(cellsInput(of(` ${cell} `)), [cell])
  assert.deepEqual(cellPatterns(of('qemu-*/*, rpi4\n*/base/trixie'), 'cells'), ['qemu-*/*', 'rpi4', '*/base/trixie'])
})

for (const [value, want] of [
  ['.', '.'],
  ['', '.'],
  ['firmware/', 'firmware'],
  ['./a/./b', 'a/b'],
  ['a/../b', 'b'],
] as const)
  test(`folder ${JSON.stringify(value)} is ${want}`, () => assert.equal(folderInput(of(value), 'project'), want))
for (const value of ['..', '../x', '/x', 'a/../../x', 'a\nb'])
  test(`folder ${JSON.stringify(value)} is refused`, () =>
    assert.throws(() => folderInput(of(value), 'project'), refused))

test('lists, numbers and mappings', () => {
  assert.deepEqual(listInput(of(' image,\nfeed , '), 'upload'), ['image', 'feed'])
  assert.equal(numberInput(of(''), 'jobs', { min: 1, max: 9 }), undefined)
  assert.equal(numberInput(of(' 9 '), 'jobs', { min: 1, max: 9 }), 9)
  assert.throws(() => numberInput(of('10'), 'jobs', { min: 1, max: 9 }), refused)
  assert.deepEqual(
    [...mappingInput(of('arm64: my-arm\nqemu-*/*: "big one"'), 'runners')],
    [
      ['arm64', 'my-arm'],
      ['qemu-*/*', 'big one'],
    ],
  )
})

test('an action without an input gets its default', () => {
  assert.deepEqual(
    cellInputs((name) => (name === 'cell' ? 'a/b' : '')),
    {
      cells: ['a/b'],
      project: '.',
      token: '',
      jobs: undefined,
      cacheKey: '',
      cacheBudget: undefined,
      timeLimit: 330,
      bootTest: true,
      bootTimeout: undefined,
      upload: ['none'],
      retentionDays: undefined,
      comment: 'auto',
    },
  )
  assert.throws(() => cellInputs((name) => ({ cell: 'a/b', upload: 'image, images' })[name] ?? ''), refused)
})
