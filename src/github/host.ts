import { appendFileSync } from 'node:fs'
import { type YoeError as Failure, userErrors, YoeError } from '#engine/errors.ts'
import { currentContext, type RunContext } from './context.ts'
import type { GetInput } from './inputs.ts'
import { neutralText } from './neutral.ts'

/** What an action gets to see of the runner. */
export interface Host {
  readonly env: NodeJS.ProcessEnv
  readonly context: RunContext
  readonly input: GetInput
  readonly output: (name: string, value: string) => void
  /** Writes to the log of the step. */
  readonly write: (text: string) => void
  /** Adds to the job's page. */
  readonly summary: (markdown: string) => void
  /** Keeps a value out of every log of the job. */
  readonly mask: (secret: string) => void
  /** Aborted when the run is cancelled; there are about 7 s then. */
  readonly signal: AbortSignal
}

/** Thrown by an action that has told its failure itself. */
export class Told extends Error {
  override readonly name = 'Told'
}

/** Runs one action: it ends with exit code 1 when something went wrong, and says so exactly once. */
export async function runAction(action: (host: Host) => Promise<void>): Promise<void> {
  const core = await import('@actions/core')
  const cancelled = new AbortController()
  const cancel = (): void => cancelled.abort(new YoeError('CANCELLED', 'the run was cancelled'))
  process.once('SIGINT', cancel).once('SIGTERM', cancel)
  const host: Host = {
    env: process.env,
    context: currentContext(process.env),
    input: (name) => core.getInput(name),
    output: (name, value) => core.setOutput(name, value),
    write: (text) => void process.stdout.write(text),
    summary: (markdown) => {
      const file = process.env['GITHUB_STEP_SUMMARY']
      if (file !== undefined && file !== '') appendFileSync(file, markdown)
    },
    mask: (secret) => core.setSecret(secret),
    signal: cancelled.signal,
  }
  try {
    await action(host)
  } catch (failure) {
    process.exitCode = 1
    if (failure instanceof Told) return
    const errors = userErrors(failure)
    if (errors === undefined) core.error(neutralText(bug(failure)), { title: 'a bug in yoe' })
    for (const error of errors ?? []) core.error(neutralText(wording(error)), { title: error.code })
  } finally {
    process.off('SIGINT', cancel).off('SIGTERM', cancel)
  }
}

function wording(error: Failure): string {
  return error.hint === undefined ? error.message : `${error.message}\n${error.hint}`
}

/** A stack trace is for us, not for a user: only a run with debug logging shows it. */
export function bug(failure: unknown): string {
  const detail =
    failure instanceof Error ? (process.env['RUNNER_DEBUG'] === '1' ? failure.stack : failure.message) : String(failure)
  return `this is a bug in yoe, please report it: ${detail}`
}
