/**
 * The tables of inputs and outputs in docs/actions.md, made from the action.yml files. Usage:
 * node scripts/action-docs.ts (writes), or with --check (exit 1 when the page is stale).
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parse } from 'yaml'

const root = resolve(import.meta.dirname, '..')

/** Every action, in the order in which a reader meets them. */
export const actions = [
  '.',
  'actions/plan',
  'actions/build',
  'actions/image',
  'actions/boot-test',
  'actions/publish-feed',
  'actions/setup',
]

export interface Field {
  readonly name: string
  readonly description: string
  readonly required: boolean
  readonly default: string
}

export interface ActionFile {
  readonly description: string
  readonly using: string
  readonly main: string
  readonly inputs: readonly Field[]
  readonly outputs: readonly Field[]
}

/** Reads an action.yml. @throws {Error} when it is no YAML, or says something twice */
export function parseAction(text: string): ActionFile {
  const file = mapOf(parse(text))
  const { using, main } = mapOf(file['runs'])
  const fields = (section: unknown): Field[] =>
    Object.entries(mapOf(section)).map(([name, value]) => {
      const { description, required, default: initial } = mapOf(value)
      return { name, description: textOf(description), required: required === true, default: textOf(initial) }
    })
  return {
    description: textOf(file['description']),
    using: textOf(using),
    main: textOf(main),
    inputs: fields(file['inputs']),
    outputs: fields(file['outputs']),
  }
}

function mapOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

/** GitHub's runner takes descriptions and defaults as texts. */
function textOf(value: unknown): string {
  if (value === undefined || typeof value === 'string') return value ?? ''
  throw new Error(`${JSON.stringify(value)} should be a text: put it into quotes`)
}

export function readAction(action: string): ActionFile {
  return parseAction(readFileSync(join(root, action, 'action.yml'), 'utf8'))
}

/** One action's part of the page. */
function tables(action: string): string {
  const { description, inputs, outputs } = readAction(action)
  const cell = (text: string): string => text.replaceAll('|', '\\|')
  const initial = (field: Field): string =>
    field.required ? '**required**' : field.default === '' ? '' : `\`${field.default}\``
  const inputRows = inputs.map((field) => `| \`${field.name}\` | ${cell(field.description)} | ${initial(field)} |`)
  const outputRows = outputs.map((field) => `| \`${field.name}\` | ${cell(field.description)} |`)
  return [
    `${description}.`,
    ['| input | what | default |', '|---|---|---|', ...inputRows].join('\n'),
    ['| output | what |', '|---|---|', ...outputRows].join('\n'),
  ].join('\n\n')
}

/** The page with its tables as the action.yml files say now. */
export function refresh(page: string): string {
  return actions.reduce((text, action) => {
    const [start, end] = [`<!-- tables: ${action} -->`, '<!-- end -->']
    const from = text.indexOf(start)
    const to = text.indexOf(end, from)
    if (from < 0 || to < 0) throw new Error(`docs/actions.md has no ${start} … ${end}`)
    return `${text.slice(0, from)}${start}\n${tables(action)}\n${text.slice(to)}`
  }, page)
}

if (process.argv[1] === import.meta.filename) {
  const file = join(root, 'docs', 'actions.md')
  const page = readFileSync(file, 'utf8')
  const fresh = refresh(page)
  if (process.argv.includes('--check') && fresh !== page) {
    console.error('docs/actions.md is stale: run node scripts/action-docs.ts')
    process.exitCode = 1
  } else writeFileSync(file, fresh)
}
