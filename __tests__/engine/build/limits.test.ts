import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLimitName, type LimitName, limitTexts, readLimit } from '#engine/build/limits.ts'
import type { Limits } from '#engine/build/worker.ts'
import { defaultLimits } from '#engine/build/worker.ts'
import type { PackageUnit } from '#engine/project/model.ts'
import { evaluate } from '../project/evaluating.ts'
import { runApp } from './building.ts'

const read: readonly (readonly [LimitName, unknown, Partial<Limits> | RegExp])[] = [
  ['time', '8h', { wallSeconds: 8 * 3600 }],
  ['time', '90m', { wallSeconds: 5400 }],
  ['time', 45, { wallSeconds: 45 }],
  ['time', '24d', { wallSeconds: 24 * 86_400 }],
  ['time', '25d', /^a time such as "90m" or "8h", from 1s to 24d$/],
  ['time', '1.5h', /^a time/],
  ['time', '8', /^a time/],
  ['time', 0, /^a time/],
  ['silence', '2h', { silenceSeconds: 7200 }],
  ['memory', '32G', { memoryBytes: 32 * 2 ** 30 }],
  ['memory', '1M', /^a size such as "512M" or "32G", from 64M to 1024T$/],
  ['memory', '32 GB', /^a size/],
  ['file', '64G', { fileBytes: 64 * 2 ** 30 }],
  ['processes', 4096, { processes: 4096 }],
  ['processes', 4, /^a whole number, from 16 to 4194304$/],
  ['processes', true, /^a whole number/],
  ['tmp_files', 5_000_000, { scratchEntries: 5_000_000 }],
  ['output', '64G', { outputBytes: 64 * 2 ** 30 }],
  ['log', '1G', { logBytes: 2 ** 30 }],
]
for (const [name, value, want] of read)
  test(`limits: ${name} = ${JSON.stringify(value)}`, () => {
    const found = readLimit(name, value)
    if (want instanceof RegExp) assert.match(String(found), want)
    else assert.deepEqual(found, want)
  })

test('every limit has a name, and what is written is read as the same', () => {
  const texts = limitTexts(defaultLimits)
  const again = Object.entries(texts).map(([name, value]) => (isLimitName(name) ? readLimit(name, value) : {}))
  assert.deepEqual(Object.assign({}, ...again), defaultLimits)
})

const declared: readonly (readonly [string, Partial<Limits> | string])[] = [
  ['{"time": "8h", "memory": "32G"}', { wallSeconds: 8 * 3600, memoryBytes: 32 * 2 ** 30 }],
  ['{"processes": 2048}', { processes: 2048 }],
  ['{"memroy": "8G"}', 'BAD_FIELD unit(): limits has "memroy", which is no limit; did you mean "memory"?'],
  [
    '{"memory": "8 GB"}',
    'BAD_FIELD unit(): limits["memory"] must be a size such as "512M" or "32G", from 64M to 1024T',
  ],
]
for (const [text, want] of declared)
  test(`limits = ${text} of a unit`, async () => {
    const { evaluated, errors } = await evaluate({
      'PROJECT.star': 'project(name = "demo")\n',
      'units/u.star': `unit(name = "uu", version = "1", limits = ${text})\n`,
    })
    const unit = evaluated?.project.units.find((each): each is PackageUnit => each.kind === 'package')
    if (typeof want === 'string')
      assert.deepEqual(
        errors.map(({ code, message }) => `${code} ${message}`),
        [want],
      )
    else assert.deepEqual(unit?.limits, want)
  })

const app = (more: string) => ({ 'units/app.star': `unit(name = "app", version = "1", build = ["make"]${more})\n` })
const failed = 'units/app.star:1: TASK_FAILED unit "app": task "build" was ended: too much | '

const crossings: Readonly<
  Record<
    string,
    { readonly fields: string; readonly local?: Partial<Limits>; readonly held: Partial<Limits>; readonly hint: string }
  >
> = {
  'as usual': {
    fields: '',
    held: defaultLimits,
    hint: 'to allow more, write limits = {"memory": "32G"} in its unit(…)',
  },
  'of the unit, beside others of its': {
    fields: ', limits = {"memory": "32G", "time": "8h"}',
    held: { ...defaultLimits, memoryBytes: 32 * 2 ** 30, wallSeconds: 8 * 3600 },
    hint: 'to allow more, write limits = {"time": "8h", "memory": "64G"} in its unit(…)',
  },
  'of this machine, over what the unit says': {
    fields: ', limits = {"memory": "32G", "processes": 1024}',
    local: { memoryBytes: 4 * 2 ** 30, wallSeconds: 3600 },
    held: { ...defaultLimits, memoryBytes: 4 * 2 ** 30, wallSeconds: 3600, processes: 1024 },
    hint: 'local.star allows no more: yoe config set limits time=1h,memory=8G',
  },
}
for (const [name, { fields, local, held, hint }] of Object.entries(crossings))
  test(`tasks are held to limits, and the error says what to write: ${name}`, async (t) => {
    const ran = await runApp(t, app(fields), {
      says: () => ({ ended: 'too much', limit: 'memory' }),
      ...(local === undefined ? {} : { limits: local }),
    })
    assert.deepEqual(ran.runs[0]?.limits, held)
    assert.equal(ran.error, failed + hint)
  })

test('what ends a command for another reason has no such hint', async (t) => {
  const ran = await runApp(t, app(''), { says: () => ({ ended: 'the way to the network ended' }) })
  assert.match(ran.error, /yoe log app shows all of it/)
})
