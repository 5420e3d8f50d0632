import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mergePorts } from '#bsp/qemu/ports.ts'
import { guestOptions } from '#cli/guest-options.ts'

const nothing = { port: [], memory: undefined, display: false }
const local = {
  qemu_memory: 2 ** 30,
  qemu_display: 'off',
  qemu_ports: [
    { host: 9000, guest: 9000 },
    { host: 12222, guest: 22 },
  ],
} as const

test('of a guest, the flag outranks local.star, and that the machine', () => {
  assert.deepEqual(guestOptions(nothing, {}), { ports: [] })
  assert.deepEqual(guestOptions(nothing, local), { ports: local.qemu_ports, memory: 2 ** 30, display: false })
  assert.deepEqual(guestOptions({ port: ['13333:22'], memory: '8G', display: true }, local), {
    ports: [...local.qemu_ports, { host: 13333, guest: 22 }],
    memory: 8 * 2 ** 30,
    display: true,
  })
  assert.deepEqual(guestOptions(nothing, { qemu_display: 'on' }), { ports: [], display: true })
})

test('ports: of the machine, then local.star, then the line; the same guest port takes the place', () => {
  const machine = [
    { host: 2222, guest: 22 },
    { host: 8080, guest: 80 },
  ]
  const { ports } = guestOptions({ ...nothing, port: ['13333:22', '7:7'] }, local)
  assert.deepEqual(
    mergePorts(machine, ports).map(({ host, guest }) => `${host}:${guest}`),
    ['13333:22', '8080:80', '9000:9000', '7:7'],
  )
})
