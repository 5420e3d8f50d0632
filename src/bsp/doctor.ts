import { type Arch, architectures, hostArch } from '#engine/arch.ts'
import type { Usability } from '#engine/build/worker.ts'
import { probeAcceleration } from './qemu/accel.ts'
import { findProgram } from './qemu/host.ts'
import { qemuArchs } from './qemu/tables.ts'

/** One thing that running images needs or would be quicker with. */
export interface RunFinding {
  readonly subject: string
  readonly usable: Usability
  /** Without it nothing of this host's architecture runs; otherwise runs are slower or of fewer architectures. */
  readonly needed: boolean
}

/** What this machine has for `yoe run` and boot tests, in the order of its need. */
export async function runFindings(cacheRoot?: string): Promise<readonly RunFinding[]> {
  const host = hostArch()
  const emulators = architectures.map(async (arch) => ({
    subject: qemuArchs[arch].binary,
    usable: await emulator(arch),
    needed: arch === host,
  }))
  const findings = [...(await Promise.all(emulators)), { subject: 'ssh', usable: await ssh(), needed: true }]
  if (host === undefined) return findings
  const found = await probeAcceleration(host, cacheRoot === undefined ? {} : { cacheRoot })
  const usable: Usability =
    found.kind === 'kvm'
      ? { ok: true }
      : { ok: false, reason: `guests are emulated, 10 to 20 times slower: ${found.reason}`, hint: found.hint ?? '' }
  return [...findings, { subject: 'KVM', usable, needed: false }].sort((a, b) => Number(b.needed) - Number(a.needed))
}

async function emulator(arch: Arch): Promise<Usability> {
  const { binary, package: debianPackage } = qemuArchs[arch]
  return program(binary, debianPackage, `${arch} images can't be run`)
}

const ssh = (): Promise<Usability> => program('ssh', 'openssh-client', "boot tests can't log in")

async function program(name: string, debianPackage: string, consequence: string): Promise<Usability> {
  if ((await findProgram(name)) !== undefined) return { ok: true }
  return {
    ok: false,
    reason: `${name} is not installed: ${consequence}`,
    hint: `sudo apt-get install ${debianPackage}`,
  }
}
