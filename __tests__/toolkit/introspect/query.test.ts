import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { YoeError } from '#engine/errors.ts'
import type { Declared } from '#toolkit/introspect/query.ts'
import { inModule, parseQuery } from '#toolkit/introspect/query.ts'

const project: Declared = {
  units: [{ builtVia: ['service_app', 'autotools'] }],
  modules: [{ name: 'module-core' }],
  feeds: [{ id: 'debian.main' }],
}

const none = { texts: [], types: [], modules: [], within: [], statuses: [] }
const good: Readonly<Record<string, object>> = {
  '': {},
  'Zlib ssl': { texts: ['zlib', 'ssl'] },
  'type:image': { types: ['image'] },
  'type:autotools x': { types: ['autotools'], texts: ['x'] },
  'module:core module:module-core': { modules: ['core', 'module-core'] },
  'module:project module:debian.main': { modules: ['project', 'debian.main'] },
  'in:base status:stale': { within: ['base'], statuses: ['stale'] },
}
const bad: Readonly<Record<string, readonly [string, string]>> = {
  'tpye:x': ['a query knows no field "tpye"', 'did you mean "type"?'],
  '__proto__:x': ['a query knows no field "__proto__"', 'it knows type, module, in, status'],
  ':x': ['a query knows no field ""', 'it knows type, module, in, status'],
  'type:': ['type: says nothing', 'type: unit, image, container, feed, or the class that declared it'],
  'type:imgae': ['type: knows no "imgae"', 'did you mean "image"?'],
  'type:constructor': [
    'type: knows no "constructor"',
    'type: takes unit, image, container, feed, or the class that declared it',
  ],
  'module:croe': ['module: knows no "croe"', 'did you mean "core"?'],
  'status:cachd': ['status: knows no "cachd"', 'did you mean "cached"?'],
  'status:weather': ['status: knows no "weather"', 'status: takes cached, stale, failed, building, never'],
}

describe('parseQuery', () => {
  for (const [text, want] of Object.entries(good)) {
    it(`reads ${JSON.stringify(text)}`, () => {
      assert.deepEqual(parseQuery([text], project), { ...none, ...want })
      assert.deepEqual(parseQuery(text.split(' '), project), { ...none, ...want })
    })
  }
  for (const [text, [message, hint]] of Object.entries(bad)) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => parseQuery([text], project),
        (failure) => {
          assert.ok(failure instanceof YoeError)
          assert.deepEqual([failure.code, failure.message, failure.hint], ['USAGE', message, hint])
          return true
        },
      )
    })
  }
  it('takes module names with and without their prefix', () => {
    assert.ok(inModule('module-core', 'core') && inModule('module-core', 'module-core') && inModule('', 'project'))
    assert.ok(!inModule('core', 'module-core') && !inModule('', 'core'))
  })
})
