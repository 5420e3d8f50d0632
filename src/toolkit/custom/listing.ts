import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { userErrors } from '#engine/errors.ts'
import { digestOf } from '#engine/plan/canonical.ts'
import type { Facts } from '#engine/project/facts.ts'
import { stillTrue } from '#engine/project/facts.ts'
import type { Project } from '#engine/project/model.ts'
import { placeLabel } from '#engine/project/place.ts'
import { errorCode } from '#engine/store/disk.ts'
import { replaceFile } from '#engine/store/replace-file.ts'
import { version } from '#engine/version.ts'
import { openKept, sealKept } from '../kept.ts'
import { evaluatedFolder } from '../workspace.ts'
import type { Argument } from './declaration.ts'
import type { CommandFile } from './files.ts'
import { commandFiles } from './files.ts'

/** A command of a project as lists show it. */
export interface ListedCommand {
  readonly name: string
  /** '' for the project itself. */
  readonly module: string
  /** The file, as errors name it. */
  readonly file: string
  readonly description: string
  readonly args: readonly Argument[]
  /** Why it can't be used: `commands/x.star:3: …`. */
  readonly problem?: string
}

type Commands = Pick<Project, 'root' | 'modules'>

/**
 * Every command of a project and its modules, by name; one that is broken says so and keeps no other from being listed.
 * What the files said is kept as long as they stay as they are.
 *
 * @param taken names that are no project's to have
 */
export async function listCommands(project: Commands, taken: readonly string[]): Promise<readonly ListedCommand[]> {
  const files = commandFiles(project)
  const known = readKept(project, files)
  const listed = known ?? (await evaluateAll(project, files))
  return listed.map((command) =>
    taken.includes(command.name) ? { ...command, problem: `${command.file}: yoe itself has this command` } : command,
  )
}

/**
 * What was kept of the commands when they were last listed; names alone where nothing was. Runs no Starlark.
 * @param stale take what was kept although files may have changed since
 */
export function knownCommands(project: Commands): readonly ListedCommand[] {
  const files = commandFiles(project)
  const kept = readKept(project, files, true)
  return kept ?? [...files.values()].map((file) => entry(file, '', []))
}

async function evaluateAll(
  project: Commands,
  files: ReadonlyMap<string, CommandFile>,
): Promise<readonly ListedCommand[]> {
  if (files.size === 0) return []
  const { CommandFiles } = await import('./evaluate.ts')
  const facts: Record<string, string> = {}
  const listed: ListedCommand[] = []
  let interpreter = await CommandFiles.open(project, () => {})
  for (const file of files.values()) {
    try {
      const { declaration } = await interpreter.evaluate(file)
      listed.push(entry(file, declaration.description, declaration.args))
    } catch (failure) {
      const [error] = userErrors(failure) ?? []
      if (error === undefined) throw failure
      const where = error.at === undefined ? placeLabel(file.place) : `${error.at.file}:${error.at.line}`
      listed.push({ ...entry(file, '', []), problem: `${where}: ${error.message}` })
    }
    Object.assign(facts, interpreter.facts)
    if (interpreter.lost) interpreter = await CommandFiles.open(project, () => {})
  }
  await keep(project, files, { facts, listed })
  return listed
}

function entry(file: CommandFile, description: string, args: readonly Argument[]): ListedCommand {
  return { name: file.name, module: file.module, file: placeLabel(file.place), description, args }
}

interface Kept {
  readonly facts: Facts
  readonly listed: readonly ListedCommand[]
}

function keptPath({ root, modules }: Commands, files: ReadonlyMap<string, CommandFile>): string {
  const roots = modules.map((module) => [module.name, module.root])
  const key = digestOf('yoe-commands/1', {
    version,
    roots,
    files: [...files.values()].map(({ place }) => placeLabel(place)),
  })
  return join(root, 'build', evaluatedFolder, `commands-${key.slice(0, 40)}.json`)
}

function readKept(
  project: Commands,
  files: ReadonlyMap<string, CommandFile>,
  stale = false,
): Kept['listed'] | undefined {
  try {
    const body = openKept(readFileSync(keptPath(project, files), 'utf8'))
    if (body === undefined) return undefined
    // Written by this version, and whole.
    const kept: Kept = JSON.parse(body)
    return stale || stillTrue(kept.facts) ? kept.listed : undefined
  } catch {
    return undefined
  }
}

/** An accelerator: that it can't be written is no failure. */
async function keep(project: Commands, files: ReadonlyMap<string, CommandFile>, kept: Kept): Promise<void> {
  try {
    await replaceFile(keptPath(project, files), sealKept(JSON.stringify(kept)))
  } catch (failure) {
    if (errorCode(failure) === '') throw failure
  }
}
