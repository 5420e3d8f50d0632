/** What the kernel knows of programs of other architectures, told from a folder that looks like its own. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { architectures, hostArch } from '#engine/arch.ts'
import { emulationOf, registerEmulators, registration, requireEmulation } from '#engine/build/binfmt.ts'
import { YoeError } from '#engine/errors.ts'
import { scratch } from '../../support/project.ts'

const foreign = hostArch() === 'arm64' ? 'x86_64' : 'arm64'
const name = foreign === 'arm64' ? 'qemu-aarch64' : 'qemu-x86_64'

function kernel(t: TestContext, entry: string | undefined): string {
  const folder = scratch(t)
  if (entry !== undefined) writeFileSync(join(folder, name), entry)
  writeFileSync(join(folder, 'register'), '')
  return folder
}

const good = 'enabled\ninterpreter /usr/bin/qemu-static\nflags: PF\noffset 0\nmagic 7f\n'

/** The kernel's file, and what it means. */
const states: readonly (readonly [entry: string | undefined, kind: string, reason: RegExp, hint: RegExp])[] = [
  [undefined, 'missing', /no qemu-\S+ in binfmt_misc/, /apt-get install qemu-user-static/],
  [good.replace('enabled', 'disabled'), 'missing', /is disabled/, /^echo 1 \| sudo tee /],
  [good.replace('PF', 'POC'), 'missing', /without the F flag/, /^echo -1 \| sudo tee /],
  [good, 'emulated', /./, /./],
]

for (const [entry, kind, reason, hint] of states) {
  test(`${JSON.stringify(entry)} means ${kind}`, async (t) => {
    const folder = kernel(t, entry)
    const found = await emulationOf(foreign, folder)
    assert.equal(found.kind, kind)
    if (found.kind !== 'missing') return requireEmulation([foreign], folder)
    assert.match(found.reason, reason)
    assert.match(found.hint, hint)
    await assert.rejects(requireEmulation(architectures, folder), (failure: unknown) => {
      assert.ok(failure instanceof YoeError && failure.code === 'TOOL_MISSING')
      assert.match(failure.message, /programs of \w+ don't run on this machine/)
      return true
    })
  })
}

test('this machine needs no emulator for itself', async (t) => {
  const own = hostArch()
  assert.ok(own)
  assert.deepEqual(await emulationOf(own, kernel(t, undefined)), { kind: 'native' })
  await requireEmulation([own], kernel(t, undefined))
})

test("what is registered is what Debian's own package registers", (t) => {
  const file = `/usr/share/binfmts/${name}`
  if (!existsSync(file)) return t.skip('qemu-user-static is not installed')
  const debian = readFileSync(file, 'utf8')
  const field = (key: string): Buffer =>
    Buffer.from((new RegExp(`^${key} (.*)$`, 'm').exec(debian)?.[1] ?? '').replaceAll('\\x', ''), 'hex')
  const [, , , , magic = '', mask = ''] = registration(foreign, '/q').split(':')
  const bytes = (text: string): Buffer => Buffer.from(text.replaceAll('\\x', ''), 'hex')
  assert.deepEqual(bytes(magic), field('magic'))
  // Debian's leaves some padding to the program; ours is no wider where it counts: class, order, machine, type.
  const [ours, theirs] = [bytes(mask), field('mask')]
  for (const at of [0, 1, 2, 3, 4, 5, 6, 16, 17, 18, 19]) assert.equal(ours[at], theirs[at], `byte ${at}`)
})

test('registering writes one line; without the right to it, the line to type', async (t) => {
  const folder = kernel(t, undefined)
  const [done] = await registerEmulators([foreign], folder)
  if (done?.outcome === 'no emulator') return t.skip('no QEMU for another architecture is installed')
  assert.equal(done?.outcome, 'registered')
  assert.match(readFileSync(join(folder, 'register'), 'utf8'), new RegExp(`^:${name}:M::\\\\x7f.*:PF$`))
  const closed = join(folder, 'closed')
  mkdirSync(closed)
  await assert.rejects(registerEmulators([foreign], closed), (failure: unknown) => {
    assert.ok(failure instanceof YoeError && failure.code === 'PERMISSION')
    assert.match(failure.hint ?? '', /sudo mount -t binfmt_misc/)
    return true
  })
})
