import { YoeError } from '../errors.ts'
import type { ProjectDeclaration } from './declarations.ts'

/**
 * Of several `project(…)` calls the one that counts: a file that loads another one has the last word, so that a default
 * project can extend one of a product.
 * @param loads every `load` statement that was followed: file to files, by label
 * @returns undefined when none was called; an error that names two calls of which neither outranks the other
 * @see seed, Naming and Resolution, Projects as module scoping
 */
export function decidingProject(
  calls: readonly ProjectDeclaration[],
  loads: ReadonlyMap<string, ReadonlySet<string>>,
): ProjectDeclaration | YoeError | undefined {
  const [first, ...others] = calls
  if (first === undefined) return undefined
  let deciding = first
  for (const call of others) {
    if (reaches(call.at.file, deciding.at.file, loads)) deciding = call
    else if (!reaches(deciding.at.file, call.at.file, loads)) return rivals(deciding, call)
  }
  return deciding
}

/** Whether a file loads another one, however indirectly; never itself. */
function reaches(from: string, to: string, loads: ReadonlyMap<string, ReadonlySet<string>>): boolean {
  const seen = new Set<string>()
  const work = [from]
  for (let file = work.pop(); file !== undefined; file = work.pop()) {
    for (const next of loads.get(file) ?? []) {
      if (next === to) return true
      if (seen.has(next)) continue
      seen.add(next)
      work.push(next)
    }
  }
  return false
}

function rivals({ at: first, name }: ProjectDeclaration, { at, name: other }: ProjectDeclaration): YoeError {
  const where = `${first.file}:${first.line}`
  if (first.file === at.file) {
    return new YoeError('DUPLICATE', 'project() is called twice', { at, hint: `the first call is at ${where}` })
  }
  const message = `two projects are loaded: "${name}" at ${where} and "${other}" at ${at.file}:${at.line}`
  return new YoeError('DUPLICATE', message, {
    at,
    hint: 'load one of the files only, or call project() in the file that loads both: its call then counts',
  })
}
