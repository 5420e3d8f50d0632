import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { contextOf } from '#github/context.ts'
import { type Host, Told } from '#github/host.ts'

export interface FakeHost extends Host {
  readonly log: () => string
  readonly outputs: Readonly<Record<string, string>>
  readonly summaries: readonly string[]
  /** The inputs that the action asked for. */
  readonly asked: ReadonlySet<string>
  readonly masked: readonly string[]
}

export interface FakeHostOptions {
  /** Folder for the run's own temporary folder. */
  readonly dir: string
  readonly workspace: string
  readonly inputs?: Readonly<Record<string, string>>
  readonly event?: string
  readonly payload?: unknown
  readonly env?: Readonly<Record<string, string>>
}

/** A runner's side of one step, in memory. */
export function fakeHost({
  dir,
  workspace,
  inputs = {},
  event = 'push',
  payload,
  env = {},
}: FakeHostOptions): FakeHost {
  const written: string[] = []
  const outputs: Record<string, string> = {}
  const summaries: string[] = []
  const masked: string[] = []
  const asked = new Set<string>()
  const all = {
    GITHUB_EVENT_NAME: event,
    GITHUB_REF: 'refs/heads/main',
    GITHUB_REPOSITORY: 'octo/widgets',
    GITHUB_SHA: 'c'.repeat(40),
    GITHUB_WORKSPACE: workspace,
    RUNNER_TEMP: mkdtempSync(join(dir, 'temp-')),
    ...env,
  }
  const push = { repository: { full_name: 'octo/widgets', default_branch: 'main' } }
  return {
    env: all,
    context: contextOf(all, payload ?? push),
    input: (name) => {
      asked.add(name)
      return inputs[name] ?? ''
    },
    output: (name, value) => {
      outputs[name] = value
    },
    write: (text) => void written.push(text),
    summary: (markdown) => void summaries.push(markdown),
    mask: (secret) => void masked.push(secret),
    signal: new AbortController().signal,
    log: () => written.join(''),
    outputs,
    summaries,
    asked,
    masked,
  }
}

/** Whether the action failed having said so itself. */
export async function failsTold(action: Promise<void>): Promise<boolean> {
  try {
    await action
    return false
  } catch (failure) {
    if (failure instanceof Told) return true
    throw failure
  }
}
