/** Repositories, made by the real git, and a server of them. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { type Texts, writeTexts } from './project.ts'

const settings = ['user.name=t', 'user.email=t@t', 'init.defaultBranch=main', 'protocol.file.allow=always'].flatMap(
  (setting) => ['-c', setting],
)

export class TestRepository {
  /** Absolute. */
  readonly folder: string
  /** A file address. */
  readonly url: string

  /** @param folder absolute; made with those above it */
  constructor(folder: string, texts: Texts = {}) {
    this.folder = folder
    this.url = pathToFileURL(folder).href
    mkdirSync(folder, { recursive: true })
    this.git('init', '--quiet')
    this.commit(texts)
  }

  git(...args: readonly string[]): string {
    return execFileSync('git', ['-C', this.folder, ...settings, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], HOME: this.folder, GIT_CONFIG_NOSYSTEM: '1' },
    }).trim()
  }

  /** @returns its id */
  commit(texts: Texts): string {
    writeTexts(this.folder, texts)
    this.git('add', '--all')
    this.git('commit', '--quiet', '--allow-empty', '--message', 'change')
    return this.head
  }

  get head(): string {
    return this.git('rev-parse', 'HEAD')
  }

  /** Puts a tag where the branch is now, wherever it was. */
  tag(name: string, annotated = false): void {
    this.git('tag', '--force', ...(annotated ? ['--annotate', '--message', name] : []), name)
  }
}

/** Serves the repositories below a folder; @returns `git://…` of it, without a slash at the end */
export async function gitDaemon(t: TestContext, folder: string): Promise<string> {
  const port = await freePort()
  const args = [
    'daemon',
    '--export-all',
    '--reuseaddr',
    '--listen=127.0.0.1',
    `--port=${port}`,
    `--base-path=${folder}`,
  ]
  const child = spawn('git', [...args, folder], { stdio: 'ignore', detached: true })
  t.after(() => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  })
  const url = `git://127.0.0.1:${port}`
  for (let tries = 0; tries < 100; tries++) {
    if (await answers(port)) return url
    await setTimeout(50)
  }
  throw new Error('git daemon does not answer')
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  await new Promise((done) => server.close(done))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

async function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => done(true)).once('error', () => done(false))
    socket.once('connect', () => socket.destroy())
  })
}

/** A module's files, with one unit called like it. */
export function moduleTexts(name: string, deps: readonly string[] = [], version = '1.0'): Texts {
  return {
    'MODULE.star': `module_info(name = "${name}", deps = [${deps.join(', ')}])\n`,
    [`units/${name}.star`]: `unit(name = "${name}-unit", version = "${version}")\n`,
  }
}
