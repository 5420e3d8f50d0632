import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { PackageNode } from '#engine/plan/graph.ts'
import type { PackageUnit, Project } from '#engine/project/model.ts'
import { replaceFile } from '#engine/store/replace-file.ts'
import type { Plan } from '../planning.ts'
import { notEditable, setArgument } from './star-edit.ts'

/** The file that declares a unit. @throws {YoeError} SOURCE_STATE for one of a module that is not this machine's to edit */
export function starFileOf(project: Project, { name, at, module }: PackageUnit): string {
  const path = at.file.replace(/^@[^/]+\/\//, '')
  if (module === '') return join(project.root, path)
  const found = project.modules.find((one) => one.name === module)
  if (found === undefined) throw new TypeError(`no module ${module}`)
  if (found.origin.kind === 'local') return join(found.root, path)
  throw new YoeError('SOURCE_STATE', `${name} belongs to the module ${module}, which is not edited here`, {
    at,
    hint: `check the module out, and name that: module(…, local = "…"); or give --to DIR`,
  })
}

/**
 * Gives an argument of a unit's declaration another value, in its file.
 *
 * @param value Starlark text; undefined takes it out
 * @returns whether the file changed
 * @throws {YoeError} SOURCE_STATE, with what to write, when only its author can
 */
export async function changeStar(
  { project }: Pick<Plan, 'project'>,
  { unit }: PackageNode,
  name: string,
  value: string | undefined,
): Promise<boolean> {
  const file = starFileOf(project, unit)
  const text = await readFile(file, 'utf8')
  const changed = setArgument(text, unit.at, name, value)
  if (changed === undefined) throw notEditable(unit.at.file, name, unit.at.line, value ?? '[]')
  if (changed === text) return false
  await replaceFile(file, changed)
  return true
}
