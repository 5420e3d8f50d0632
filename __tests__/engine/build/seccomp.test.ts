import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seccompFilter } from '#engine/build/seccomp.ts'

interface Call {
  readonly audit: number
  readonly nr: number
  readonly args?: readonly bigint[]
}

/** Runs a filter as the kernel does; the action it returns. */
function evaluate(program: Uint8Array, { audit, nr, args = [] }: Call): number {
  const data = new DataView(new ArrayBuffer(64))
  data.setUint32(0, nr, true)
  data.setUint32(4, audit, true)
  for (const [index, arg] of args.entries()) data.setBigUint64(16 + 8 * index, arg, true)
  const code = new DataView(program.buffer)
  let accumulator = 0
  for (let pc = 0; ; ) {
    const at = pc++ * 8
    const [ifTrue, ifFalse, k] = [code.getUint8(at + 2), code.getUint8(at + 3), code.getUint32(at + 4, true)]
    const jump = (taken: boolean): void => {
      pc += taken ? ifTrue : ifFalse
    }
    switch (code.getUint16(at, true)) {
      case 0x20:
        accumulator = data.getUint32(k, true)
        break
      case 0x15:
        jump(accumulator === k)
        break
      case 0x35:
        jump(accumulator >= k)
        break
      case 0x45:
        jump((accumulator & k) !== 0)
        break
      case 0x06:
        return k
      default:
        assert.fail(`no such instruction at ${pc}`)
    }
  }
}

const ALLOW = 0x7fff0000
const errno = (number: number): number => 0x50000 | number
const x64 = 0xc000003e
const arm64 = 0xc00000b7

const calls: { name: string; arch: 'x64' | 'arm64'; call: Call; user: number; install: number }[] = [
  { name: 'read', arch: 'x64', call: { audit: x64, nr: 0 }, user: ALLOW, install: ALLOW },
  { name: 'read', arch: 'arm64', call: { audit: arm64, nr: 63 }, user: ALLOW, install: ALLOW },
  { name: 'i386 entry', arch: 'x64', call: { audit: 0x40000003, nr: 20 }, user: errno(38), install: errno(38) },
  { name: 'x32 entry', arch: 'x64', call: { audit: x64, nr: 0x40000000 }, user: errno(38), install: errno(38) },
  { name: 'arm entry', arch: 'arm64', call: { audit: 0x40000028, nr: 20 }, user: errno(38), install: errno(38) },
  { name: 'mount', arch: 'x64', call: { audit: x64, nr: 165 }, user: errno(1), install: ALLOW },
  { name: 'mount', arch: 'arm64', call: { audit: arm64, nr: 40 }, user: errno(1), install: ALLOW },
  { name: 'ptrace', arch: 'x64', call: { audit: x64, nr: 101 }, user: errno(1), install: errno(1) },
  { name: 'bpf', arch: 'arm64', call: { audit: arm64, nr: 280 }, user: errno(1), install: errno(1) },
  { name: 'clone3', arch: 'x64', call: { audit: x64, nr: 435 }, user: errno(38), install: errno(38) },
  { name: 'fork by clone', arch: 'x64', call: { audit: x64, nr: 56, args: [17n] }, user: ALLOW, install: ALLOW },
  {
    name: 'clone NEWUSER',
    arch: 'x64',
    call: { audit: x64, nr: 56, args: [0x10000011n] },
    user: errno(1),
    install: errno(1),
  },
  {
    name: 'unshare NEWNS',
    arch: 'arm64',
    call: { audit: arm64, nr: 97, args: [0x20000n] },
    user: ALLOW,
    install: ALLOW,
  },
  {
    name: 'unshare NEWUSER',
    arch: 'arm64',
    call: { audit: arm64, nr: 97, args: [0x10000000n] },
    user: errno(1),
    install: errno(1),
  },
  {
    name: 'TIOCSTI',
    arch: 'x64',
    call: { audit: x64, nr: 16, args: [0n, 0x5412n] },
    user: errno(1),
    install: errno(1),
  },
  {
    name: 'TIOCSTI with high bits',
    arch: 'x64',
    call: { audit: x64, nr: 16, args: [0n, 0x100005412n] },
    user: errno(1),
    install: errno(1),
  },
  {
    name: 'TIOCLINUX',
    arch: 'arm64',
    call: { audit: arm64, nr: 29, args: [0n, 0x541cn] },
    user: errno(1),
    install: errno(1),
  },
  { name: 'TCGETS', arch: 'x64', call: { audit: x64, nr: 16, args: [0n, 0x5401n] }, user: ALLOW, install: ALLOW },
  ...[1n, 2n, 10n, 16n].map((family) => ({
    name: `socket of family ${family}`,
    arch: 'x64' as const,
    call: { audit: x64, nr: 41, args: [family] },
    user: ALLOW,
    install: ALLOW,
  })),
  { name: 'vsock', arch: 'x64', call: { audit: x64, nr: 41, args: [40n] }, user: errno(97), install: errno(97) },
]
for (const { name, arch, call, user, install } of calls)
  test(`filter for ${arch}: ${name}`, () => {
    for (const [identity, want] of [
      ['user', user],
      ['install', install],
    ] as const) {
      const program = seccompFilter(identity, arch)
      assert.ok(program)
      assert.equal(evaluate(program, call), want, identity)
    }
  })

test('a machine that no filter is known for has none, rather than a wrong one', () => {
  assert.equal(seccompFilter('user', 'mips'), undefined)
})
