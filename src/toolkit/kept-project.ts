import { readFileSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { replaceFile } from '#engine/build/folders.ts'
import type { Evaluated } from '#engine/project/evaluate.ts'
import type { Facts } from '#engine/project/facts.ts'
import { stillTrue } from '#engine/project/facts.ts'
import type { Task } from '#engine/project/model.ts'

/** What was kept under a name that stands for the request, if it is whole and all that the evaluation saw is still so. */
export function readKeptProject(path: string): Evaluated | undefined {
  let file: Buffer
  try {
    file = readFileSync(path)
  } catch {
    return undefined
  }
  const kept = decodeProject(file)
  return kept !== undefined && stillTrue(kept.facts) ? kept.open() : undefined
}

/** An accelerator: a folder that can't be written to (a read-only checkout) is no failure. */
export async function keepProject(path: string, evaluated: Evaluated): Promise<void> {
  try {
    await replaceFile(path, encodeProject(evaluated))
  } catch (failure) {
    if (!(failure instanceof Error && 'code' in failure)) throw failure
  }
}

/**
 * An evaluated project as one file: a line that tells damage, then JSON texts: the facts, which are checked before anything
 * else is looked at; the project without its tasks, which are most of it; the tasks of each unit, read when somebody
 * asks for them.
 */
const magic = 'yoe-project/1'

export function encodeProject({ facts, ...rest }: Evaluated): Buffer {
  const places: number[] = []
  const tasks: Buffer[] = []
  let end = 0
  const units = rest.project.units.map((unit) => {
    if (unit.kind !== 'package') return unit
    const text = Buffer.from(JSON.stringify(unit.tasks))
    tasks.push(text)
    end += text.length
    places.push(end)
    return { ...unit, tasks: [] }
  })
  const parts = [
    Buffer.from(JSON.stringify(facts)),
    Buffer.from(JSON.stringify({ ...rest, project: { ...rest.project, units } })),
    Buffer.from(JSON.stringify(places)),
    ...tasks,
  ]
  const body = Buffer.concat(parts)
  const head = `${[magic, ...parts.slice(0, 3).map((part) => part.length)].join(' ')} `
  return Buffer.concat([Buffer.from(`${head}${crc32(body, crc32(head))}\n`), body])
}

/** What was encoded: its facts, and the rest for whoever finds them true; undefined when it is damaged or of another making. */
export function decodeProject(file: Buffer): { readonly facts: Facts; readonly open: () => Evaluated } | undefined {
  const line = file.indexOf('\n')
  const found = /^(\S+ (\d+) (\d+) (\d+) )(\d+)$/.exec(file.toString('latin1', 0, Math.max(0, line)))
  const [, head = '', factsLength, restLength, placesLength, sum] = found ?? []
  const body = file.subarray(line + 1)
  if (!head.startsWith(`${magic} `) || String(crc32(body, crc32(head))) !== sum) return undefined
  const restAt = Number(factsLength)
  const placesAt = restAt + Number(restLength)
  const tasksAt = placesAt + Number(placesLength)
  // Whole, and written by this very version: it is what was encoded.
  const facts: Facts = JSON.parse(body.toString('utf8', 0, restAt))
  return {
    facts,
    open: () => {
      const rest: Omit<Evaluated, 'facts'> = JSON.parse(body.toString('utf8', restAt, placesAt))
      const places: readonly number[] = JSON.parse(body.toString('utf8', placesAt, tasksAt))
      let start = tasksAt
      for (const [index, unit] of rest.project.units.filter(({ kind }) => kind === 'package').entries()) {
        const from = start
        start = tasksAt + (places[index] ?? 0)
        lazily(unit, from, start)
      }
      return { ...rest, facts }
    },
  }

  function lazily(unit: object, from: number, to: number): void {
    let tasks: readonly Task[] | undefined
    Object.defineProperty(unit, 'tasks', {
      enumerable: true,
      get: () => {
        tasks ??= JSON.parse(body.toString('utf8', from, to))
        return tasks
      },
    })
  }
}
