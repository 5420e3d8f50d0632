import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostArch } from '#engine/arch.ts'
import { runFindings } from '../../src/bsp/doctor.ts'
import { qemuArchs } from '../../src/bsp/qemu/tables.ts'
import { setPath } from './support.ts'

test('a machine with nothing is told what to install, needed things first', async (t) => {
  setPath(t, '/nowhere')
  const findings = await runFindings()
  const host = hostArch() ?? 'x86_64'
  const needed = findings.filter(({ needed }) => needed)
  assert.deepEqual(needed.map(({ subject }) => subject).sort(), [qemuArchs[host].binary, 'ssh'].sort())
  assert.deepEqual(findings.slice(0, needed.length), needed)
  for (const { usable, subject } of findings) {
    assert.ok(!usable.ok, subject)
    if (subject !== 'KVM') assert.match(usable.hint, /^sudo apt-get install /)
  }
})
