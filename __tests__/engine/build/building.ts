/** Runs the tasks of a unit of a small project in a worker that only notes what it is asked for. */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { BuildContext } from '#engine/build/context.ts'
import { foldersOf } from '#engine/build/folders.ts'
import type { LimitName } from '#engine/build/limits.ts'
import { networkAccess } from '#engine/build/network-access.ts'
import { runTasks } from '#engine/build/run-tasks.ts'
import { openUnitLog } from '#engine/build/unit-log.ts'
import type { Limits, Run, RunResult } from '#engine/build/worker.ts'
import { userErrors } from '#engine/errors.ts'
import { silent } from '#engine/events.ts'
import type { PackageNode } from '#engine/plan/graph.ts'
import { openTaskFunctions } from '#engine/project/task-functions.ts'
import { Store } from '#engine/store/store.ts'
import { debianFormat } from '#feeds/debian/format.ts'
import { scratch, type Texts, writeTexts } from '../../support/project.ts'
import { base, planAt } from '../plan/fake-world.ts'
import { shown } from '../project/evaluating.ts'

const never = (): never => {
  throw new TypeError('not in these tests')
}

/** What a command of the fake worker does: prints, and ends with a status; `ended` when it is not left to end. */
export interface Said {
  readonly output?: string
  readonly status?: number
  readonly ended?: string
  /** That it crossed, when it was ended for that. */
  readonly limit?: LimitName
}

export interface Ran {
  /** Commands, in order. */
  readonly commands: readonly string[]
  readonly runs: readonly Run[]
  /** `file:line: CODE message | hint` of what went wrong; '' when nothing did. */
  readonly error: string
  readonly log: readonly string[]
  readonly root: string
  readonly node: PackageNode
  readonly context: BuildContext
}

export interface RunOptions {
  /** Called when the project is planned, before anything runs. */
  readonly planned?: (root: string) => void
  readonly says?: (command: string, run: Run) => Said | Promise<Said>
  readonly signal?: AbortSignal
  /** This machine's. */
  readonly limits?: Partial<Limits>
}

/** Runs the tasks of the unit `app`. */
export async function runApp(t: TestContext, texts: Texts, options: RunOptions = {}): Promise<Ran> {
  const root = join(scratch(t), 'project')
  writeTexts(root, { ...base, ...texts })
  const { project, targets, keys } = await planAt(root, ['app'])
  const node = targets.find((each): each is PackageNode => each.kind === 'package')
  assert.ok(node)
  const runs: Run[] = []
  const commandOf = (run: Run): string => run.argv.at(-1) ?? ''
  const context: BuildContext = {
    project,
    store: await Store.open(join(root, 'cache'), { report: silent }),
    worker: {
      name: 'fake',
      probe: never,
      run: async (run): Promise<RunResult> => {
        runs.push(run)
        const { output = '', status = 0, ended, limit } = (await options.says?.(commandOf(run), run)) ?? {}
        run.output(Buffer.from(output))
        if (ended === undefined) return { kind: 'exited', code: status }
        return { kind: 'killed', why: ended, ...(limit === undefined ? {} : { limit }) }
      },
      prepareWritable: async () => {},
      prepareReadable: async () => {},
    },
    format: debianFormat,
    buildRoot: join(root, 'build'),
    keys,
    fetchPackage: never,
    absolute: ({ path }) => join(root, path),
    functions: ({ unit }) => {
      const machine = project.machines.find(({ name }) => name === 'box')
      return openTaskFunctions({ project, machine, formatBuiltins: {} }, unit)
    },
    fetcher: { fetch: never },
    network: networkAccess(project.sources, {}),
    offline: false,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    processors: 3,
    maintainer: '',
    sourceDateEpoch: 0,
    builder: '',
    report: silent,
    signal: options.signal ?? new AbortController().signal,
  }
  const folders = foldersOf(context.buildRoot, node)
  for (const folder of [folders.source, folders.destdir, folders.sysroot, folders.install]) {
    mkdirSync(folder, { recursive: true })
  }
  options.planned?.(root)
  const log = openUnitLog(folders.log, node.id, silent)
  let error = ''
  try {
    await runTasks(context, node, { rootOf: async ({ unit }) => `/roots/${unit.name}` }, folders, log)
  } catch (failure) {
    const [first] = userErrors(failure) ?? []
    if (first === undefined) throw failure
    error = shown(first)
  }
  const { tail } = log.excerpt()
  log.close()
  return { commands: runs.map(commandOf), runs, error, log: tail, root, node, context }
}
