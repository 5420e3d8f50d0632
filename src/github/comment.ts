import type { YoeError } from '#engine/errors.ts'
import { type Delta, differing } from './delta.ts'
import type { CellReport, UnitReport } from './engine-port.ts'
import { bytes, literal, signed, table } from './summary.ts'

/** One cell's part of the comment on a pull request. */
export interface Section {
  readonly cell: string
  /** GitHub's number of the workflow run that it tells of; later runs have higher ones. */
  readonly run: number
  /** Markdown, without markers of ours: all text from builds is escaped. */
  readonly text: string
}

/** GitHub refuses a comment of more than 65,536 characters. */
const mostCharacters = 60_000
const mostRows = 40
const cellPattern = /<!-- yoe:cell (\d+) (\S+) -->\n([\s\S]*?)\n<!-- yoe:end -->/g

/** What the comment of a workflow about a project begins with, and no other. */
export function markerOf(workflow: string, project: string): string {
  return `<!-- yoe:comment ${encodeURIComponent(workflow)} ${encodeURIComponent(project)} -->`
}

export function sectionsOf(body: string): readonly Section[] {
  // A comment that somebody edited in a browser has other line ends.
  return [...body.replaceAll('\r\n', '\n').matchAll(cellPattern)].map(([, run = '', cell = '', text = '']) => ({
    run: Number(run),
    cell,
    text,
  }))
}

/** The sections of the newest run of all, one for each cell, sorted by it; of the same cell and run the last one. */
export function mergeSections(all: readonly Section[]): readonly Section[] {
  const newest = Math.max(...all.map(({ run }) => run))
  const kept = new Map(all.filter(({ run }) => run === newest).map((one) => [one.cell, one]))
  return [...kept.values()].sort((a, b) => (a.cell < b.cell ? -1 : 1))
}

/** The whole comment. Where it would be too long details go, the longest first, then the last cells. */
export function renderComment(marker: string, sections: readonly Section[], runUrl: string): string {
  const texts = new Map(sections.map((one) => [one, one.text]))
  const length = (): number => [...texts].reduce((sum, [{ cell }, text]) => sum + text.length + cell.length + 60, 400)
  const byLength = sections.toSorted((a, b) => b.text.length - a.text.length)
  for (const one of byLength) {
    if (length() <= mostCharacters) break
    texts.set(one, brief(one.text))
  }
  let left = 0
  for (const one of sections.toReversed()) {
    if (length() <= mostCharacters) break
    texts.delete(one)
    left++
  }
  const parts = [...texts].map(([{ cell, run }, text]) => `<!-- yoe:cell ${run} ${cell} -->\n${text}\n<!-- yoe:end -->`)
  const more = left === 0 ? [] : [`and ${left} more`]
  return `${[marker, ...parts, ...more, `[The run with its logs and reports](${encodeURI(runUrl)})`].join('\n\n')}\n`
}

/** A section's text without its list of packages. */
export function brief(text: string): string {
  return text.replaceAll(/\n*<details>[\s\S]*<\/details>/g, '')
}

export interface CellFacts {
  readonly cell: string
  readonly commit: string
  readonly units: readonly UnitReport[]
  readonly report: CellReport | undefined
  readonly delta: Delta | undefined
  /** None when all is well. */
  readonly errors: readonly YoeError[]
  readonly localCommand: string
}

/** What a reviewer wants to know of a cell: whether it works, and what the change does to the image. */
export function renderSection({ cell, commit, units, report, delta, errors, localCommand }: CellFacts): string {
  const count = (outcome: string): number => units.filter((unit) => unit.outcome === outcome).length
  const stage = report?.boot?.stages.at(-1)
  const parts = [
    units.length === 0 ? '' : `${count('built')} built, ${count('cached') + count('restored')} unchanged`,
    report?.disk === undefined ? '' : `image ${bytes(report.disk.size)}${change(delta?.imageBytes)}`,
    delta === undefined ? '' : `packages ${signed(delta.packageBytes)}`,
    report?.boot === undefined ? '' : report.boot.ok ? `boots (${literal(report.boot.acceleration)})` : 'does not boot',
    report?.boot?.ok === false && stage !== undefined ? `got as far as ${literal(stage.name)}` : '',
    `<code>${literal(commit.slice(0, 12))}</code>`,
  ]
  const head = `**${errors.length === 0 ? '✅' : '❌'} ${literal(cell)}** · ${parts.filter((part) => part !== '').join(' · ')}`
  const [first] = errors
  if (first !== undefined) {
    const unit = first.unit === undefined ? '' : `<b>${literal(first.unit)}</b>: `
    const more = errors.length > 1 ? `<br>and ${errors.length - 1} more` : ''
    return `${head}\n\n${unit}${literal(first.message)}${more}\n\nReproduce: <code>${literal(localCommand)}</code>`
  }
  if (delta === undefined) return head
  if (delta.packages.length === 0) return `${head}\n\nThe same packages as on the base branch.`
  const rows = delta.packages.map(({ name, before, after, bytes: size }) => [
    name,
    before ?? '',
    after ?? '',
    signed(size),
  ])
  const title = `${differing(delta)} from the base branch`
  const list = table(['package', 'base', 'here', 'size'], rows, mostRows)
  return `${head}\n\n<details><summary>${title}</summary>\n\n${list}\n\n</details>`
}

const change = (difference: number | undefined): string =>
  difference === undefined ? '' : ` (${difference === 0 ? 'as before' : signed(difference)})`
