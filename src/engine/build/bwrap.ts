import { spawn } from 'node:child_process'
import { lstat, realpath } from 'node:fs/promises'
import { Readable, Writable } from 'node:stream'
import { YoeError } from '../errors.ts'
import { holdInGroups } from './cgroup.ts'
import { openEgress } from './egress.ts'
import { openOutput } from './fifo.ts'
import { diagnose } from './hosttools.ts'
import { mapText, plainInstallMaps, rootMap, rootRange, self, writePlainMaps } from './identity.ts'
import { cleanLine } from './log.ts'
import { startRelay } from './relay.ts'
import { followIn, rootArguments } from './root.ts'
import { seccompFilter } from './seccomp.ts'
import { type Chain, chainCommand } from './stages.ts'
import { killQuietly, refuseCancelled, Supervision } from './supervision.ts'
import { openTree } from './tree.ts'
import { descendants } from './watch.ts'
import type { Mount, Run, RunResult, Usability, Worker } from './worker.ts'

/** Where the host's own programs are looked for; nothing of yoe's environment reaches a stage or a run. */
const hostPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Folders that every Debian has and that a run's sources may be shown under: one that holds none of them is chosen. */
const hubs = ['/mnt', '/media', '/srv', '/opt', '/home']

/**
 * Runs commands under bubblewrap: all namespaces of their own, a seccomp filter, limits, and never an id that is
 * anybody outside. As root, runs belong to {@link rootRange}; as a plain user to that user and its subordinate ids.
 */
export function bwrapWorker({ path = hostPath }: { readonly path?: string } = {}): Worker {
  let probed: Promise<Usability> | undefined
  return {
    name: 'bwrap',
    probe: () => {
      probed ??= probe(path)
      return probed
    },
    run: (run) => runInBwrap(run, path),
    prepareWritable: (tree) => openTree(tree, 'rw'),
    prepareReadable: (tree) => openTree(tree, 'r'),
  }
}

async function probe(path: string): Promise<Usability> {
  for (const identity of ['user', 'install'] as const) {
    let said = ''
    try {
      const result = await runInBwrap(
        {
          root: 'host',
          argv: ['true'],
          env: { PATH: path },
          cwd: '/',
          mounts: [],
          network: false,
          identity,
          limits: probeLimits,
          output: (chunk) => {
            said += Buffer.from(chunk).toString()
          },
        },
        path,
      )
      if (result.kind !== 'exited' || result.code !== 0)
        return { ok: false, reason: `a sandboxed \`true\` failed: ${said.trim()}`, hint: 'yoe doctor' }
    } catch (failure) {
      if (!(failure instanceof YoeError)) throw failure
      return { ok: false, reason: failure.message, hint: failure.hint ?? 'yoe doctor' }
    }
  }
  return { ok: true }
}

const probeLimits = {
  wallSeconds: 30,
  silenceSeconds: 30,
  processes: 64,
  memoryBytes: 2 ** 30,
  fileBytes: 2 ** 20,
  scratchEntries: 1000,
  logBytes: 2 ** 20,
  outputBytes: 2 ** 20,
}

