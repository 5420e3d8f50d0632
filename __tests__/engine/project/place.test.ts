import assert from 'node:assert/strict'
import { test } from 'node:test'
import { filesFolder, follow, parseLabel, placeLabel } from '#engine/project/place.ts'

const from = { module: '', path: 'units/net/app.star' }
const inModule = { module: 'module-core', path: 'classes/c.star' }

const cases: readonly (readonly [reference: string, from: { module: string; path: string }, to: string | undefined])[] =
  [
    ['b.star', from, 'units/net/b.star'],
    ['./b.star', from, 'units/net/b.star'],
    ['../b.star', from, 'units/b.star'],
    ['../../b.star', from, 'b.star'],
    ['../../../b.star', from, undefined],
    ['x/../../../../b.star', from, undefined],
    ['//b.star', from, 'b.star'],
    ['//./a//b.star', from, 'a/b.star'],
    ['//a/../b.star', from, 'b.star'],
    ['//../b.star', from, undefined],
    ['///b.star', from, undefined],
    ['/b.star', from, undefined],
    ['..', { module: '', path: 'a.star' }, undefined],
    ['//', from, '.'],
    ['a\0b', from, undefined],
    ['a\\b', from, undefined],
    ['//b.star', inModule, '@module-core//b.star'],
    ['../units/b.star', inModule, '@module-core//units/b.star'],
    ['../../b.star', inModule, undefined],
    ['@other//b.star', from, '@other//b.star'],
    ['@other//../b.star', from, undefined],
    ['@other///etc/passwd', from, undefined],
    ['@other/b.star', from, undefined],
    ['@//b.star', from, undefined],
    ['@-x//b.star', from, undefined],
    ['@a/b//c', from, undefined],
  ]

for (const [reference, where, to] of cases) {
  test(`${JSON.stringify(reference)} from ${placeLabel(where)} ${to === undefined ? 'leads nowhere' : `is ${to}`}`, () => {
    const place = follow(reference, where)
    assert.equal(place && placeLabel(place), to)
  })
}

test('labels name one place, and back', () => {
  for (const place of [from, inModule, { module: 'm', path: 'a@b//c.star' }])
    assert.deepEqual(parseLabel(placeLabel(place)), place)
})

test('templates of a file lie in the folder of its name', () => assert.equal(filesFolder(from), 'units/net/app'))
