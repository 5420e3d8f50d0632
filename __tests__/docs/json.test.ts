import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, test } from 'node:test'
import { commands } from '#cli/commands.ts'
import { checkout } from '../support/project.ts'
import { faultsOf } from '../support/schema.ts'
import { vendorProject } from '../support/vendor-project.ts'
import { readPage, rowsOf, tooLong } from './tables.ts'

/** They print text for people or shells only. */
const silent = new Set(['completion', 'shell'])

describe('docs/json.md', () => {
  const page = readPage('json.md')
  const rows = rowsOf(page)
  for (const name of Object.keys(commands)) {
    if (silent.has(name)) continue
    it(`has yoe ${name} and its schema`, () => {
      assert.match(rows.get(`yoe ${name}`)?.[1] ?? '', new RegExp(`\\(schemas/${name}\\.json\\)`))
      assert.ok(existsSync(join(checkout, 'docs/schemas', `${name}.json`)))
    })
  }

  it('keeps to the width', () => {
    assert.deepEqual(tooLong(page), [])
  })
})

test('the schema check itself refuses what is missing, too much or of another kind', () => {
  const good = { removed: ['a'] }
  assert.deepEqual(faultsOf('clean', good), [])
  assert.deepEqual(faultsOf('clean', {}), ['.removed: is missing'])
  assert.deepEqual(faultsOf('clean', { ...good, more: 1 }), ['.more: is in no schema'])
  assert.deepEqual(faultsOf('clean', { removed: [1] }), ['.removed[0]: is integer, not string'])
  const place = { file: 'a', line: 1 }
  assert.deepEqual(faultsOf('errors', { errors: [{ code: 'X', message: '', at: place }] }), [
    '.errors[0].at.column: is missing',
  ])
  const tree = { name: 'a', kind: 'unit', relations: [], neededBy: [{}], repeated: false }
  assert.ok(faultsOf('refs', tree).length > 0)
})

/** Calls of each command whose answers need no building. */
const calls: readonly (readonly string[])[] = [
  ['plan'],
  ['build', '--dry-run', 'panel-image', 'gateway-image'],
  ['build', '--list-targets'],
  ['ci'],
  ['list'],
  ['list', 'in:gateway-image'],
  ['list', 'status:never'],
  ['list', '--machine', 'a200'],
  ['list', 'machines'],
  ['list', 'modules'],
  ['list', 'feeds'],
  ['desc', 'sensord'],
  ['desc', 'ssh-server'],
  ['desc', 'gateway-image'],
  ['desc', 'panel-image', '--machine', 'a200'],
  ['desc', 'toolchain-debian'],
  ['desc', 'libssl3t64'],
  ['desc', 'httpd'],
  ['desc', 'a200'],
  ['desc', 'sensord', '--config'],
  ['refs', 'zlib'],
  ['refs', 'libc6'],
  ['refs', 'zlib', '--direct'],
  ['refs', 'zlib', '--tree'],
  ['graph'],
  ['graph', '--stale'],
  ['why', 'libssl3t64'],
  ['why', 'libmodbus', 'gateway-image'],
  ['why-rebuild', 'sensord'],
  ['what-if', 'bump', 'zlib', '1.4'],
  ['what-if', 'add', 'gdb'],
  ['what-if', 'remove', 'netcfg'],
  ['what-if', 'add', 'broken'],
  ['dev', 'status'],
  ['module', 'list'],
  ['source', 'list'],
  ['source', 'verify'],
  ['source', 'clean', '--dry-run'],
  ['config', 'show'],
  ['config', 'resolve'],
  ['key', 'show'],
  ['key', 'export', 'feed'],
  ['doctor'],
]

test('commands print what their schemas say', { concurrency: 3 }, async (t) => {
  const project = await vendorProject(t)
  const made = await project.yoe(['key', 'generate', '--json'])
  assert.deepEqual(faultsOf('key', JSON.parse(made.stdout)), [])
  const asked = calls.map((call) =>
    t.test(`yoe ${call.join(' ')} --json`, async () => {
      const { code, stdout, stderr } = await project.yoe([...call, '--json'])
      assert.ok(code === 0 || call[0] === 'doctor', stderr)
      assert.deepEqual(faultsOf(call[0] ?? '', JSON.parse(stdout)), [])
    }),
  )
  await Promise.all(asked)
  const cleaned = await project.yoe(['clean', '--json'])
  assert.deepEqual(faultsOf('clean', JSON.parse(cleaned.stdout)), [])
  for (const call of [
    ['desc', 'nothing'],
    ['list', 'tpye:x'],
    ['why', 'zlib', 'zlib'],
    ['graph', '--format', 'png'],
  ]) {
    await t.test(`yoe ${call.join(' ')} --json fails as documented`, async () => {
      const { code, stdout } = await project.yoe([...call, '--json'])
      assert.equal(code, 2)
      assert.deepEqual(faultsOf('errors', JSON.parse(stdout)), [])
    })
  }
})