async function runInBwrap(run: Run, path: string): Promise<RunResult> {
  refuseCancelled(run)
  const who = await self()
  await using egress = run.network ? await openEgress(run, who.root ? rootRange.first : undefined) : undefined
  let stopRelay = (): void => {}
  const { chain, args } = await prepare(run, egress?.environment ?? {})
  const stages = chainCommand(chain, run.argv)
  const command = run.terminal === true ? onTerminal(stages) : stages
  const output = run.terminal === true ? undefined : await openOutput()
  const printed = output?.writeFd ?? 'inherit'
  const input = run.terminal === true ? 'inherit' : run.stdin === undefined ? 'ignore' : 'pipe'

  const child = spawn(command[0] ?? '', command.slice(1), {
    // A session of its own: Ctrl-C reaches yoe alone, which then ends its runs in order. A terminal of the run's own
    // makes one by itself, and has to hear of this one's size.
    detached: output !== undefined,
    cwd: '/',
    env: { PATH: path, LC_ALL: 'C' },
    stdio: [input, printed, printed, ...Array(5).fill('pipe')],
  })
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', () => resolve())
  })
  output?.release()

  let init: number | undefined
  const supervision = new Supervision(run, () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    // Killing the first process of the namespace kills all; what waits for that outside then ends by itself.
    if (init === undefined) child.kill('SIGKILL')
    else killQuietly(init, 'SIGKILL')
  })
  const drained = output?.drain(supervision.received)

  let failed: unknown
  const [tell, go, argsPipe, status, filter] = child.stdio.slice(3)
  reading(tell, (line) => {
    const [what, text] = line.split(' ')
    const pid = Number(text)
    if (what === 'map')
      writePlainMaps(pid, who).then(
        () => writing(go).write('go\n'),
        (failure: unknown) => {
          failed = failure
          child.kill('SIGKILL')
        },
      )
    else {
      init = pid
      void holdInGroups(pid, run.limits).then((group) => {
        supervision.started(pid, group)
        if (egress === undefined) writing(go).end('go\n')
        else writing(go).write('go\n')
      })
    }
  })
  writing(argsPipe).end(args.map((arg) => `${arg}\0`).join(''))
  writing(filter).end(seccompFilter(run.identity))
  if (run.stdin !== undefined && input === 'pipe') writing(child.stdin).end(run.stdin)
  let code: number | undefined
  reading(status, (line) => {
    const match = /"exit-code": (\d+)/.exec(line)
    if (match) code = Number(match[1])
    if (egress === undefined || init === undefined || !line.includes('"child-pid"')) return
    // Its network namespace is there; the command waits until something in it leads out.
    const [, inside = init] = descendants(init)
    startRelay(inside, egress, who, path, supervision.crossed).then(
      (stop) => {
        stopRelay = stop
        writing(go).end('x')
      },
      (failure: unknown) => {
        failed = failure
        child.kill('SIGKILL')
      },
    )
  })

  try {
    await ended
    await drained
  } catch (cause) {
    const { reason, hint } = diagnose(String(cause))
    throw new YoeError('SANDBOX_UNAVAILABLE', `no sandbox could be made: ${reason}`, { hint, cause })
  } finally {
    supervision.stop()
    stopRelay()
    for (const pipe of child.stdio) pipe?.destroy()
  }
  if (failed !== undefined) throw failed
  const { tail } = supervision
  // As shells answer when there is no such command.
  const result = supervision.result(code ?? (/^bwrap: execvp /m.test(tail) ? 127 : undefined))
  if (result !== undefined) return result
  const { reason, hint } = diagnose(tail)
  throw new YoeError('SANDBOX_UNAVAILABLE', `no sandbox could be made: ${cleanLine(reason)}`, { hint })
}

/** Runs a command on a terminal that is made for it, and shown on this process's. @see script(1) */
function onTerminal(command: readonly string[]): readonly string[] {
  const line = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
  return ['script', '--quiet', '--flush', '--command', `exec ${line}`, '/dev/null']
}

