import type { Completes, Option, Options } from '../command.ts'
import { filesMark } from './scripts.ts'

/** Something that could stand where the cursor is. */
export interface Candidate {
  readonly text: string
  readonly about: string
}

/** What is known of a command. */
export interface Completable {
  readonly options: Options
  readonly completes: readonly Completes[]
}

/** What lines can be completed from. */
export interface Knowledge {
  /** Every command, with what it does. */
  readonly commands: readonly Candidate[]
  command(name: string): Promise<Completable | undefined>
  /** Names of a kind that the project has. */
  names(kind: Exclude<Completes, readonly string[] | 'file'>): readonly Candidate[]
}

/** Stands for the names of files, which shells know. */
export const files: Candidate = { text: filesMark, about: '' }

/**
 * What the last word could become.
 * @param before the words in front of it, from the command's verb on
 * @param current as far as it is written
 */
export async function candidatesFor(
  knowledge: Knowledge,
  before: readonly string[],
  current: string,
): Promise<readonly Candidate[]> {
  const [first, second] = before
  // `yoe --project FILE VERB …`
  if (first === '--project') {
    return second === undefined ? [files] : candidatesFor(knowledge, before.slice(2), current)
  }
  if (first?.startsWith('--project=') === true) return candidatesFor(knowledge, before.slice(1), current)
  if (first === undefined) return startingWith(current, current.startsWith('-') ? globals : knowledge.commands)
  if (first === 'help') return second === undefined ? startingWith(current, knowledge.commands) : []
  const command = await knowledge.command(first)
  if (command === undefined) return []
  return inCommand(knowledge, command, before.slice(1), current)
}

const globals: readonly Candidate[] = [
  { text: '--help', about: 'list the commands' },
  { text: '--project', about: 'the project: its file or folder' },
  { text: '--version', about: 'tell the version' },
]

function inCommand(
  knowledge: Knowledge,
  { options, completes }: Completable,
  before: readonly string[],
  current: string,
): readonly Candidate[] {
  const { positionals, given, waiting, closed } = read(options, before)
  const complete = (what: Completes | undefined, written: string, prefix = ''): readonly Candidate[] =>
    valuesOf(knowledge, what, written, prefix)
  if (waiting !== undefined) return complete(waiting.completes, current)
  const joined = closed ? null : /^--([\w-]+)=(.*)$/s.exec(current)
  if (joined !== null) {
    const [, name = '', written = ''] = joined
    const option = Object.hasOwn(options, name) ? options[name] : undefined
    return option?.type === 'string' ? complete(option.completes, written, `--${name}=`) : []
  }
  if (current.startsWith('-') && !closed) {
    const open = Object.entries(options).filter(([name, option]) => option.multiple === true || !given.has(name))
    return startingWith(
      current,
      open.map(([name, { help }]) => ({ text: `--${name}`, about: help })),
    )
  }
  return complete(completes[Math.min(positionals, completes.length - 1)], current)
}

/** What stands in front of the cursor: how many arguments, which options, and the option whose value comes next. */
function read(options: Options, words: readonly string[]) {
  const given = new Set<string>()
  let positionals = 0
  let waiting: Option | undefined
  let closed = false
  for (const word of words) {
    if (waiting !== undefined) waiting = undefined
    else if (word === '--' && !closed) closed = true
    else if (!closed && word.length > 1 && word.startsWith('-')) {
      const found = Object.entries(options).find(([name, { short }]) =>
        word.startsWith('--') ? word.split('=')[0] === `--${name}` : short !== undefined && word === `-${short}`,
      )
      if (found === undefined) continue
      given.add(found[0])
      if (found[1].type === 'string' && !word.includes('=')) waiting = found[1]
    } else positionals++
  }
  return { positionals, given, waiting, closed }
}

function valuesOf(
  knowledge: Knowledge,
  what: Completes | undefined,
  written: string,
  prefix: string,
): readonly Candidate[] {
  if (what === undefined) return []
  if (what === 'file') return [files]
  const all = isWords(what) ? what.map((text) => ({ text, about: '' })) : knowledge.names(what)
  return startingWith(written, all).map(({ text, about }) => ({ text: `${prefix}${text}`, about }))
}

function isWords(what: Completes): what is readonly string[] {
  return Array.isArray(what)
}

/** Only what every shell takes as the text that it is. */
function startingWith(written: string, all: readonly Candidate[]): readonly Candidate[] {
  return all.filter(({ text }) => text.startsWith(written) && /^[\w@%+=:,./-]+$/.test(text))
}
