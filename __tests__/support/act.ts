/**
 * Runs a workflow for real: act, in host mode, in a clean environment, against the stand-in for GitHub's results
 * service. The project is an exported copy under git; our actions are consumed as a stranger would, by `octo/yoe@v1`.
 */
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type ResultsService, runtimeToken, type Scope } from './results-service.ts'
import { goProgram } from './tools.ts'

export interface ActOptions {
  readonly service: ResultsService
  /** Folder of the project: becomes the checkout. */
  readonly project: string
  /** Folder with our action.yml files, workflows and dist/, as a release has them; it is octo/yoe at {@link releasedAt}. */
  readonly release: string
  readonly event: string
  readonly payload?: unknown
  readonly secrets?: Readonly<Record<string, string>>
  /** What the run's token may do in the cache; each run has artifacts of its own. */
  readonly scopes?: readonly Scope[]
  readonly run?: string
  /** More of what GitHub puts into the environment of jobs. */
  readonly env?: Readonly<Record<string, string>>
  /** Actions of others, by `owner/name@commit`: folders that stand in for them. */
  readonly actions?: Readonly<Record<string, string>>
  /** A run that takes longer is ended, with all that it started. */
  readonly minutes?: number
}

/** The commit of the release. */
export const releasedAt = 'a'.repeat(40)

export interface ActRun {
  readonly code: number
  /** The commit that was checked out. */
  readonly sha: string
  /** The jobs that ran: a label that act does not know is skipped without a word, so tests compare this list. */
  readonly jobs: readonly { readonly id: string; readonly cell: string | undefined; readonly result: string }[]
  readonly annotations: readonly { readonly level: string; readonly text: string }[]
  readonly summaries: readonly string[]
  /** Outputs of steps by name, last one wins. */
  readonly outputs: Readonly<Record<string, string>>
  /** All that was printed. */
  readonly text: string
}

/** One line of act's JSON log. */
interface Line {
  readonly msg?: string
  readonly command?: string
  readonly content?: string
  readonly arg?: string
  readonly name?: string
  readonly jobResult?: string
  readonly jobID?: string
  readonly matrix?: { readonly cell?: string }
}

