/** Small projects, written from a table of texts into a folder of their own, and the command line run in them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { TestContext } from 'node:test'
import { removeTree } from '#engine/build/tree.ts'

export const checkout = resolve(import.meta.dirname, '..', '..')

/** Path to text. */
export type Texts = Readonly<Record<string, string>>

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** A command that starts it: `unshare …`. */
  readonly through?: readonly string[]
}

export interface Running {
  readonly child: ChildProcess
  /** What it printed to standard error so far. */
  said(): string
  readonly ended: Promise<Ran>
}

export interface TestProject {
  readonly root: string
  write(texts: Texts): void
  /** Runs `yoe` in the project and waits for it. */
  yoe(args: readonly string[], options?: RunOptions): Promise<Ran>
  /** Starts `yoe` as the leader of a process group of its own. */
  start(args: readonly string[], options?: RunOptions): Running
}

/** A folder that is gone after the test, with whatever sandboxed tasks left in it. */
export function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'yoe-test-'))
  t.after(() => removeTree(folder))
  return folder
}

/** @param cache `$YOE_CACHE`; by default one that only this project has */
export function testProject(t: TestContext, texts: Texts, cache?: string): TestProject {
  const folder = scratch(t)
  const root = join(folder, 'project')
  const made = projectIn(root, join(folder, 'home'), cache)
  made.write(texts)
  return made
}

export function projectIn(root: string, home: string, cache?: string): TestProject {
  const start = (args: readonly string[], { cwd = root, env = {}, through = [] }: RunOptions = {}): Running => {
    const yoe = [process.execPath, '--disable-warning=ExperimentalWarning', join(checkout, 'src/cli/main.mjs')]
    const [program = '', ...rest] = [...through, ...yoe, ...args]
    const child = spawn(program, rest, {
      cwd,
      env: { ...plainEnvironment(home), ...(cache === undefined ? {} : { YOE_CACHE: cache }), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString()
    })
    const ended = new Promise<Ran>((done, reject) => {
      child.once('error', reject)
      child.once('close', (code) => done({ code: code ?? -1, stdout, stderr }))
    })
    return { child, said: () => stderr, ended }
  }
  return {
    root,
    write: (texts) => writeTexts(root, texts),
    start,
    yoe: (args, options) => start(args, options).ended,
  }
}

/** Writes files, and their folders. */
export function writeTexts(root: string, texts: Texts): void {
  mkdirSync(root, { recursive: true })
  for (const [path, text] of Object.entries(texts)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
}

/** Nothing of whoever runs the tests but the way to programs and to the network. */
function plainEnvironment(home: string): Record<string, string> {
  const names = ['PATH', 'TMPDIR', 'http_proxy', 'https_proxy', 'no_proxy', 'NODE_EXTRA_CA_CERTS', 'YOE_MIRRORS']
  const kept = names.flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value]]
  })
  return { ...Object.fromEntries(kept), HOME: home, XDG_CONFIG_HOME: join(home, '.config'), LANG: 'C.UTF-8' }
}

/** A PROJECT.star without modules: what it builds needs no network to be evaluated. */
export const bareProject = 'project(name = "demo", version = "1.0")\n'

/** A project on Debian whose units can be built for this machine. */
export const debianProject = `project(
    name = "demo",
    version = "1.0",
    defaults = defaults(machine = "qemu-x86_64", distro = "debian"),
    modules = [module("yoe:module-debian"), module("yoe:module-core")],
)
`
