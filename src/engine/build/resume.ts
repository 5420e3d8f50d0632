import { existsSync, readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '../plan/canonical.ts'
import type { Json, Task } from '../project/model.ts'
import { replaceFile } from '../store/replace-file.ts'

/** How far the tasks of a unit in dev state came in the copy of its source that is kept. */
export interface WorkState {
  /** Of all that decides about the result but the source and the tasks: with other compilers or headers, nothing is kept. */
  readonly base: string
  /** The source that the tasks ran on. */
  readonly content: string
  /** The tasks that were started, in order. */
  readonly tasks: readonly {
    readonly digest: string
    /** The destdir was empty before it. */
    readonly empty: boolean
    readonly done: boolean
  }[]
  /** All tasks were done. */
  readonly complete: boolean
}

const stateFile = (root: string): string => join(root, 'work.json')

/** How far the work in `root` came; undefined when nothing is known that can be believed. */
export function readWorkState(root: string): WorkState | undefined {
  if (!existsSync(stateFile(root))) return undefined
  try {
    const { base, content, tasks, complete }: Partial<WorkState> = JSON.parse(readFileSync(stateFile(root), 'utf8'))
    if (base === undefined || content === undefined || tasks === undefined) return undefined
    return { base, content, tasks, complete: complete === true }
  } catch {
    return undefined
  }
}

/** Identities of the parts of a unit's key that say what a kept copy may be used for. */
export function partsOf(
  inputs: Json,
  tasks: readonly Task[],
): { readonly base: string; readonly tasks: readonly string[] } {
  const { unit, ...rest } = members(inputs)
  const { source: _, patches: __, tasks: keyed, ...declared } = members(unit)
  const list: readonly Json[] = Array.isArray(keyed) ? keyed : []
  return {
    base: digestOf('yoe-work/1', { ...rest, unit: declared }),
    // Those that yoe adds are in no key: they follow from the rest.
    tasks: tasks.map(({ name }, index) => digestOf('yoe-work-task/1', list[index] ?? name)),
  }
}

function members(value: Json | undefined): { readonly [name: string]: Json } {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
}

/** Files that say how the rest is built: when one changed, tasks that are done may have read what it said before. */
const definition =
  /(^|\/)(configure|GNUmakefile|CMakeLists\.txt|meson\.build|meson(_options\.txt|\.options)|package(-lock)?\.json|bun\.lockb?|go\.(mod|sum|work)|Cargo\.(toml|lock)|build\.rs|pyproject\.toml|setup\.(py|cfg)|requirements[^/]*\.txt|build\.zig(\.zon)?|SConstruct|wscript|[^/]*defconfig)$|(^|\/)(Makefile|Kconfig|Kbuild)[^/]*$|\.(ac|am|m4|cmake|mk|pro|pri|in)$/

/**
 * The task to go on with. After a build that failed it is the first that was not done, unless what it builds on changed;
 * the destdir is empty when it starts, so a task that adds to what another one installed begins with that one.
 *
 * @param tasks digests of the tasks as they are now
 * @param changed paths of the source that changed since
 */
export function firstTask(before: WorkState | undefined, tasks: readonly string[], changed: readonly string[]): number {
  if (before === undefined || before.complete || changed.some((path) => definition.test(path))) return 0
  const other = before.tasks.findIndex(({ digest, done }, index) => !done || digest !== tasks[index])
  const next = other < 0 ? before.tasks.length : other
  return Math.max(
    0,
    before.tasks.findLastIndex(({ empty }, index) => empty && index <= next),
  )
}

/** Keeps a note of how far the tasks of one build are. */
export class Progress {
  /** The task to begin with. */
  readonly first: number
  readonly #root: string
  readonly #destdir: string
  readonly #tasks: readonly string[]
  #state: WorkState

  constructor(root: string, destdir: string, state: WorkState, first: number, tasks: readonly string[]) {
    this.first = first
    this.#root = root
    this.#destdir = destdir
    this.#tasks = tasks
    this.#state = { ...state, tasks: state.tasks.slice(0, first), complete: false }
  }

  async started(index: number): Promise<void> {
    const empty = (await readdir(this.#destdir)).length === 0
    const entry = { digest: this.#tasks[index] ?? '', empty, done: false }
    await this.#write({ tasks: [...this.#state.tasks.slice(0, index), entry] })
  }

  async finished(index: number, last: boolean): Promise<void> {
    const tasks = this.#state.tasks.map((task, at) => (at === index ? { ...task, done: true } : task))
    await this.#write({ tasks, complete: last })
  }

  async #write(change: Partial<WorkState>): Promise<void> {
    this.#state = { ...this.#state, ...change }
    await replaceFile(stateFile(this.#root), JSON.stringify(this.#state))
  }
}
