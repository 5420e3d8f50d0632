import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A page under docs/. */
export function readPage(name: string): string {
  return readFileSync(join(import.meta.dirname, '..', '..', 'docs', name), 'utf8')
}

/** The text below the heading `` ### `name` ``, up to the next heading. */
export function sectionOf(page: string, name: string): string {
  const heading = new RegExp(`^#{2,4} \`${name.replaceAll('.', '\\.')}\`.*$`, 'm')
  const start = page.search(heading)
  assert.ok(start >= 0, `the page has no heading for \`${name}\``)
  const body = page.slice(start).replace(/^.*\n/, '')
  const end = body.search(/^#{1,4} /m)
  return end < 0 ? body : body.slice(0, end)
}

/** The rows of a section's tables: the code in the first cell, and all cells, trimmed. Escaped bars are text. */
export function rowsOf(section: string): ReadonlyMap<string, readonly string[]> {
  const rows = new Map<string, readonly string[]>()
  for (const line of section.split('\n')) {
    if (!line.startsWith('| `')) continue
    const cells = line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim())
    rows.set(/^`([^`]+)`/.exec(cells[0] ?? '')?.[1] ?? '', cells)
  }
  return rows
}

/**
 * Every page of docs/ keeps to the width that the code has, but for tables and addresses, which can't be broken, and for
 * what commands print.
 */
export function tooLong(page: string): readonly string[] {
  return page
    .replaceAll(/^```console\n[\s\S]*?^```$/gm, '')
    .split('\n')
    .filter((line) => line.length > 120 && !line.startsWith('|') && !/https?:\/\/\S{60}/.test(line))
}

/** The section whose heading starts so. */
export function sectionStarting(page: string, start: string): { readonly heading: string; readonly body: string } {
  const at = page.indexOf(`\n${start}`)
  assert.ok(at >= 0, `the page has no heading "${start}…"`)
  const [, heading = '', ...lines] = page.slice(at).split('\n')
  const end = lines.findIndex((line) => /^#{1,3} /.test(line))
  return { heading, body: lines.slice(0, end < 0 ? undefined : end).join('\n') }
}
