import { readFileSync } from 'node:fs'
import type { Evaluated } from '#engine/project/evaluate.ts'
import type { Facts } from '#engine/project/facts.ts'
import { stillTrue } from '#engine/project/facts.ts'
import type { Task } from '#engine/project/model.ts'
import { replaceFile } from '#engine/store/replace-file.ts'
import { openKept, packKept } from './kept-file.ts'

const kind = 'yoe-project/1'

/**
 * What was kept under a name that stands for the request, if it is whole and all that the evaluation saw is still so.
 * @param stale take it, too, when it is not
 */
export function readKeptProject(path: string, stale = false): Evaluated | undefined {
  let file: Buffer
  try {
    file = readFileSync(path)
  } catch {
    return undefined
  }
  const kept = decodeProject(file)
  return kept !== undefined && (stale || stillTrue(kept.facts)) ? kept.open() : undefined
}

/** An accelerator: a folder that can't be written to (a read-only checkout) is no failure. */
export async function keepProject(path: string, evaluated: Evaluated): Promise<void> {
  try {
    await replaceFile(path, encodeProject(evaluated))
  } catch (failure) {
    if (!(failure instanceof Error && 'code' in failure)) throw failure
  }
}

/** The facts come first and alone: they are checked before anything else is read. Tasks, most of a project, are items. */
export function encodeProject({ facts, ...rest }: Evaluated): Buffer {
  const units = rest.project.units.map((unit) => (unit.kind === 'package' ? { ...unit, tasks: [] } : unit))
  const light = { ...rest, project: { ...rest.project, units } }
  const tasks = rest.project.units.map((unit) => (unit.kind === 'package' ? JSON.stringify(unit.tasks) : ''))
  return packKept(kind, [JSON.stringify(facts), JSON.stringify(light)], tasks)
}

/** What was encoded: its facts, and the rest for whoever finds them true; undefined when it is damaged or of another making. */
export function decodeProject(file: Buffer): { readonly facts: Facts; readonly open: () => Evaluated } | undefined {
  const kept = openKept(kind, file)
  if (kept === undefined) return undefined
  // Whole, and written by this very version: it is what was encoded.
  const facts: Facts = JSON.parse(kept.head(0))
  return {
    facts,
    open: () => {
      const rest: Omit<Evaluated, 'facts'> = JSON.parse(kept.head(1))
      for (const [index, unit] of rest.project.units.entries()) {
        if (unit.kind === 'package') readTasksWhenAsked(unit, () => JSON.parse(kept.item(index)))
      }
      return { ...rest, facts }
    },
  }
}

function readTasksWhenAsked(unit: object, read: () => readonly Task[]): void {
  let tasks: readonly Task[] | undefined
  Object.defineProperty(unit, 'tasks', {
    enumerable: true,
    get: () => {
      tasks ??= read()
      return tasks
    },
  })
}