/** What to start, and what bubblewrap is told. */
async function prepare(
  run: Run,
  more: Readonly<Record<string, string>>,
): Promise<{ chain: Chain; args: readonly string[] }> {
  const who = await self()
  const install = run.identity === 'install'
  if (install && !who.root) await plainInstallMaps(who)
  const hubbed = who.root || install
  const sources: { path: string; writable: boolean }[] = []
  const hub = hubbed ? await chooseHub(run) : ''
  /** Where bubblewrap finds a source. */
  const visible = (path: string, writable: boolean): string =>
    hubbed ? `${hub}/${sources.push({ path, writable }) - 1}` : path

  const args = ['--unshare-ipc', '--unshare-pid', '--unshare-uts', '--unshare-cgroup-try', '--hostname', 'yoe']
  args.push('--unshare-net')
  if (run.network) args.push('--block-fd', '4')
  args.push('--die-with-parent', '--json-status-fd', '6')
  // With a terminal of its own the run is the first in its session already; without, it must not get at anybody's.
  if (run.terminal !== true) args.push('--new-session')
  if (seccompFilter(run.identity) !== undefined) args.push('--seccomp', '7')
  if (install) args.push('--cap-add', 'ALL')
  else args.push('--unshare-user', '--uid', '0', '--gid', '0', '--cap-drop', 'ALL')

  const host = run.root === 'host'
  const root = host ? '/' : run.root
  const placed = await Promise.all(
    run.mounts.map(async (mount) => ({ ...mount, target: await followIn(root, mount.target) })),
  )
  const mounts = placed.toSorted((a, b) => a.target.length - b.target.length)
  const memory = run.tmpfs ?? []
  const targets = [...mounts, ...memory].map(({ target }) => target)
  /** The root itself, or for the host's each entry of `/`. */
  const bases = new Map<string, string>()
  const within = (path: string): string => {
    const base = host ? (/^\/[^/]*/.exec(path)?.[0] ?? '/') : root
    const found = bases.get(base) ?? visible(base, false)
    bases.set(base, found)
    return found + (host ? path.slice(base.length) : path)
  }
  args.push(...(await rootArguments(root, within, targets, host)))
  args.push('--proc', '/proc', '--dev', '/dev', '--remount-ro', '/dev')
  const scratch = String(Math.floor(run.limits.memoryBytes / 2))
  for (const target of ['/dev/shm', '/tmp']) args.push('--perms', '1777', '--size', scratch, '--tmpfs', target)
  args.push('--perms', '0555', '--dir', '/sys')
  for (const { target, size } of memory) args.push('--perms', '0755', '--size', String(size), '--tmpfs', target)
  for (const { source, target, writable } of mounts) {
    await refuseLink(source)
    args.push(writable ? '--bind' : '--ro-bind', visible(source, writable), target)
  }
  args.push('--remount-ro', '/', '--chdir', run.cwd, '--clearenv')
  for (const [name, value] of Object.entries({ ...more, ...run.env })) args.push('--setenv', name, value)

  // Two lines, since each has to lie within one line of the namespace around it.
  const plainMap = mapText([
    { inside: 0, outside: 0, count: 1 },
    { inside: 1, outside: 1, count: 65_535 },
  ])
  return {
    args,
    chain: {
      outerNamespace: install && !who.root,
      hub: hubbed
        ? {
            folder: hub,
            sources,
            become: who.root ? rootRange.first : undefined,
            map: install ? (who.root ? rootMap : plainMap).trim() : undefined,
          }
        : undefined,
      processes: run.limits.processes,
      dataBytes: run.limits.memoryBytes,
      fileBytes: run.limits.fileBytes,
      waits: run.network,
    },
  }
}

async function chooseHub(run: Run): Promise<string> {
  const paths = [run.root, ...run.mounts.map(({ source }: Mount) => source)].filter((path) => path !== 'host')
  const real = await Promise.all(paths.map((path) => realpath(path)))
  for (const folder of hubs) {
    const info = await lstat(folder).catch(() => undefined)
    if (info?.isDirectory() && !real.some((path) => `${path}/`.startsWith(`${folder}/`))) return folder
  }
  throw new YoeError('SANDBOX_UNAVAILABLE', `none of ${hubs.join(', ')} is a folder free to mount over`, {
    hint: 'mkdir /mnt',
  })
}

/** A task may have put a link where its output folder was: following it would hand out what it points to. */
export async function refuseLink(path: string): Promise<void> {
  const info = await lstat(path)
  if (info.isSymbolicLink()) throw new YoeError('PERMISSION', `${path} is a symbolic link, and can't be shown to a run`)
}

type Pipe = Readable | Writable | null | undefined

function writing(pipe: Pipe): Writable {
  if (!(pipe instanceof Writable)) throw new TypeError('a pipe to the sandbox is missing')
  // Whoever reads may be gone: how the run ended says so.
  if (pipe.listenerCount('error') === 0) pipe.on('error', () => {})
  return pipe
}

function reading(pipe: Pipe, line: (text: string) => void): void {
  if (!(pipe instanceof Readable)) throw new TypeError('a pipe from the sandbox is missing')
  let rest = ''
  pipe.on('error', () => {})
  pipe.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('latin1')).split('\n')
    rest = lines.pop() ?? ''
    for (const text of lines) line(text)
  })
}
