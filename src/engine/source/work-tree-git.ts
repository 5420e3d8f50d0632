import { spawn } from 'node:child_process'
import { YoeError } from '../errors.ts'
import { errorCode } from '../store/disk.ts'
import { GitFailure } from './git-run.ts'

/** Who made what yoe commits. */
export const committer = { name: 'yoe', email: 'yoe@localhost' } as const

/** When, in seconds since 1970 (2024-01-01): equal sources and patches give equal commits. */
const commitEpoch = 1_704_067_200

/** No hooks, no helpers, nothing of the user's taste. */
const settings = [
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['core.attributesFile', '/dev/null'],
  ['core.excludesFile', '/dev/null'],
  ['core.quotePath', 'false'],
  ['core.fsync', 'none'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  ['commit.gpgSign', 'false'],
  ['advice.addEmbeddedRepo', 'false'],
].flatMap(([name, value]) => ['-c', `${name}=${value}`])

/** What of the user's environment such a git may see. */
const kept = ['PATH', 'TMPDIR']

export interface TreeGitOptions {
  readonly input?: string | Uint8Array
  readonly env?: Readonly<Record<string, string>>
  /** More of git's configuration: `[['merge.conflictStyle', 'diff3']]`. */
  readonly config?: readonly (readonly [string, string])[]
}

export interface TreeGitResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/**
 * The real git over a work tree whose repository lies beside it. It is told where both are and looks for nothing itself:
 * a `.git` that somebody put into the tree is never read, nor is anybody's configuration but the repository's own.
 */
export class TreeGit {
  /** Absolute. */
  readonly gitDir: string
  /** Absolute. */
  readonly workTree: string
  readonly #signal: AbortSignal | undefined

  constructor(gitDir: string, workTree: string, signal?: AbortSignal) {
    this.gitDir = gitDir
    this.workTree = workTree
    this.#signal = signal
  }

  /** What it prints, without white space at the end. @throws {GitFailure} when it ends with an error; as {@link try} */
  async run(args: readonly string[], options: TreeGitOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.try(args, options)
    if (code !== 0) throw new GitFailure(stderr.trim() || `git ${args[0]} ended with ${code}`)
    return stdout.trimEnd()
  }

  /** @throws {YoeError} CANCELLED; TOOL_MISSING without git */
  try(args: readonly string[], { input, env = {}, config = [] }: TreeGitOptions = {}): Promise<TreeGitResult> {
    const more = config.flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const signal = this.#signal
    return new Promise((resolve, reject) => {
      const child = spawn('git', [...settings, ...more, ...args], {
        cwd: this.workTree,
        stdio: ['pipe', 'pipe', 'pipe'],
        env: { ...this.#environment(), ...env },
        ...(signal === undefined ? {} : { signal }),
      })
      const out: Buffer[] = []
      let stderr = ''
      child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
      child.stderr.on('data', (chunk: Buffer) => {
        if (stderr.length < 100_000) stderr += chunk.toString()
      })
      child.on('error', (failure) => {
        if (signal?.aborted === true) reject(new YoeError('CANCELLED', 'work on a source tree was cancelled'))
        else if (errorCode(failure) !== 'ENOENT') reject(failure)
        else reject(new YoeError('TOOL_MISSING', 'git is not installed', { hint: 'sudo apt-get install git' }))
      })
      child.on('close', (code) => resolve({ code: code ?? 1, stdout: Buffer.concat(out).toString(), stderr }))
      child.stdin.on('error', () => {}) // it may not want all of it
      child.stdin.end(input)
    })
  }

  #environment(): Record<string, string> {
    const inherited = kept.flatMap((name) => {
      const value = process.env[name]
      return value === undefined ? [] : [[name, value]]
    })
    return {
      ...Object.fromEntries(inherited),
      HOME: '/nonexistent',
      XDG_CONFIG_HOME: '/nonexistent',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_ATTR_NOSYSTEM: '1',
      GIT_NO_REPLACE_OBJECTS: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_EDITOR: 'true',
      GIT_DIR: this.gitDir,
      GIT_WORK_TREE: this.workTree,
      LC_ALL: 'C',
      TZ: 'UTC',
      GIT_AUTHOR_NAME: committer.name,
      GIT_AUTHOR_EMAIL: committer.email,
      GIT_AUTHOR_DATE: `${commitEpoch} +0000`,
      GIT_COMMITTER_NAME: committer.name,
      GIT_COMMITTER_EMAIL: committer.email,
      GIT_COMMITTER_DATE: `${commitEpoch} +0000`,
    }
  }
}
