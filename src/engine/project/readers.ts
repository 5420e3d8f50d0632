import type { StarlarkInput } from 'starlark-wasm'
import type { Alternatives, Dependency, Provided, Relation } from '../catalog/package.ts'
import type { Value } from '../starlark/value.ts'
import { describe, dictEntries, Handle, listItems } from '../starlark/value.ts'
import type { Json } from './model.ts'
import type { Grammar } from './names.ts'
import { packageName, packageVersion } from './names.ts'
import { sizeInBytes } from './scalars.ts'

/** What a reader throws: what it expected where, without a position (the caller knows it). */
export class Mismatch extends Error {
  override readonly name = 'Mismatch'
  readonly path: string

  constructor(message: string, path = '') {
    super(message)
    this.path = path
  }
}

/** Thrown for a value that a builtin made of wrong arguments: that is told already. */
export class AlreadyTold extends Mismatch {}

/** Stands for what a builtin could not make, so that one mistake is one error. */
export class Spoilt extends Handle<undefined> {}

/** Turns one Starlark value into a typed one. @throws {Mismatch} */
export type Reader<T> = (value: Value) => T

function expected(what: string, value: Value): Mismatch {
  if (value instanceof Spoilt) return new AlreadyTold('could not be made')
  return new Mismatch(`must be ${what}, not ${describe(value)}`)
}

export const text: Reader<string> = (value) => {
  if (typeof value !== 'string') throw expected('a string', value)
  return value
}

export const flag: Reader<boolean> = (value) => {
  if (typeof value !== 'boolean') throw expected('True or False', value)
  return value
}

/** A whole number within bounds. */
export function integer(least: number, most: number): Reader<number> {
  return (value) => {
    if (typeof value !== 'number' && typeof value !== 'bigint') throw expected('a whole number', value)
    const number = Number(value)
    if (!Number.isSafeInteger(number)) throw expected('a whole number', value)
    if (number < least || number > most) throw new Mismatch(`must be between ${least} and ${most}, not ${number}`)
    return number
  }
}

/** As an error shows it: nobody reads more of a value than its beginning. */
export function quoted(found: string): string {
  return JSON.stringify(shortened(found, 60))
}

