/** As much of JSON Schema as docs/schemas uses, and no more: a word that is not known here fails. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkout } from './project.ts'

type Schema = { readonly [word: string]: unknown }

const known = new Set([
  ...['$schema', '$defs', '$ref', 'title', 'description', 'type', 'enum', 'anyOf', 'items', 'properties', 'required'],
  'additionalProperties',
])

const isObject = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** docs/schemas/NAME.json */
function readSchema(name: string): Schema {
  const schema: unknown = JSON.parse(readFileSync(join(checkout, 'docs/schemas', `${name}.json`), 'utf8'))
  if (!isObject(schema)) throw new TypeError(`${name}.json is no schema`)
  return schema
}

/** What is wrong with a value, as `path: what`; nothing when it is as the schema of a command says. */
export function faultsOf(name: string, value: unknown): readonly string[] {
  const root = readSchema(name)
  return check(root, value, '', root)
}

function check(schema: unknown, value: unknown, path: string, root: Schema): readonly string[] {
  if (!isObject(schema)) throw new TypeError(`${path}: no schema`)
  for (const word of Object.keys(schema)) if (!known.has(word)) throw new TypeError(`${path}: unknown word ${word}`)
  const { $ref: ref, anyOf, enum: values, type } = schema
  if (typeof ref === 'string') return check(...follow(ref, root, value, path))
  if (Array.isArray(anyOf)) {
    const tried = anyOf.map((one) => check(one, value, path, root))
    if (tried.some((faults) => faults.length === 0)) return []
    return tried.toSorted((a, b) => a.length - b.length)[0] ?? []
  }
  if (Array.isArray(values) && !values.includes(value))
    return [`${path}: ${JSON.stringify(value)} is none of ${values.join(', ')}`]
  const types = Array.isArray(type) ? type : type === undefined ? [] : [type]
  if (types.length > 0 && !types.includes(typeOf(value)) && !(types.includes('number') && typeOf(value) === 'integer'))
    return [`${path}: is ${typeOf(value)}, not ${types.join(' or ')}`]
  if (Array.isArray(value)) {
    const { items } = schema
    return items === undefined ? [] : value.flatMap((item, index) => check(items, item, `${path}[${index}]`, root))
  }
  return isObject(value) ? checkObject(schema, value, path, root) : []
}

function checkObject(
  schema: Schema,
  value: { readonly [key: string]: unknown },
  path: string,
  root: Schema,
): readonly string[] {
  const { properties, required, additionalProperties: more } = schema
  const fields = isObject(properties) ? properties : {}
  const needed = Array.isArray(required) ? required.map(String) : []
  return [
    ...needed.filter((key) => !Object.hasOwn(value, key)).map((key) => `${path}.${key}: is missing`),
    ...Object.entries(value).flatMap(([key, member]) => {
      const inner = `${path}.${key}`
      if (Object.hasOwn(fields, key)) return check(fields[key], member, inner, root)
      if (more === false) return [`${inner}: is in no schema`]
      return more === undefined ? [] : check(more, member, inner, root)
    }),
  ]
}

function follow(ref: string, root: Schema, value: unknown, path: string): [unknown, unknown, string, Schema] {
  const [, file = '', name = ''] = /^(?:([a-z-]+)\.json)?#\/\$defs\/([a-z]+)$/.exec(ref) ?? []
  const from = file === '' ? root : readSchema(file)
  const { $defs: definitions } = from
  return [isObject(definitions) ? definitions[name] : undefined, value, path, from]
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value
}
