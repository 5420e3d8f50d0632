import type { Project } from '#engine/project/model.ts'
import type { Argument } from '#toolkit/custom/declaration.ts'
import { knownCommands } from '#toolkit/custom/listing.ts'
import { knownProject } from '#toolkit/workspace.ts'
import type { Completes, Options } from '../command.ts'
import { globalOptions } from '../command.ts'
import { commands } from '../commands.ts'
import { optionsOf } from '../help.ts'
import type { Output } from '../output.ts'
import { optionOf, reach, reachOf, workspaceFor } from '../own-commands.ts'
import { shown } from '../shown.ts'
import type { Candidate, Completable, Knowledge } from './candidates.ts'
import { candidatesFor } from './candidates.ts'
import { shells } from './scripts.ts'

/**
 * Answers a shell: `yoe __complete SHELL INDEX WORD…`. Evaluates nothing, fails never and says nothing but candidates:
 * a shell asks between two key strokes, about lines and in folders that may be anything.
 */
export async function complete(argv: readonly string[], output: Output): Promise<number> {
  try {
    const [shell, index, ...words] = argv
    if (!shells.some((known) => known === shell)) return 0
    const line =
      shell === 'bash'
        ? joined(words, Number(index))
        : { words: words.slice(1, Number(index)), current: words[Number(index)] ?? '', cut: 0 }
    for (const { text, about } of await candidatesFor(knowledgeOf(line.words), line.words, line.current))
      output.print(about === '' ? text.slice(line.cut) : `${text.slice(line.cut)}\t${shown(about)}`)
  } catch {
    // No candidates, then.
  }
  return 0
}

/** Bash takes `=` and `:` for words of their own, and replaces only what follows the last of them. */
function joined(words: readonly string[], index: number) {
  const whole: string[] = []
  let glued = false
  let cut = 0
  for (const word of words.slice(1, index + 1)) {
    const divides = /^[=:]+$/.test(word)
    if ((divides || glued) && whole.length > 0) {
      cut = divides ? (whole.at(-1) ?? '').length + word.length : cut
      whole.push(`${whole.pop() ?? ''}${word}`)
    } else {
      cut = 0
      whole.push(word)
    }
    glued = divides
  }
  return { words: whole.slice(0, -1), current: whole.at(-1) ?? '', cut }
}

function knowledgeOf(line: readonly string[]): Knowledge {
  const { project: named, machine } = reachOf(line)
  const project = attempt(
    () => knownProject(workspaceFor(named), undefined) ?? knownProject(workspaceFor(named), machine),
  )
  const own = project === undefined ? [] : (attempt(() => knownCommands(project)) ?? [])
  return {
    commands: [
      ...Object.entries(commands).map(([text, { summary }]) => ({ text, about: summary })),
      { text: 'help', about: 'explain a command' },
      ...own
        .filter(({ name, problem }) => problem === undefined && !Object.hasOwn(commands, name))
        .map(({ name, description }) => ({ text: name, about: description })),
    ],
    async command(name) {
      const entry = Object.hasOwn(commands, name) ? commands[name] : undefined
      if (entry !== undefined) {
        const definition = await entry.load()
        return { options: optionsOf(definition), completes: definition.completes ?? [] }
      }
      const found = own.find((command) => command.name === name)
      return found === undefined ? undefined : ownCompletable(found.args)
    },
    names: (kind) => (project === undefined ? [] : namesOf(project, kind)),
  }
}

/** What has no answer has no candidates. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}

/** An argument that is called like a kind of thing is completed with such things. */
const kinds = ['unit', 'image', 'machine', 'distro', 'module', 'file'] as const

function ownCompletable(args: readonly Argument[]): Completable {
  const completes = ({ name }: Argument): Completes => kinds.find((kind) => kind === name) ?? []
  const options: Options = Object.fromEntries(
    args
      .filter(({ option }) => option)
      .map((argument) => [argument.name, { ...optionOf(argument), completes: completes(argument) }]),
  )
  return {
    options: { ...options, ...reach, help: globalOptions.help },
    // What is no kind of thing may be a file, as far as yoe knows.
    completes: args.filter(({ option }) => !option).map(completes),
  }
}

function namesOf(project: Project, kind: Exclude<Completes, readonly string[] | 'file'>): readonly Candidate[] {
  const units = (...wanted: readonly string[]): readonly Candidate[] =>
    project.units
      .filter((unit) => wanted.includes(unit.kind))
      .map(({ name, description }) => ({ text: name, about: description }))
  switch (kind) {
    case 'unit':
      return unique(units('package', 'toolchain'))
    case 'image':
      return unique(units('image'))
    case 'target':
      return unique(units('package', 'image', 'toolchain'))
    case 'machine':
      return unique(project.machines.map(({ name, description }) => ({ text: name, about: description })))
    case 'distro':
      return unique(project.feeds.map(({ distro }) => ({ text: distro, about: '' })))
    case 'module':
      return unique(project.modules.map(({ name, description }) => ({ text: name, about: description })))
    case 'cell':
      return unique(
        project.machines.flatMap((machine) =>
          units('image').map(({ text, about }) => ({ text: `${machine.name}/${text}`, about })),
        ),
      )
    default:
      return kind satisfies never
  }
}

function unique(candidates: readonly Candidate[]): readonly Candidate[] {
  const byText = new Map(candidates.toReversed().map((candidate) => [candidate.text, candidate]))
  return [...byText.values()].sort((a, b) => (a.text < b.text ? -1 : 1))
}
