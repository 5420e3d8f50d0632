import { architectures, hostArch } from '#engine/arch.ts'
import { emulationOf } from '#engine/build/binfmt.ts'
import { bwrapWorker } from '#engine/build/bwrap.ts'
import { hostTools } from '#engine/build/hosttools.ts'
import { command } from '../command.ts'
import { table } from '../output.ts'

interface Finding {
  readonly subject: string
  readonly ok: boolean
  readonly detail: string
  readonly hint?: string
}

export const doctor = command({
  usage: 'doctor',
  summary: 'check that this machine can build',
  details:
    'Checks the programs, the sandbox and the virtualization that builds and boot tests use, and says how to mend what is missing.',
  options: {},
  positionals: [0, 0],
  async run({ output }) {
    const findings = [...(await tools()), await sandbox(), ...(await acceleration()), ...(await foreign())]
    if (output.json) output.printJson({ ok: findings.every((finding) => finding.ok), findings })
    else {
      const rows = findings.map((finding) => [
        finding.ok ? output.paint('green', 'ok') : output.paint('red', 'missing'),
        finding.subject,
        finding.detail,
        finding.hint ?? '',
      ])
      for (const line of table(rows)) output.print(line)
    }
    return findings.every((finding) => finding.ok) ? 0 : 3
  },
})

async function tools(): Promise<readonly Finding[]> {
  return (await hostTools()).map(({ name, path, purpose, package: debianPackage }) =>
    path === undefined
      ? { subject: name, ok: false, detail: `needed for ${purpose}`, hint: `sudo apt-get install ${debianPackage}` }
      : { subject: name, ok: true, detail: path },
  )
}

async function sandbox(): Promise<Finding> {
  const usable = await bwrapWorker().probe()
  return usable.ok
    ? { subject: 'sandbox', ok: true, detail: 'bubblewrap runs here' }
    : { subject: 'sandbox', ok: false, detail: usable.reason, hint: usable.hint }
}

/** Slower is not broken: without KVM guests run under TCG. */
async function acceleration(): Promise<readonly Finding[]> {
  const arch = hostArch()
  if (arch === undefined) return []
  const { probeAcceleration } = await import('#bsp/qemu/accel.ts')
  const found = await probeAcceleration(arch)
  if (found.kind === 'kvm') return [{ subject: 'acceleration', ok: true, detail: 'KVM' }]
  const detail = `TCG, 10 to 20 times slower: ${found.reason}`
  return [{ subject: 'acceleration', ok: true, detail, ...(found.hint === undefined ? {} : { hint: found.hint }) }]
}

/** Only who builds for another architecture needs it. */
async function foreign(): Promise<readonly Finding[]> {
  const others = architectures.filter((arch) => arch !== hostArch())
  return Promise.all(
    others.map(async (arch): Promise<Finding> => {
      const found = await emulationOf(arch)
      if (found.kind !== 'missing') return { subject: arch, ok: true, detail: 'its programs run here, under QEMU' }
      return { subject: arch, ok: true, detail: `can't be built here: ${found.reason}`, hint: found.hint }
    }),
  )
}
