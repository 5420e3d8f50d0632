import type { BuiltinCall } from 'starlark-wasm'
import type { Position } from '#engine/errors.ts'
import { YoeError } from '#engine/errors.ts'
import type { Fields, Parsed, Signature } from '#engine/project/arguments.ts'
import { defaulting, optional, parseArguments, required } from '#engine/project/arguments.ts'
import type { Grammar } from '#engine/project/names.ts'
import { title } from '#engine/project/names.ts'
import type { Reader } from '#engine/project/readers.ts'
import { flag, handleKind, integer, list, Mismatch, made, named, oneOf, Spoilt, text } from '#engine/project/readers.ts'
import type { Handle } from '#engine/starlark/value.ts'

/** One argument of a command, as `arg(…)` declares it; plain data. */
export interface Argument {
  /** Without dashes in front. */
  readonly name: string
  /** `--name` instead of a place among the arguments. */
  readonly option: boolean
  readonly type: 'string' | 'int' | 'bool'
  readonly required: boolean
  /** Null: none. Of a switch, false. */
  readonly fallback: string | number | boolean | null
  readonly help: string
}

/** What `command(…)` declares; plain data. */
export interface CommandDeclaration {
  readonly name: string
  readonly description: string
  readonly args: readonly Argument[]
  readonly at: Position
}

const commandName: Grammar = {
  pattern: /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/,
  says: 'lower-case letters, digits and single "-"',
}

const argumentName: Grammar = {
  pattern: /^(--)?[a-z][a-z0-9]*(-[a-z0-9]+)*$/,
  says: 'lower-case letters, digits and single "-"; an option has "--" in front',
}

/** What every command of the project takes for itself. */
export const reservedOptions: readonly string[] = ['help', 'project', 'machine', 'json', 'quiet', 'verbose', 'events']

/** `ctx.args.in` would be no Starlark. */
const keywords =
  /^(and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|load|nonlocal|not|or|pass|raise|return|try|while|with|yield)$/

/** An argument's name in `ctx.args`. */
export function fieldName({ name }: Pick<Argument, 'name'>): string {
  return name.replaceAll('-', '_')
}

const argumentKind = handleKind<Argument>('arg')

const anyDefault: Reader<string | number | boolean> = (value) => {
  if (typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') return integer(-(2 ** 53) + 1, 2 ** 53 - 1)(value)
  throw new Mismatch('must be text, a whole number, or a bool')
}

/** Fields of `arg(…)`. */
export const argFields = {
  name: required(named(argumentName)),
  help: defaulting(text, ''),
  type: optional(oneOf('string', 'int', 'bool')),
  required: optional(flag),
  default: optional(anyDefault),
}

/** Fields of `command(…)`. */
export const commandFields = {
  name: required(named(commandName)),
  description: required(named(title)),
  args: defaulting(list(made(argumentKind)), []),
}

const argSignature: Signature<typeof argFields> = {
  fields: argFields,
  positional: ['name'],
}

const commandSignature: Signature<typeof commandFields> = {
  fields: commandFields,
}

interface Given {
  readonly name: string
  readonly option: boolean
  readonly type: Argument['type']
  readonly required: boolean | undefined
  readonly default: string | number | boolean | undefined
}

/** What makes no sense of an argument as a whole; undefined when all is well. */
function argumentFault({ name, option, type, required: must, default: given }: Given): string | undefined {
  if (keywords.test(fieldName({ name }))) return `"${name}" is a word of the language, which ctx.args can't have`
  if (option && reservedOptions.includes(name)) return `every command has --${name} already`
  if (type === 'bool' && !option) return `a bool is an option: "--${name}"`
  if (type === 'bool' && (given === true || must === true)) return 'a bool is False unless it is given'
  if (must === true && given !== undefined) return 'what is required needs no default'
  const [wanted, says] = { string: ['string', 'text'], int: ['number', 'a whole number'], bool: ['boolean', 'False'] }[
    type
  ]
  return given === undefined || typeof given === wanted ? undefined : `default must be ${says}, as its type is`
}

/** Gathers what one command file declares, and all that is wrong with it. */
export class Declaring {
  readonly errors: YoeError[] = []
  declaration: CommandDeclaration | undefined
  readonly #file: string
  readonly #stem: string

  /** @param file as positions name it; @param stem what the command must be called */
  constructor(file: string, stem: string) {
    this.#file = file
    this.#stem = stem
  }

  /** The builtin `arg`. */
  arg(call: BuiltinCall): Handle<unknown> {
    const at = this.#at(call)
    const fields = this.#parse(argSignature, call, at)
    const argument = fields === undefined ? undefined : this.#argument(fields, at)
    return argument === undefined ? new Spoilt('arg', undefined, '…') : argumentKind.make(argument, argument.name)
  }

  /** The builtin `command`. */
  command(call: BuiltinCall): undefined {
    const at = this.#at(call)
    const fields = this.#parse(commandSignature, call, at)
    if (fields === undefined) return
    const { name, args } = fields
    const first = this.declaration
    if (first !== undefined) {
      this.#fail(
        'DUPLICATE',
        'command() is called twice',
        at,
        `the first is at line ${first.at.line}; one file, one command`,
      )
    }
    if (name !== this.#stem) {
      this.#fail('BAD_FIELD', `command(): name must be that of its file, "${this.#stem}"`, at, `rename ${this.#file}`)
    }
    this.#checkArguments(args, at)
    this.declaration ??= { ...fields, at }
  }

  #argument(fields: Parsed<typeof argFields>, at: Position): Argument | undefined {
    const { help, default: given } = fields
    const option = fields.name.startsWith('--')
    const name = option ? fields.name.slice(2) : fields.name
    const type = fields.type ?? (typeof given === 'number' ? 'int' : typeof given === 'boolean' ? 'bool' : 'string')
    const problem = argumentFault({ ...fields, name, option, type })
    if (problem !== undefined) {
      this.#fail('BAD_FIELD', `arg("${fields.name}"): ${problem}`, at)
      return undefined
    }
    return {
      name,
      option,
      type,
      required: fields.required === true,
      fallback: given ?? (type === 'bool' ? false : null),
      help,
    }
  }

  #checkArguments(args: readonly Argument[], at: Position): void {
    const fieldNames = args.map(fieldName)
    const twice = fieldNames.find((name, index) => fieldNames.indexOf(name) !== index)
    if (twice !== undefined) this.#fail('DUPLICATE', `command(): two arguments are called "${twice}"`, at)
    const places = args.filter(({ option }) => !option)
    const late = places.find((argument, index) => argument.required && places[index - 1]?.required === false)
    if (late !== undefined) {
      this.#fail('BAD_FIELD', `command(): "${late.name}" is required, but stands after one that is not`, at)
    }
  }

  #parse<F extends Fields>(signature: Signature<F>, call: BuiltinCall, at: Position): Parsed<F> | undefined {
    const parsed = parseArguments(signature, { builtin: call.name, positional: call.args, keywords: call.kwargs, at })
    if (parsed.ok) return parsed.fields
    this.errors.push(...parsed.errors)
    return undefined
  }

  /** Where the command file itself makes the call. */
  #at({ frames }: BuiltinCall): Position {
    const outer = frames.filter((frame) => frame.position !== undefined).at(-1)?.position
    return outer ?? { file: this.#file, line: 1, column: 1 }
  }

  #fail(code: YoeError['code'], message: string, at: Position, hint?: string): void {
    this.errors.push(new YoeError(code, message, { at, hint }))
  }
}
