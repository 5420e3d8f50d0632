import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  checkAccountIds,
  type DeclaredAccount,
  declaredAccounts,
  refuseAccountClashes,
} from '../../../src/engine/image/declared-accounts.ts'
import { errorsOf } from '../../support/making.ts'

const from = (unit: string) => ({ unit, at: { file: `units/${unit}.star`, line: 2, column: 1 } })
const of = (units: Readonly<Record<string, string>>): readonly DeclaredAccount[] =>
  Object.entries(units).flatMap(([unit, text]) => declaredAccounts(text, from(unit)))

test('what sysusers.d says with ids', () => {
  const text =
    '# u no 1\nu app 70 "An app" /var\nu! db 71:5\nu free -\nu ruled 72:users\ng plug 77\nm app plug\nu odd /etc/x\n'
  const found = declaredAccounts(text, from('app')).map(
    ({ kind, name, id, implied }) => `${kind} ${name} ${id}${implied ? ' with it' : ''}`,
  )
  assert.deepEqual(found, [
    'user app 70',
    'group app 70 with it',
    'user db 71',
    'group db 5 with it',
    'user ruled 72',
    'group plug 77',
  ])
})

const clashes: Readonly<Record<string, { readonly units: Readonly<Record<string, string>>; readonly says?: string }>> =
  {
    'ids of their own': { units: { one: 'u one 70', two: 'u two 71\ng three 72' } },
    'the same account by two units': { units: { one: 'u app 70', two: 'u app 70' } },
    'one leaves its id to the other': { units: { one: 'u app 70', two: 'u app -' } },
    'a user and a group of one number': { units: { one: 'u app 70:5\ng app 5', two: 'g other 70' } },
    'one id': {
      units: { one: 'u one 70', two: 'u two 70' },
      says: 'users one (of one) and two (of two) both have id 70',
    },
    'one group id': {
      units: { one: 'g one 70', two: 'g two 70' },
      says: 'groups one (of one) and two (of two) both have id 70',
    },
    "a group has the number of another's user": {
      units: { one: 'g plug 70', two: 'u two 70' },
      says: 'groups plug (of one) and two (of two) both have id 70',
    },
    'one name': { units: { one: 'u app 70', two: 'u app 71' }, says: 'user app has id 70 by one and 71 by two' },
  }
for (const [what, { units, says }] of Object.entries(clashes))
  test(`units whose accounts have ${what}: ${says === undefined ? 'content' : 'refused'}`, async () => {
    const errors = await errorsOf((async () => refuseAccountClashes(of(units)))())
    assert.deepEqual(
      errors.map(({ message }) => message),
      says === undefined ? [] : [says],
    )
    if (says !== undefined) assert.equal(errors[0]?.at?.file, 'units/one.star')
  })

const files = {
  passwd: 'root:x:0:0::/root:/bin/sh\npostgres:x:70:70::/:/bin/sh\napp:x:998:998::/:/bin/false\n',
  group: 'root:x:0:\npostgres:x:70:\napp:x:998:\nplug:x:5:app\n',
}
const ends: Readonly<Record<string, readonly [text: string, says?: string]>> = {
  'as it asked': ['u app 998\ng plug 5'],
  'made by nobody': ['u other 12'],
  'left to the system': ['u app -'],
  "somebody else's": ['u app 70', "user app shall have id 70, and has 998 in the image: that is postgres's"],
  'of a group that was there': [
    'g plug 6',
    'group plug shall have id 6, and has 5 in the image: another package made it first',
  ],
}
for (const [what, [text, says]] of Object.entries(ends))
  test(`an account whose id in the image is ${what}`, async () => {
    const errors = await errorsOf((async () => checkAccountIds(of({ app: text }), files))())
    assert.deepEqual(
      errors.map(({ message }) => message),
      says === undefined ? [] : [says],
    )
    for (const { hint } of errors) assert.ok((hint ?? '').length > 0)
  })