/** At most so many characters, and an ellipsis for the rest. */
export function shortened(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length)}…`
}

/** Text of a grammar, which the error spells out. */
export function named(grammar: Grammar): Reader<string> {
  return (value) => {
    const found = text(value)
    if (!grammar.pattern.test(found)) throw new Mismatch(`must be ${grammar.says}; ${quoted(found)} is not`)
    return found
  }
}

/** One of these words. */
export function oneOf<const T extends string>(...choices: readonly T[]): Reader<T> {
  return (value) => {
    const found = text(value)
    const choice = choices.find((candidate) => candidate === found)
    if (choice === undefined) {
      throw new Mismatch(`must be ${choices.map((name) => `"${name}"`).join(' or ')}, not ${quoted(found)}`)
    }
    return choice
  }
}

function within<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (failure) {
    if (!(failure instanceof Mismatch) || failure instanceof AlreadyTold) throw failure
    throw new Mismatch(failure.message, `${path}${failure.path}`)
  }
}

/** A list of what `item` reads; an error names the index. */
export function list<T>(item: Reader<T>): Reader<readonly T[]> {
  return (value) => {
    const items = listItems(value)
    if (items === undefined) throw expected('a list', value)
    return items.map((member, index) => within(`[${index}]`, () => item(member)))
  }
}

/** A list without repetitions. */
export function set<T extends string>(item: Reader<T>): Reader<readonly T[]> {
  return distinct(item, (member) => member)
}

/** A list in which no two members have the same key. */
export function distinct<T>(item: Reader<T>, keyOf: (member: T) => string): Reader<readonly T[]> {
  const read = list(item)
  return (value) => {
    const items = read(value)
    const keys = items.map(keyOf)
    const twice = keys.find((key, index) => keys.indexOf(key) !== index)
    if (twice !== undefined) throw new Mismatch(`names ${JSON.stringify(twice)} twice`)
    return items
  }
}

/** One item where a list may stand, too. */
export function oneOrMore<T>(item: Reader<T>): Reader<readonly T[]> {
  const many = list(item)
  return (value) => {
    if (listItems(value) === undefined) return [item(value)]
    const items = many(value)
    if (items.length === 0) throw new Mismatch('must not be empty')
    return items
  }
}

/** A dict from what `key` reads to what `item` reads; an error names the key. */
export function dict<T>(key: Reader<string>, item: Reader<T>): Reader<Readonly<Record<string, T>>> {
  return (value) => {
    const entries = dictEntries(value)
    if (entries === undefined) throw expected('a dict', value)
    const members = entries.map(([name, member]): [string, T] => {
      const label = within(' key', () => key(name))
      return [label, within(`[${JSON.stringify(label)}]`, () => item(member))]
    })
    return Object.fromEntries(members)
  }
}

/** A value that another builtin made: `task(…)`, `partition(…)`. */
export function made<T>(kind: HandleKind<T>): Reader<T> {
  return (value) => {
    if (!kind.is(value)) throw expected(`made with ${kind.name}(…)`, value)
    return value.data
  }
}

/** A kind of value that only its own `make` can make: what `is` accepts was made by this very kind. */
export interface HandleKind<T> {
  readonly name: string
  make(data: T, label: string, attributes?: ReadonlyMap<string, StarlarkInput>): Handle<T>
  is(value: Value): value is Handle<T>
}

/** @param name in messages: the function that makes such values, `task` */
export function handleKind<T>(name: string): HandleKind<T> {
  class Own extends Handle<T> {}
  return {
    name,
    make: (data, label, attributes) => new Own(name, data, label, attributes),
    is: (value): value is Handle<T> => value instanceof Own,
  }
}

/** Any of several readers, tried in order; the error is the last one's. */
export function either<A, B>(first: Reader<A>, second: Reader<B>): Reader<A | B> {
  return (value) => {
    try {
      return first(value)
    } catch (failure) {
      if (!(failure instanceof Mismatch) || failure instanceof AlreadyTold) throw failure
      return second(value)
    }
  }
}

/** Plain data for templates. */
export const json: Reader<Json> = (value) => {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') {
    const number = Number(value)
    if (!Number.isSafeInteger(number)) throw new Mismatch(`is too large a number: ${value}`)
    return number
  }
  if (listItems(value) !== undefined) return list(json)(value)
  if (dictEntries(value) !== undefined) return dict(text, json)(value)
  throw expected('plain data (strings, numbers, booleans, lists, dicts)', value)
}

const relations: Readonly<Record<string, Relation>> = {
  '<<': '<<',
  '<': '<<',
  '<=': '<=',
  '=': '=',
  '>=': '>=',
  '>>': '>>',
  '>': '>>',
  '~': '~',
}

/** One package, perhaps in some versions only: `zlib`, `zlib >= 1.3`, `zlib (>= 1.3)`. */
export const dependency: Reader<Dependency> = (value) => {
  const found = text(value)
  const match = /^([^\s<>=~()|]+)\s*(?:\(\s*)?(?:(<<|<=|<|>>|>=|>|=|~)\s*([^\s()|]+)\s*\)?)?$/.exec(found)
  const [name = '', sign, version] = [match?.[1], match?.[2], match?.[3]]
  const relation = relations[sign ?? '']
  const balanced = found.includes('(') === found.includes(')')
  if (!packageName.pattern.test(name) || !balanced || (sign !== undefined) !== (version !== undefined)) {
    throw new Mismatch(`must be a name, or a name and a version such as "zlib >= 1.3"; ${quoted(found)} is not`)
  }
  if (relation === undefined || version === undefined) return { name }
  if (!packageVersion.pattern.test(version)) {
    throw new Mismatch(`asks for a version that is none: ${quoted(version)}`)
  }
  return { name, version: { relation, version } }
}

/** Any one of several packages: `mail-server`, `exim4 | postfix (>= 3)`. */
export const requirement: Reader<Alternatives> = (value) =>
  text(value)
    .split('|')
    .map((one) => dependency(one.trim()))

/** A virtual name, perhaps with a version: `init`, `libfoo = 2.1`. */
export const provided: Reader<Provided> = (value) => {
  const { name, version } = dependency(value)
  if (version === undefined) return { name }
  if (version.relation !== '=') throw new Mismatch(`can provide a version only with "=", not "${version.relation}"`)
  return { name, version: version.version }
}

/** Bytes, written as a number or as `512M`, `1G` (powers of 1024). */
export const size: Reader<number> = (value) => {
  if (typeof value === 'number' || typeof value === 'bigint') return integer(1, 2 ** 50)(value)
  const bytes = sizeInBytes(text(value))
  if (bytes === undefined) throw new Mismatch(`must be a size such as "512M" or "1G", not ${describe(value)}`)
  return bytes
}
