import { readFileSync } from 'node:fs'

/**
 * How far this run can be trusted. `default-branch` and `tag`: code that was reviewed. `branch`, `pull-request`: code of
 * people who may push here. `fork`: anybody's code. `low-trust`: an event that anybody can cause and that runs with
 * the base's rights (`pull_request_target`, comments).
 */
export type Trust = 'default-branch' | 'tag' | 'branch' | 'pull-request' | 'fork' | 'low-trust'

export interface RunContext {
  readonly trust: Trust
  readonly event: string
  readonly owner: string
  readonly repo: string
  readonly ref: string
  /** Refs whose cache entries GitHub lets this run read, its own first. */
  readonly reads: readonly string[]
  readonly sha: string
  /** Absolute folder of the checkout. */
  readonly workspace: string
  readonly apiUrl: string
  readonly runUrl: string
  /** The two commits of what a pull request or push changes; undefined: all is to be considered changed. */
  readonly change: { readonly base: string; readonly head: string } | undefined
  /** Why nothing may be written to the cache; undefined: it may. */
  readonly readOnly: string | undefined
  /** Whether what this run makes may be signed with the project's key and reach devices. */
  readonly mayPublish: boolean
}

/** Events that only people with write access cause, and that run the code of a ref of this repository. */
const trustedEvents = new Set([
  'push',
  'schedule',
  'workflow_dispatch',
  'repository_dispatch',
  'release',
  'merge_group',
  'create',
])

/** @param env process.env of an action; @param payload the parsed file at GITHUB_EVENT_PATH */
export function contextOf(env: NodeJS.ProcessEnv, payload: unknown): RunContext {
  const event = env['GITHUB_EVENT_NAME'] ?? ''
  const repository = env['GITHUB_REPOSITORY'] ?? '/'
  const [owner = '', repo = ''] = repository.split('/')
  const ref = env['GITHUB_REF'] ?? ''
  const trust = trustOf(event, ref, payload)
  return {
    trust,
    event,
    owner,
    repo,
    ref,
    reads: readsOf(ref, env['GITHUB_BASE_REF'], payload),
    sha: env['GITHUB_SHA'] ?? '',
    workspace: env['GITHUB_WORKSPACE'] ?? process.cwd(),
    apiUrl: env['GITHUB_API_URL'] ?? 'https://api.github.com',
    runUrl: `${env['GITHUB_SERVER_URL'] ?? 'https://github.com'}/${repository}/actions/runs/${env['GITHUB_RUN_ID'] ?? ''}`,
    change: changeOf(event, payload),
    readOnly: readOnlyBecause(trust, event),
    mayPublish: trust === 'default-branch' || trust === 'tag',
  }
}

/** The context of the action that runs; a payload that can't be read leaves the trust at its lowest. */
export function currentContext(env: NodeJS.ProcessEnv): RunContext {
  return contextOf(env, eventPayload(env['GITHUB_EVENT_PATH']))
}

function eventPayload(path: string | undefined): unknown {
  if (path === undefined) return undefined
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

function trustOf(event: string, ref: string, payload: unknown): Trust {
  if (event === 'pull_request') {
    const base = text(payload, 'pull_request', 'base', 'repo', 'full_name')
    const head = text(payload, 'pull_request', 'head', 'repo', 'full_name')
    // A fork that was deleted meanwhile has no head repository.
    return base !== undefined && base === head ? 'pull-request' : 'fork'
  }
  if (!trustedEvents.has(event)) return 'low-trust'
  if (ref.startsWith('refs/tags/')) return 'tag'
  const main = text(payload, 'repository', 'default_branch')
  // The payload of `schedule` has no repository on some runners; it always runs on the default branch.
  if (main === undefined ? event === 'schedule' : ref === `refs/heads/${main}`) return 'default-branch'
  return 'branch'
}

/** @see GitHub's documentation of the cache, "Restrictions for accessing a cache" */
function readsOf(ref: string, base: string | undefined, payload: unknown): readonly string[] {
  const main = text(payload, 'repository', 'default_branch')
  const heads = [base, main].filter((name) => name !== undefined && name !== '').map((name) => `refs/heads/${name}`)
  return [...new Set([ref, ...heads])]
}

function readOnlyBecause(trust: Trust, event: string): string | undefined {
  switch (trust) {
    case 'fork':
      return 'a pull request from a fork may only read'
    case 'low-trust':
      return `anybody can cause the event ${event || '(unknown)'}`
    default:
      return undefined
  }
}

function changeOf(event: string, payload: unknown): RunContext['change'] {
  const pair =
    event === 'pull_request'
      ? [text(payload, 'pull_request', 'base', 'sha'), text(payload, 'pull_request', 'head', 'sha')]
      : event === 'merge_group'
        ? [text(payload, 'merge_group', 'base_sha'), text(payload, 'merge_group', 'head_sha')]
        : event === 'push'
          ? [text(payload, 'before'), text(payload, 'after')]
          : []
  const [base, head] = pair
  // A push that creates a branch has a base of zeros.
  const commit = /^(?!0+$)[0-9a-f]{40,64}$/
  return base !== undefined && head !== undefined && commit.test(base) && commit.test(head) ? { base, head } : undefined
}

function text(value: unknown, ...path: readonly string[]): string | undefined {
  let at = value
  for (const name of path) {
    if (typeof at !== 'object' || at === null) return undefined
    at = Object.entries(at).find(([key]) => key === name)?.[1]
  }
  return typeof at === 'string' ? at : undefined
}
