import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Evaluated } from '#engine/project/evaluate.ts'
import { decodeProject, encodeProject } from '#toolkit/kept-project.ts'
import { emptyProject, machineOf, packageUnit, toolchainUnit } from '../support/units.ts'

const at = { file: 'units/app.star', line: 3, column: 1 }
const task = (command: string) => ({ name: 'build', steps: [{ kind: 'run' as const, command }], network: false, at })
const evaluated: Evaluated = {
  machine: machineOf(),
  facts: { '/p/PROJECT.star': '33188:1:2:3:4', '/p/images': 'missing' },
  project: emptyProject({
    description: 'größer\u0000é😀',
    at,
    machines: [machineOf()],
    units: [
      packageUnit({ name: 'one', tasks: [task('make é😀')] }),
      toolchainUnit('tools', ['gcc'], []),
      packageUnit({ name: 'two', tasks: [] }),
      packageUnit({ name: 'three', tasks: [task('a'), task('b')] }),
    ],
  }),
}

test('a project that was kept is the project, whoever looks how', () => {
  const kept = decodeProject(encodeProject(evaluated))
  assert.deepEqual(kept?.facts, evaluated.facts)
  assert.deepEqual(kept?.open(), evaluated)
  assert.equal(JSON.stringify(kept?.open().project), JSON.stringify(evaluated.project))
  const [one] = kept?.open().project.units ?? []
  assert.deepEqual({ ...one }, { ...evaluated.project.units[0] })
})

test('nothing else is believed: every flipped bit, every cut, anything behind', () => {
  const whole = encodeProject(evaluated)
  for (let byte = 0; byte < whole.length; byte++) {
    const copy = Buffer.from(whole)
    copy[byte] = (copy[byte] ?? 0) ^ 1
    const found = decodeProject(copy)
    assert.ok(found === undefined, `bit at ${byte}`)
    assert.equal(decodeProject(whole.subarray(0, byte)), undefined, `cut at ${byte}`)
  }
  assert.equal(decodeProject(Buffer.concat([whole, Buffer.from(' ')])), undefined)
})
