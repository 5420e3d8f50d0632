import { architectures, hostArch } from '#engine/arch.ts'
import { emulationOf } from '#engine/build/binfmt.ts'
import { bwrapWorker } from '#engine/build/bwrap.ts'
import { heldControllers } from '#engine/build/cgroup.ts'
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
    const findings = [...(await tools()), ...(await sandbox()), ...(await acceleration()), ...(await foreign())]
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

/** Where tasks run: bubblewrap, else Docker; that one of them is missing is no fault while the other is there. */
async function sandbox(): Promise<readonly Finding[]> {
  const { dockerAnswers } = await import('#engine/build/docker.ts')
  const [bwrap, docker] = await Promise.all([bwrapWorker().probe(), dockerAnswers()])
  const usable = bwrap.ok || docker.ok
  const first: Finding = bwrap.ok
    ? { subject: 'sandbox', ok: true, detail: 'bubblewrap runs here' }
    : { subject: 'sandbox', ok: usable, detail: bwrap.reason, hint: bwrap.hint }
  const second: Finding = docker.ok
    ? { subject: 'docker', ok: true, detail: 'a daemon answers: YOE_WORKER=docker runs tasks there' }
    : {
        subject: 'docker',
        ok: usable,
        detail: `not needed; ${docker.reason}`,
        ...(usable ? {} : { hint: docker.hint }),
      }
  return [first, second, await limits()]
}

async function limits(): Promise<Finding> {
  const held = await heldControllers()
  const detail =
    held.length === 2
      ? 'control groups hold the memory and the processes of tasks'
      : 'memory and processes of tasks are looked at four times a second: no control groups can be made here'
  return { subject: 'limits', ok: true, detail }
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
