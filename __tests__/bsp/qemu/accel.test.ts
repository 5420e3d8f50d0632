import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Arch, hostArch } from '#engine/arch.ts'
import { probeAcceleration, startGuest } from '../../../src/bsp/qemu/accel.ts'
import { findProgram } from '../../../src/bsp/qemu/host.ts'
import { qemuArchs } from '../../../src/bsp/qemu/tables.ts'
import { fakeProgram, scratch } from '../support.ts'

const here = hostArch() ?? 'x86_64'
const elsewhere: Arch = here === 'arm64' ? 'x86_64' : 'arm64'

for (const [arch, cpu] of [
  ['x86_64', 'max'],
  ['arm64', 'max'],
  ['riscv64', 'rv64'],
] as const)
  test(`the probe guest of ${arch} runs to its end under TCG`, async (t) => {
    const qemu = await findProgram(qemuArchs[arch].binary)
    if (qemu === undefined) return t.skip(`${qemuArchs[arch].binary} is not installed`)
    assert.equal(await startGuest(arch, qemu, 20_000, ['tcg', cpu]), undefined)
  })

test('a probe guest whose end is not its own is no proof', async (t) => {
  const fake = await fakeProgram(t, 'qemu', 'exit 0')
  assert.match((await startGuest('x86_64', fake, 5000)) ?? '', /QEMU ended with 0/)
})

const withQemu = async (t: TestContext, script: string, some: object = {}) =>
  probeAcceleration(here, { qemu: await fakeProgram(t, 'qemu', script), device: '/dev/null', ...some })

test('KVM when a guest ran', async (t) => {
  assert.deepEqual(await withQemu(t, `exit ${here === 'x86_64' ? 33 : 0}`), { kind: 'kvm' })
})

test('a device that runs guests wrongly is told from its first message on', async (t) => {
  const start = performance.now()
  const found = await withQemu(t, 'echo "KVM internal error. Suberror: 1" >&2; exec sleep 60')
  assert.ok(found.kind === 'tcg' && /KVM internal error/.test(found.reason), JSON.stringify(found))
  assert.ok(performance.now() - start < 3000)
})

test('a device that hangs is given up in time', async (t) => {
  const found = await withQemu(t, 'exec sleep 60', { patience: 300 })
  assert.ok(found.kind === 'tcg' && /over 300 ms/.test(found.reason), JSON.stringify(found))
})

test('why not KVM: no device, another architecture', async () => {
  const none = await probeAcceleration(here, { device: '/dev/not-there' })
  assert.ok(none.kind === 'tcg' && none.reason === 'there is no /dev/not-there' && none.hint !== undefined)
  const other = await probeAcceleration(elsewhere)
  assert.ok(other.kind === 'tcg' && other.reason.endsWith(`the guest ${elsewhere}`))
})

test('the answer is kept for other processes; a damaged or outdated one is asked for again', async (t) => {
  const cacheRoot = await scratch(t)
  const count = join(cacheRoot, 'count')
  const asked = async (): Promise<number> => (await readFile(count, 'utf8').catch(() => '')).length
  const qemu = await fakeProgram(t, 'qemu', `printf x >> ${count}; exit 1`)
  const kept = join(cacheRoot, `kvm-${here}.json`)
  const ask = async () => {
    const fresh: typeof import('../../../src/bsp/qemu/accel.ts') = await import(
      `../../../src/bsp/qemu/accel.ts?${Math.random()}`
    )
    return fresh.probeAcceleration(here, { qemu, device: '/dev/null', cacheRoot })
  }
  const first = await ask()
  assert.equal(await asked(), 1)
  assert.deepEqual(await ask(), first)
  assert.equal(await asked(), 1)
  for (const [index, damage] of ['{', '[]', '{"state":"other","at":0}', ''].entries()) {
    await writeFile(kept, damage)
    assert.deepEqual(await ask(), first)
    assert.equal(await asked(), 2 + index)
  }
})
