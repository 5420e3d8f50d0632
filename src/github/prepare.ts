import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Arch } from '#engine/arch.ts'
import { YoeError } from '#engine/errors.ts'
import type { Host } from './host.ts'
import { choiceInput, flagInput } from './inputs.ts'
import { neutralText } from './neutral.ts'

export interface Preparation {
  /** Whether images are booted here. */
  readonly qemu: boolean
  /** `auto`: on GitHub's own runners, when there is too little. */
  readonly freeDisk: 'auto' | 'true' | 'false'
  /** What is built here; those that the runner is not are emulated. */
  readonly arches: readonly Arch[]
}

const script = fileURLToPath(new URL('../../actions/setup/setup.sh', import.meta.url))

/**
 * Prepares the runner, only where it lacks something, and verifies it. What it did is one closed group, unless it failed.
 *
 * @returns whether /dev/kvm can be used
 * @throws {YoeError} SANDBOX_UNAVAILABLE with the diagnosis
 */
export async function prepareRunner(
  host: Pick<Host, 'env' | 'write' | 'signal'>,
  { qemu, freeDisk, arches }: Preparation,
): Promise<boolean> {
  const environment = {
    ...host.env,
    YOE_SETUP_QEMU: String(qemu),
    YOE_SETUP_FREE_DISK: freeDisk,
    YOE_SETUP_ARCHES: arches.join(' '),
  }
  const env = Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, value ?? '']))
  const { getExecOutput } = await import('@actions/exec')
  // Silent: what the script says goes through neutralText first.
  const {
    exitCode: status,
    stdout,
    stderr: complaint,
  } = await getExecOutput('/bin/sh', [script], { env, silent: true, ignoreReturnCode: true })
  host.signal.throwIfAborted()
  const lines = neutralText(stdout)
  if (status === 0) {
    host.write(`::group::Runner\n${lines}::endgroup::\n`)
    return qemu && (await kvmUsable(host.env))
  }
  host.write(`${lines}${neutralText(complaint)}`)
  throw new YoeError('SANDBOX_UNAVAILABLE', complaint.trim() || `the runner could not be prepared (exit ${status})`, {
    hint: 'a runner that is prepared otherwise: set YOE_SETUP=false in the environment of this step',
  })
}

async function kvmUsable(env: NodeJS.ProcessEnv): Promise<boolean> {
  try {
    await access(`${env['YOE_SETUP_ROOT'] ?? ''}/dev/kvm`, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** The step by itself: for jobs that call `yoe` in steps of their own. */
export async function setupAction(host: Host): Promise<void> {
  const qemu = flagInput(host.input, 'qemu')
  const freeDisk = choiceInput(host.input, 'free-disk', ['auto', 'true', 'false'])
  host.output('kvm', String(await prepareRunner(host, { qemu, freeDisk, arches: [] })))
}
