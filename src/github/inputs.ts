import { isAbsolute, normalize } from 'node:path'
import { YoeError } from '#engine/errors.ts'

/** How an action reads an input: `core.getInput` in an action, a table in a test. */
export type GetInput = (name: string) => string

const partPattern = /^[a-z0-9][a-z0-9._+-]*$/i

/** A job has at most 500 artifacts, and a cell leaves up to five. */
const mostCells = 100

/** Cells, `<machine>/<image>[/<distro>]`, separated by commas or line ends: at least one. @throws {YoeError} USAGE */
export function cellsInput(get: GetInput): readonly string[] {
  const cells = listInput(get, 'cell')
  const [hint, wanted] = [
    'give it `matrix.cell` of the matrix that actions/plan makes',
    'a machine and an image, such as "qemu-x86_64/base-image"',
  ]
  if (cells.length === 0) throw refuse('cell', get('cell').trim(), wanted, hint)
  for (const cell of cells) {
    const parts = cell.split('/')
    if (parts.length >= 2 && parts.length <= 3 && parts.every((part) => partPattern.test(part))) continue
    throw refuse('cell', cell, wanted, hint)
  }
  if (cells.length > mostCells)
    throw new YoeError('USAGE', `the input cell names ${cells.length} cells; one job takes at most ${mostCells}`, {
      hint: 'let actions/plan make more jobs: a higher `max-jobs`',
    })
  return [...new Set(cells)]
}

/** One of a few words. @throws {YoeError} USAGE */
export function choiceInput<const T extends string>(get: GetInput, name: string, choices: readonly T[]): T {
  const value = get(name).trim()
  const found = choices.find((choice) => choice === value)
  if (found !== undefined) return found
  throw refuse(name, value, choices.map((choice) => `"${choice}"`).join(' or '))
}

/** @throws {YoeError} USAGE */
export function flagInput(get: GetInput, name: string): boolean {
  return choiceInput(get, name, ['true', 'false']) === 'true'
}

/** A whole number; undefined when the input is empty. @throws {YoeError} USAGE */
export function numberInput(
  get: GetInput,
  name: string,
  { min, max }: { min: number; max: number },
): number | undefined {
  const value = get(name).trim()
  if (value === '') return undefined
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN
  if (number >= min && number <= max) return number
  throw refuse(name, value, `a whole number from ${min} to ${max}`)
}

/** Items separated by commas or line ends. */
export function listInput(get: GetInput, name: string): readonly string[] {
  return get(name)
    .split(/[,\n]/)
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** Patterns of cells: `*` stands for any name. @throws {YoeError} USAGE */
export function cellPatterns(get: GetInput, name: string): readonly string[] {
  const patterns = listInput(get, name)
  for (const pattern of patterns) {
    const parts = pattern.split('/')
    const good =
      parts.length >= 1 && parts.length <= 3 && parts.every((part) => /^[a-z0-9*][a-z0-9*._+-]*$/i.test(part))
    if (!good) throw refuse(name, pattern, 'cells such as "qemu-x86_64/base-image" or "qemu-*/*"')
  }
  return patterns
}

/** A folder inside the checkout, relative to it, without a `/` at the end; `.` is the checkout. @throws {YoeError} USAGE */
export function folderInput(get: GetInput, name: string): string {
  const value = get(name).trim()
  const folder = normalize(value === '' ? '.' : value).replace(/\/+$/, '')
  const inside = !isAbsolute(folder) && folder !== '..' && !folder.startsWith('../') && !/[\0\n\r]/.test(folder)
  if (inside) return folder === '' ? '.' : folder
  throw refuse(name, value, 'a folder inside the checkout, such as "firmware"')
}

/** Where a feed goes: `directory`, `pages`, or a bucket's address. @throws {YoeError} USAGE */
export function placeInput(get: GetInput): 'directory' | 'pages' | `s3://${string}` {
  const value = get('to').trim()
  if (value === '' || value === 'directory') return 'directory'
  if (value === 'pages') return value
  if (/^s3:\/\/[^\s]{1,2000}$/.test(value)) return `s3://${value.slice(5)}`
  throw refuse('to', value, '"directory", "pages" or a bucket such as "s3://bucket/prefix?region=eu-central-1"')
}

/** The address of a site, without a slash at its end; undefined when the input is empty. @throws {YoeError} USAGE */
export function urlInput(get: GetInput): string | undefined {
  const value = get('url').trim()
  if (value === '') return undefined
  if (/^https?:\/\/[^\s"'<>\\`@?#\u0000-\u001f]{1,500}$/.test(value)) return value.replace(/\/+$/, '')
  throw refuse('url', value, 'an address such as "https://feed.example.com"')
}

/** Lines of `name: value`, as YAML shows a mapping in a block. @throws {YoeError} USAGE */
export function mappingInput(get: GetInput, name: string): ReadonlyMap<string, string> {
  const mapping = new Map<string, string>()
  for (const line of listInput(get, name)) {
    const [, key, value] = /^([\w.*/-]+)\s*[:=]\s*(\S.*)$/.exec(line) ?? []
    if (key === undefined || value === undefined) throw refuse(name, line, 'lines such as "arm64: ubuntu-24.04-arm"')
    mapping.set(key, value.replace(/^(["'])(.*)\1$/, '$2'))
  }
  return mapping
}

function refuse(name: string, value: string, wanted: string, hint?: string): YoeError {
  const shown = value.length > 80 ? `${value.slice(0, 80)}…` : value
  return new YoeError('USAGE', `the input ${name} is ${JSON.stringify(shown)}; it must be ${wanted}`, {
    hint: hint ?? `change \`${name}:\` under \`with:\` of this step`,
  })
}
