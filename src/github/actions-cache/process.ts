import { type ChildProcess, fork } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClientAnswer, ClientRequest } from './protocol.ts'
import { restoredPrefix } from './protocol.ts'

/** What of the environment the client gets to see: the service, its token, and how to reach it. */
const passed =
  /^(ACTIONS_(RESULTS_URL|CACHE_URL|RUNTIME_TOKEN|CACHE_SERVICE_V2|CACHE_MODE|RUNTIME_URL)|GITHUB_SERVER_URL|(https?|no|all)_proxy|SSL_CERT_(FILE|DIR)|NODE_EXTRA_CA_CERTS|LANG)$/i

/** Archives the one file as itself: what we store is verified and compressed already, and nothing is ever unpacked. */
const tar = `#!/bin/sh
set -eu
PATH=/usr/bin:/bin
mode= archive= dir=. list=
while [ $# -gt 0 ]; do
  case $1 in
    -cf) mode=create archive=$2; shift ;;
    -xf) mode=extract archive=$2; shift ;;
    -C) dir=$2; shift ;;
    --files-from) list=$2; shift ;;
  esac
  shift
done
case $mode in
  create) file=$(head -n 1 "$list"); ln "$dir/$file" "$archive" ;;
  extract) ln "$archive" "$archive.kept"; echo "${restoredPrefix}$archive.kept" ;;
esac
`

/** Asked for its version only; with it the entry's version is the same on every machine, zstd installed or not. */
const zstd = '#!/bin/sh\necho 1.5.0\n'

/** The cache client in a process of its own, started when it is first asked; one that died is started again. */
export class CacheClient {
  readonly #env: NodeJS.ProcessEnv
  readonly #waiting = new Map<number, (answer: ClientAnswer) => void>()
  #folder: Promise<string> | undefined
  #child: Promise<ChildProcess> | undefined
  #count = 0

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env
  }

  /** The private folder under which request paths lie. */
  staging(): Promise<string> {
    this.#folder ??= this.#prepare()
    return this.#folder
  }

  async ask(verb: ClientRequest['verb'], key: string, path: string, newest = false): Promise<ClientAnswer> {
    this.#child ??= this.#spawn()
    const child = await this.#child
    const id = ++this.#count
    return await new Promise((resolve) => {
      this.#waiting.set(id, resolve)
      child.channel?.ref()
      child.send({ id, verb, key, path, newest } satisfies ClientRequest, (failure) => {
        if (failure !== null) this.#settle(child, { id, threw: failure.message, said: [] })
      })
    })
  }

  /** Ends the process and removes its files. */
  async close(): Promise<void> {
    const child = await this.#child
    if (child?.connected === true) {
      const gone = new Promise((done) => child.once('exit', done))
      child.ref()
      child.disconnect()
      const late = setTimeout(() => child.kill('SIGKILL'), 2000)
      await gone
      clearTimeout(late)
    }
    const folder = await this.#folder
    this.#folder = undefined
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
  }

  async #prepare(): Promise<string> {
    const staging = await mkdtemp(join(this.#env['RUNNER_TEMP'] ?? tmpdir(), 'yoe-cache-'))
    await mkdir(join(staging, 'bin'))
    await writeFile(join(staging, 'bin/tar'), tar, { mode: 0o755 })
    await writeFile(join(staging, 'bin/zstd'), zstd, { mode: 0o755 })
    return staging
  }

  async #spawn(): Promise<ChildProcess> {
    const staging = await this.staging()
    const env: NodeJS.ProcessEnv = {
      PATH: join(staging, 'bin'),
      HOME: staging,
      GITHUB_WORKSPACE: staging,
      RUNNER_TEMP: join(staging, 'tmp'),
    }
    for (const [name, value] of Object.entries(this.#env)) if (passed.test(name)) env[name] = value
    const child = fork(entry(), [], { cwd: staging, env, execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    child.on('message', (answer: ClientAnswer) => this.#settle(child, answer))
    child.once('exit', (code, signal) => {
      this.#child = undefined
      const threw = `the cache client ended unexpectedly (${signal ?? code})`
      for (const id of [...this.#waiting.keys()]) this.#settle(child, { id, threw, said: [] })
    })
    child.unref()
    child.channel?.unref()
    return child
  }

  #settle(child: ChildProcess, answer: ClientAnswer): void {
    const resolve = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if (this.#waiting.size === 0) child.channel?.unref()
    resolve?.(answer)
  }
}

/** In a clone the client's source; in the bundle the small file of this name that scripts/bundle.ts lays beside it. */
function entry(): string {
  return join(import.meta.dirname, import.meta.filename.endsWith('.ts') ? 'client.ts' : 'cache-client.js')
}
