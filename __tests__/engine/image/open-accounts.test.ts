import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silent } from '../../../src/engine/events.ts'
import { configure } from '../../../src/engine/image/configuration.ts'
import type { RootIndex } from '../../../src/engine/image/rootfs-edit.ts'
import type { ImageUnit } from '../../../src/engine/project/model.ts'
import { imageUnit } from '../../support/units.ts'

const at = { file: 'images/thing.star', line: 3, column: 1 }
const user = (name: string, password: string): ImageUnit['users'][number] => ({
  ...{ name, groups: [], home: '/root', password, authorizedKeys: [] },
})

/** As the packages of a distro leave it. */
const alpine = 'root:::0:::::\nbin:!::0:::::\nnobody:!::0:::::\n'
const debian = 'root:*:19675:0:99999:7:::\ndaemon:*:19675:0:99999:7:::\n'

const rows: readonly (readonly [
  what: string,
  before: string,
  more: { readonly users?: ImageUnit['users']; readonly overlaid?: readonly string[] },
  root: string | undefined,
])[] = [
  ['nobody gets in as a root that has no password', alpine, {}, 'root:*::0:::::'],
  ['a root that is closed stays as it is', debian, {}, undefined],
  ['unless the image says so', alpine, { users: [user('root', '')] }, 'root::19675:0:::::'],
  ['nor with a password of the image', alpine, { users: [user('root', '$6$a$b')] }, 'root:$6$a$b:19675:0:::::'],
  ['nor as root where the image says something of another', alpine, { users: [user('nobody', '')] }, 'root:*::0:::::'],
  ['what an overlay brings was brought on purpose', alpine, { overlaid: ['etc/shadow'] }, undefined],
]
for (const [what, shadow, { users = [], overlaid = [] }, wanted] of rows)
  test(what, () => {
    const texts: Readonly<Record<string, string>> = {
      'etc/shadow': shadow,
      'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/root:/bin/sh\n',
      'etc/group': 'root:x:0:\nnobody:x:65534:\n',
      'bin/sh': '',
    }
    const root: RootIndex = {
      entries: new Map(Object.keys(texts).map((path) => [path, { type: 'file', link: '' }])),
      contents: new Map(Object.entries(texts).map(([path, text]) => [path, Buffer.from(text)])),
    }
    const image = imageUnit({ name: 'thing', at, users })
    const additions = configure(
      {
        ...{ image, hostname: 'thing', partitions: [], accounts: [], extraFiles: [], report: silent },
        ...{ overlaid: new Set(overlaid), sourceDateEpoch: 1_700_000_000 },
      },
      root,
    )
    const made = additions.find(({ path }) => path === 'etc/shadow')
    const text = Buffer.isBuffer(made?.content) ? made.content.toString('latin1') : undefined
    assert.equal(text?.split('\n')[0], wanted)
  })
