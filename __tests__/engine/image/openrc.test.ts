import assert from 'node:assert/strict'
import { test } from 'node:test'
import { YoeError } from '../../../src/engine/errors.ts'
import { hasOpenrc, openrcBoot } from '../../../src/engine/image/openrc.ts'
import type { RootIndex } from '../../../src/engine/image/rootfs-edit.ts'
import type { ImageUnit } from '../../../src/engine/project/model.ts'
import { imageUnit } from '../../support/units.ts'

const at = { file: 'images/base.star', line: 3, column: 1 }

const image = (services: readonly string[]): ImageUnit => imageUnit({ name: 'base', at, services })

const index = (paths: readonly string[]): RootIndex => ({
  entries: new Map(paths.map((path) => [path, { type: 'file', link: '' }])),
  contents: new Map(),
})

const script = (name: string): string => `etc/init.d/${name}`
const rows = [
  { name: 'nothing asked for', paths: [script('app')], services: [], want: '' },
  { name: 'a service', paths: [script('app')], services: ['app'], want: 'etc/runlevels/default/app' },
  { name: 'the same twice', paths: [script('app')], services: ['app', 'app'], want: 'etc/runlevels/default/app' },
  {
    name: 'what a package put into a runlevel stays there',
    paths: [script('app'), 'etc/runlevels/boot/app'],
    services: ['app'],
    want: '',
  },
  {
    name: 'wired network where nothing else is told',
    paths: [script('networking')],
    services: [],
    want: 'etc/network/interfaces etc/runlevels/boot/networking',
  },
  {
    name: 'interfaces that the image brings',
    paths: [script('networking'), 'etc/network/interfaces'],
    services: [],
    want: '',
  },
  {
    name: 'another program that looks after the network',
    paths: [script('networking'), script('dhcpcd'), 'etc/runlevels/default/dhcpcd'],
    services: [],
    want: '',
  },
  {
    name: 'another program that looks after the network, asked for by the image',
    paths: [script('networking'), script('dhcpcd')],
    services: ['dhcpcd'],
    want: 'etc/runlevels/default/dhcpcd',
  },
] as const
for (const { name, paths, services, want } of rows) {
  test(`OpenRC: ${name}`, () => {
    const made = openrcBoot(image(services), index(paths), 'image "base"')
    assert.equal(made.map(({ path }) => path).join(' '), want)
    for (const { path, link } of made)
      if (path.startsWith('etc/runlevels/')) assert.equal(link, `/etc/init.d/${path.split('/').at(-1)}`)
  })
}

test('OpenRC: a service that nothing brings is refused, and the nearest is named', () => {
  const wrong = (): unknown => openrcBoot(image(['snesord']), index([script('sensord')]), '')
  assert.throws(wrong, (failure) => {
    assert.ok(failure instanceof YoeError)
    assert.equal(failure.code, 'BAD_FIELD')
    assert.equal(failure.at, at)
    assert.match(failure.hint ?? '', /sensord/)
    return true
  })
})

test('what is started by OpenRC has it', () => {
  assert.ok(hasOpenrc(index(['sbin/openrc'])))
  assert.ok(!hasOpenrc(index(['usr/lib/systemd/systemd'])))
})
