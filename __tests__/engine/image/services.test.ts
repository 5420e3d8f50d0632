import assert from 'node:assert/strict'
import { test } from 'node:test'
import { enableServices } from '../../../src/engine/image/services.ts'

const at = { file: 'images/base.star', line: 3, column: 1 }
const lib = 'usr/lib/systemd/system'

/** `name: text of [Install]` lines; services to enable; the links that come of it. */
function links(units: Readonly<Record<string, string>>, services: readonly string[]): string {
  const files = new Map(
    Object.entries(units).map(([name, install]) => [
      name,
      { path: `${lib}/${name}`, text: `[Unit]\nWantedBy=no\n[Install]\n${install}` },
    ]),
  )
  const made = enableServices(files, { services, name: 'base', at })
  return made
    .map(({ path, target }) => `${path.replace('etc/systemd/system/', '')} ${target.replace(`/${lib}/`, '')}`)
    .join(', ')
}

const rows = [
  {
    name: 'WantedBy',
    units: { 'app.service': 'WantedBy=multi-user.target' },
    want: 'multi-user.target.wants/app.service app.service',
  },
  {
    name: 'several, continued',
    units: { 'app.service': 'WantedBy=a.target \\\n b.target' },
    want: 'a.target.wants/app.service app.service, b.target.wants/app.service app.service',
  },
  {
    name: 'an empty value starts over',
    units: { 'app.service': 'WantedBy=a.target\nWantedBy=\nRequiredBy=b.target' },
    want: 'b.target.requires/app.service app.service',
  },
  {
    name: 'Alias and Also',
    units: { 'app.service': 'Alias=x.service\nAlso=app.socket', 'app.socket': 'WantedBy=sockets.target' },
    want: 'x.service app.service, sockets.target.wants/app.socket app.socket',
  },
  {
    name: 'Also names itself',
    units: { 'app.service': 'Also=app.service\nWantedBy=a.target' },
    want: 'a.target.wants/app.service app.service',
  },
  { name: 'nothing to install', units: { 'app.service': '' }, want: '' },
] as const
for (const { name, units, want } of rows) {
  test(`enable: ${name}`, () => assert.equal(links(units, ['app']), want))
}

test('enable: an instance of a template', () => {
  const units = { 'getty@.service': 'WantedBy=getty.target\nDefaultInstance=tty1' }
  assert.equal(links(units, ['getty@ttyS0.service']), 'getty.target.wants/getty@ttyS0.service getty@.service')
  assert.equal(links(units, ['getty@.service']), 'getty.target.wants/getty@tty1.service getty@.service')
})

test('enable: a service that nothing brings is refused, and the nearest is named', () => {
  assert.throws(() => links({ 'nginx.service': '' }, ['ngnix']), { code: 'BAD_FIELD', hint: 'did you mean "nginx"?' })
})
