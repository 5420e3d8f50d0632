import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { PackageNode } from '../plan/graph.ts'
import { copyTree } from '../source/tree.ts'
import { readPrepared, sourceId } from '../source/work-tree.ts'
import type { BuildContext } from './context.ts'
import { keyOf, limitsOf } from './context.ts'
import { inImage, inside, taskEnvironment } from './environment.ts'
import type { Finished } from './finished.ts'
import { foldersOf } from './folders.ts'
import { runProgram } from './host-program.ts'
import { StagedSteps } from './install-steps.ts'
import { environmentOfRoot } from './roots.ts'
import { prepareTree, reclaim, visible } from './source-step.ts'
import { fillSysroot } from './sysroot.ts'
import { removeTree } from './tree.ts'
import { openUnitLog } from './unit-log.ts'
import { shellIn, type UnitShell } from './unit-shell.ts'
import type { Mount, RunResult } from './worker.ts'

export interface ShellRequest {
  /** One command instead of a shell. */
  readonly command: string | undefined
  /** On this process's terminal; else with these bytes as input, and `output`. */
  readonly terminal: boolean
  readonly stdin: Uint8Array | undefined
  readonly output: (chunk: Uint8Array) => void
  /** What its terminal is. */
  readonly term: string
  /** Told right before it starts: the folder on this machine that `$SRCDIR` is, where what is written to it stays. */
  readonly starting: (kept: string | undefined) => void
}

/** A person may think for as long as they like (s). */
const patience = 14 * 24 * 3600

/**
 * Runs a shell, or a command, where a unit's tasks run: the same root, sysroot, environment and refusals. All that it
 * writes is gone afterwards, but for the source of a unit in dev state, which is the work tree itself; of a pinned unit
 * it is a copy of the tree as the last build left it.
 */
export async function runShell(
  context: BuildContext,
  node: PackageNode,
  results: Finished,
  request: ShellRequest,
): Promise<RunResult> {
  if (node.toolchain === undefined) throw new TypeError(`${node.id} has no root`)
  const own = foldersOf(context.buildRoot, node)
  const base = join(own.root, 'shell')
  const at = (name: string): string => join(base, name)
  await removeTree(base)
  const log = openUnitLog(join(own.root, 'shell.log'), node.id, context.report, limitsOf(context, node.unit).logBytes)
  try {
    for (const name of ['src', 'destdir', 'sysroot', 'install', 'home']) {
      await mkdir(at(name), { recursive: true })
      await chmod(at(name), 0o755)
    }
    const root = await results.rootOf(node.toolchain)
    const unpacker = node.unpacker === undefined ? root : await results.rootOf(node.unpacker)
    await fillSysroot(context, node, unpacker, results, at('sysroot'), log)
    const { source } = node.unit
    const remote = source === undefined || source.kind === 'path' ? undefined : source
    const dev = keyOf(context, node).dev !== undefined
    if (remote !== undefined && !dev) {
      if (readPrepared(own)?.source !== sourceId(remote)) await prepareTree(context, node, remote, unpacker, own, log)
      await runProgram('cp', ['--archive', '--reflink=auto', '--', `${own.source}/.`, at('src')])
    } else if (source?.kind === 'path') {
      await copyTree(context.absolute(source.place), at('src'), context.sourceDateEpoch)
    }
    await new StagedSteps(context, node, at('install')).stageDeclared()
    const folder = dev ? own.source : at('src')
    for (const path of [folder, at('destdir'), at('home')]) await context.worker.prepareWritable(path)
    const seen = remote === undefined ? { mounts: [], env: {} } : visible(remote, own)
    const mounts: readonly Mount[] = [
      { source: folder, target: inside.source, writable: true },
      ...seen.mounts,
      { source: at('destdir'), target: inside.destdir, writable: true },
      { source: at('home'), target: inside.home, writable: true },
      { source: at('sysroot'), target: inside.sysroot, writable: false },
      { source: at('install'), target: inside.install, writable: false },
    ]
    const { processors, sourceDateEpoch, format, worker, signal } = context
    const env = inImage(
      { ...seen.env, ...taskEnvironment(node, format.searchFolders(node.arch), processors, sourceDateEpoch) },
      await environmentOfRoot(root),
    )
    request.starting(dev ? own.source : undefined)
    const result = await worker.run({
      root,
      argv: argvOf(await shellIn(root, node.unit), request),
      env: { ...env, TERM: request.term, PS1: `${node.unit.name}:\\w\\$ ` },
      cwd: inside.source,
      mounts,
      network: false,
      identity: 'user',
      limits: { ...limitsOf(context, node.unit), wallSeconds: patience, silenceSeconds: patience },
      terminal: request.terminal,
      ...(request.stdin === undefined ? {} : { stdin: request.stdin }),
      output: request.output,
      signal,
    })
    if (dev) await reclaim(own)
    return result
  } finally {
    log.close()
    await removeTree(base)
  }
}

function argvOf(shell: UnitShell, { command, terminal }: ShellRequest): readonly string[] {
  if (command !== undefined) return [...shell.command, command]
  return terminal ? [...shell.interactive, '-i'] : shell.interactive
}
