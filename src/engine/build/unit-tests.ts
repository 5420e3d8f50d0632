import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { PackageNode } from '../plan/graph.ts'
import type { Check } from '../project/model.ts'
import type { BuildContext } from './context.ts'
import { limitsOf } from './context.ts'
import { inside, taskEnvironment } from './environment.ts'
import type { Finished } from './finished.ts'
import { foldersOf } from './folders.ts'
import { fillSysroot, linkPackages } from './sysroot.ts'
import { removeTree } from './tree.ts'
import type { UnitLog } from './unit-log.ts'
import { openUnitLog } from './unit-log.ts'
import { shellIn } from './unit-shell.ts'
import type { Mount } from './worker.ts'

export interface TestResult {
  readonly name: string
  readonly ok: boolean
  readonly ms: number
  /** Why it failed: `exit code 1`. */
  readonly why?: string
  /** The last lines that one that failed printed. */
  readonly tail?: readonly string[]
  readonly at: Check['at']
}

export interface UnitTestReport {
  readonly unit: string
  /** The node's id. */
  readonly id: string
  readonly tests: readonly TestResult[]
  /** Absolute. */
  readonly log: string
}

/**
 * Runs the tests of a finished unit, in the sandbox that it was built in: `$DESTDIR` has its packages unpacked, and the
 * sysroot has them, too, beside its dependencies and all that they need to run. Nothing of these can be written to.
 *
 * @param around a node that needs the unit and all of that, in whose root the tests run
 */
export async function runUnitTests(
  context: BuildContext,
  node: PackageNode,
  around: PackageNode,
  results: Finished,
): Promise<UnitTestReport> {
  const { unit } = node
  const { root: home } = foldersOf(context.buildRoot, node)
  const root = join(home, 'test')
  const [destdir, sysroot, work] = [join(root, 'destdir'), join(root, 'sysroot'), join(root, 'home')]
  await removeTree(root)
  for (const folder of [destdir, sysroot, work]) await mkdir(folder, { recursive: true })
  const path = join(home, 'test.log')
  const log = openUnitLog(path, node.id, context.report, limitsOf(context, unit).logBytes)
  try {
    if (around.toolchain === undefined) throw new TypeError(`${around.id} has no root to run tests in`)
    const toolchain = await results.rootOf(around.toolchain)
    const unpacker = around.unpacker === undefined ? toolchain : await results.rootOf(around.unpacker)
    await fillSysroot(context, around, unpacker, results, sysroot, log)
    await linkPackages(context, await results.packagesOf(node), unpacker, destdir, log)
    await context.worker.prepareWritable(work)
    const mounts: readonly Mount[] = [
      { source: destdir, target: inside.destdir, writable: false },
      { source: sysroot, target: inside.sysroot, writable: false },
      { source: work, target: inside.home, writable: true },
    ]
    const tests: TestResult[] = []
    for (const check of unit.tests) tests.push(await runTest(context, node, check, { root: toolchain, mounts }, log))
    return { unit: unit.name, id: node.id, tests, log: path }
  } finally {
    log.close()
    await removeTree(root)
  }
}

async function runTest(
  context: BuildContext,
  node: PackageNode,
  { name, command, at }: Check,
  where: { readonly root: string; readonly mounts: readonly Mount[] },
  log: UnitLog,
): Promise<TestResult> {
  const { format, processors, sourceDateEpoch, worker, signal } = context
  log.note(`test ${name}`)
  log.line(`+ ${command}`)
  const start = performance.now()
  const result = await worker.run({
    ...where,
    argv: [...(await shellIn(where.root, node.unit)).command, command],
    env: taskEnvironment(node, format.searchFolders(node.arch), processors, sourceDateEpoch),
    cwd: inside.home,
    network: false,
    identity: 'user',
    limits: limitsOf(context, node.unit),
    output: log.write,
    signal,
  })
  const ms = performance.now() - start
  if (result.kind === 'exited' && result.code === 0) return { name, ok: true, ms, at }
  const why = result.kind === 'exited' ? `exit code ${result.code}` : result.why
  const { tail } = log.excerpt()
  const printed = tail.slice(tail.lastIndexOf(`=== test ${name}`) + 1).filter((line) => line !== `+ ${command}`)
  log.line(`failed: ${why}`)
  return { name, ok: false, ms, why, tail: printed, at }
}
