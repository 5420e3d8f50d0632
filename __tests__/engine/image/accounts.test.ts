import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addUsers, type WithShell } from '../../../src/engine/image/accounts.ts'

const before = {
  passwd: 'root:x:0:0:root:/root:/bin/bash\nold:x:1000:1000::/home/old:/bin/sh\n',
  shadow: 'root:*:1:0:99999:7:::\nold:!:1:0:99999:7:::\n',
  group: 'root:x:0:\ndialout:x:20:old\nold:x:1000:\nusers:x:1001:\n',
  gshadow: 'root:*::\ndialout:*::old\nold:!::\n',
}
const user = (more: Partial<WithShell>): WithShell => ({
  name: 'dev',
  groups: [],
  shell: '/bin/bash',
  home: '/home/dev',
  password: '!',
  authorizedKeys: [],
  ...more,
})
const at = { file: 'images/base.star', line: 3, column: 1 }
const add = (...users: readonly WithShell[]) => addUsers(before, { users, name: 'base', at }, 19_000)

test('a new user gets the first free uid, a group of its own and supplementary groups', () => {
  const { files, accounts } = add(user({ groups: ['dialout'] }))
  // gid 1001 is taken by another group, so the numbers differ.
  assert.deepEqual(accounts, [{ name: 'dev', uid: 1001, gid: 1002, home: '/home/dev', fresh: true }])
  assert.match(files.passwd, /^dev:x:1001:1002::\/home\/dev:\/bin\/bash$/m)
  assert.match(files.shadow, /^dev:!:19000:0:99999:7:::$/m)
  assert.match(files.group, /^dialout:x:20:old,dev$/m)
  assert.match(files.group, /^dev:x:1002:$/m)
  assert.match(files.gshadow, /^dialout:\*::old,dev$/m)
})

test('root is changed, not added: password and shell; everybody else stays as they are', () => {
  const { files, accounts } = add(user({ name: 'root', home: '/root', password: '', shell: '/bin/sh' }))
  assert.equal(accounts[0]?.fresh, false)
  assert.equal(files.passwd, before.passwd.replace('/root:/bin/bash', '/root:/bin/sh'))
  assert.equal(files.shadow, before.shadow.replace('root:*:1:', 'root::19000:'))
  assert.equal(files.group, before.group)
})

const refused = [
  {
    name: 'a group that is not there',
    user: user({ groups: ['dialuot'] }),
    says: /no group "dialuot"/,
    hint: /"dialout"/,
  },
  { name: 'a uid that is taken', user: user({ uid: 1000 }), says: /uid 1000 belongs to old/, hint: /leave uid out/ },
  {
    name: 'another uid for a user of a package',
    user: user({ name: 'old', uid: 7 }),
    says: /made it with uid 1000/,
    hint: /^$/,
  },
] as const
for (const row of refused) {
  test(`refused at the image's line: ${row.name}`, () => {
    assert.throws(
      () => add(row.user),
      (failure: Error & { code?: string; hint?: string; at?: unknown }) => {
        assert.equal(failure.code, 'BAD_FIELD')
        assert.match(failure.message, row.says)
        assert.match(failure.hint ?? '', row.hint)
        assert.deepEqual(failure.at, at)
        return true
      },
    )
  })
}