/** @throws {Error} when the run takes too long, with the end of its log */
export async function runAct(options: ActOptions): Promise<ActRun> {
  const { service, project, release, event, payload, secrets = {}, scopes } = options
  const { run = 'run-1', minutes = 10 } = options
  const dir = mkdtempSync(join(tmpdir(), 'yoe-act-'))
  try {
    const work = join(dir, 'repo')
    cpSync(project, work, { recursive: true })
    const sha = commit(work)
    const env = {
      ...service.env(runtimeToken({ run, ...(scopes === undefined ? {} : { scopes }) })),
      GITHUB_REPOSITORY: 'octo/widgets',
      GITHUB_RUN_ID: run.replace(/\D/g, ''),
      ...options.env,
    }
    const locals = { [`octo/yoe@${releasedAt}`]: release, ...options.actions }
    const argv = [
      ...[event, '-W', '.github/workflows/images.yml', '--json', '--no-cache-server'],
      ...['-P', 'ubuntu-24.04=-self-hosted', '-P', 'ubuntu-24.04-arm=-self-hosted', '--concurrent-jobs', '2'],
      ...['--action-cache-path', join(dir, 'actions')],
      ...Object.entries(locals).flatMap(([name, folder]) => ['--local-repository', `${name}=${folder}`]),
      ...Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
      // Of each run's own; without it the default of `github-token` is empty.
      ...Object.entries({ GITHUB_TOKEN: `ghs_${'t'.repeat(36)}`, ...secrets }).flatMap(([name, value]) => [
        '--secret',
        `${name}=${value}`,
      ]),
    ]
    if (payload !== undefined) {
      writeFileSync(join(dir, 'event.json'), JSON.stringify(payload))
      argv.push('--eventpath', join(dir, 'event.json'))
    }
    const child = spawn(goProgram('act'), argv, {
      cwd: work,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: `${dirname(process.execPath)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
        HOME: dir,
        LANG: 'C.UTF-8',
      },
    })
    let text = ''
    const add = (chunk: Buffer): void => {
      text += chunk.toString()
    }
    child.stdout.on('data', add)
    child.stderr.on('data', add)
    // What a step started may be in a group of its own: all that works in this folder is ended.
    let late = false
    const limit = setTimeout(() => {
      late = true
      for (const pid of [child.pid ?? 0, ...processesIn(dir)]) endProcess(pid)
    }, minutes * 60_000)
    const code = await new Promise<number>((done) => child.once('close', (status) => done(status ?? -1)))
    clearTimeout(limit)
    if (late) throw new Error(`act took more than ${minutes} minutes:\n${tail(text)}`)
    return { code, sha, text, ...read(text) }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Processes whose working folder is this one, or below it. */
function processesIn(folder: string): readonly number[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      return /^\d+$/.test(pid) && `${readlinkSync(`/proc/${pid}/cwd`)}/`.startsWith(`${folder}/`) ? [Number(pid)] : []
    } catch {
      return [] // gone meanwhile
    }
  })
}

function endProcess(pid: number): void {
  try {
    if (pid > 0) process.kill(pid, 'SIGKILL')
  } catch {
    // Gone meanwhile.
  }
}

/** The last lines of a log, as somebody reads them. */
function tail(text: string, count = 60): string {
  const lines = text.split('\n').flatMap((line) => {
    if (!line.startsWith('{')) return line
    const { jobID = '', msg = '' }: Line = JSON.parse(line)
    return `${jobID}: ${msg.trimEnd()}`
  })
  return lines.slice(-count).join('\n')
}

/** Puts a folder under git, as a checkout is. @returns its commit */
export function commit(folder: string): string {
  const git = (...argv: string[]): string =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...argv], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'ignore'],
      encoding: 'utf8',
    })
  git('init', '-q', '-b', 'main')
  git('add', '-A', '-f')
  git('commit', '-qm', 'export')
  return git('rev-parse', 'HEAD').trim()
}

function read(text: string): Pick<ActRun, 'jobs' | 'annotations' | 'summaries' | 'outputs'> {
  const lines = text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line): Line => JSON.parse(line))
  const jobs = lines.flatMap(({ jobResult, jobID = '', matrix }) =>
    jobResult === undefined ? [] : [{ id: jobID, cell: matrix?.cell, result: jobResult }],
  )
  return {
    jobs: jobs.sort((a, b) => (`${a.id} ${a.cell}` < `${b.id} ${b.cell}` ? -1 : 1)),
    annotations: lines.flatMap(({ command, arg, msg }) =>
      command === 'error' || command === 'warning' || command === 'notice'
        ? [{ level: command, text: arg ?? msg ?? '' }]
        : [],
    ),
    summaries: lines.flatMap(({ command, content }) =>
      command === 'summary' && content !== undefined ? [content] : [],
    ),
    outputs: Object.fromEntries(
      lines.flatMap(({ command, name, arg }) =>
        command === 'set-output' && name !== undefined ? [[name, arg ?? '']] : [],
      ),
    ),
  }
}

/** Copies what a release holds of ours: the action files, the reusable workflow and the bundle. */
export function layRelease(root: string, bundle: string, into: string): void {
  mkdirSync(into, { recursive: true })
  cpSync(join(root, 'action.yml'), join(into, 'action.yml'))
  cpSync(join(root, 'actions'), join(into, 'actions'), { recursive: true })
  cpSync(bundle, join(into, 'dist'), { recursive: true })
  const reusable = '.github/workflows/images.yml'
  mkdirSync(dirname(join(into, reusable)), { recursive: true })
  // `$/` is this repository at this commit, which act does not know yet.
  const text = readFileSync(join(root, reusable), 'utf8')
  const own = (_: string, path: string): string => `uses: octo/yoe${path === '' ? '' : `/${path}`}@${releasedAt}`
  writeFileSync(join(into, reusable), text.replaceAll(/uses: \$\/(\S*)/g, own))
}
