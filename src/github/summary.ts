import type { YoeError } from '#engine/errors.ts'
import type { CacheNumbers } from './cache.ts'
import type { Delta } from './delta.ts'
import type { CellReport, UnitReport } from './engine-port.ts'
import { type Annotation, seconds } from './reporter.ts'

/** What a job tells on its page. */
export interface SummaryInput {
  /** The cell, or what else was done: `publish`. */
  readonly title: string
  readonly ms: number
  readonly localCommand: string
  readonly units: readonly UnitReport[]
  readonly report?: CellReport | undefined
  /** What is different from the base branch's image. */
  readonly delta?: Delta | undefined
  /** `tails` are the last lines of each error's log, in the order of the errors. */
  readonly failure?:
    | { readonly errors: readonly YoeError[]; readonly tails: readonly (readonly string[])[] }
    | undefined
  readonly annotations: readonly Annotation[]
  readonly artifacts?: readonly { readonly name: string; readonly url: string }[]
  readonly notes?: readonly string[]
}

/** GitHub drops the page of a step as a whole when it has more than 1 MiB. */
export const mostPageBytes = 900_000
const mostRows = 200
const tailLines = 40
/** Units whose logs are shown; the errors of the others are told without. */
const mostTails = 5

/** The summary as GitHub's Markdown, at most `mostBytes` long. All text that is not ours is escaped. */
export function renderSummary(input: SummaryInput, mostBytes = mostPageBytes): string {
  const sections: readonly (string | readonly string[])[] = [
    verdict(input),
    // What went wrong is told in any case, in as many words as there is room for.
    [failure(input, mostRows, mostTails), failure(input, 20, 1), failure(input, 3, 0)],
    artifacts(input),
    units(input),
    boot(input),
    packages(input),
    warnings(input),
    (input.notes ?? []).map((note) => `> ${literal(note)}`).join('\n>\n'),
    `<details><summary>The same on your machine</summary>\n\n<pre>${html(input.localCommand)}</pre>\n\n</details>`,
  ]
  return bounded(sections, mostBytes)
}

function verdict({ title, ms, units: all, report, failure: failed }: SummaryInput): string {
  const count = (outcome: string): number => all.filter((unit) => unit.outcome === outcome).length
  const built = count('built')
  const kept = count('cached') + count('restored')
  const parts = [
    all.length === 0 ? '' : `${built} built, ${kept} unchanged`,
    report?.disk === undefined ? '' : `image ${bytes(report.disk.size)}`,
    report?.boot === undefined ? '' : report.boot.ok ? 'boots' : 'does not boot',
    seconds(ms),
  ]
  const bad = failed !== undefined || report?.boot?.ok === false
  return `## ${bad ? '❌' : '✅'} ${literal(title)}\n\n${parts.filter((part) => part !== '').join(' · ')}`
}

/** What went wrong, most telling first: unit and task, the last lines of its log, its place, the mend, what to type. */
function failure(
  { failure: failed, localCommand, units: all }: SummaryInput,
  mostErrors: number,
  mostLogs: number,
): string {
  if (failed === undefined) return ''
  const shown = failed.errors.slice(0, mostErrors)
  const items = shown.map((error, index) => {
    const at = error.at ?? all.find((unit) => unit.name === error.unit)?.at
    const where = at === undefined ? '' : ` at <code>${literal(`${at.file}:${at.line}`)}</code>`
    const unit = error.unit === undefined ? '' : `<b>${literal(error.unit)}</b>: `
    const hint = error.hint === undefined ? '' : `<br>→ ${literal(error.hint)}`
    const tail = index < mostLogs ? (failed.tails[index] ?? []).slice(-tailLines) : []
    const log = tail.length === 0 ? '' : `\n\n<pre>${html(tail.map(shortLine).join('\n'))}</pre>\n`
    return `- ${unit}${literal(error.message)} (${error.code})${where}${hint}${log}`
  })
  const more = failed.errors.length - shown.length
  if (more > 0) items.push(`- and ${more} more`)
  return `${items.join('\n').trimEnd()}\n\nReproduce: <code>${literal(localCommand)}</code>`
}

function artifacts({ artifacts: list, report }: SummaryInput): string {
  const lines = (list ?? []).map(({ name, url }) => `- ${link(name, url)}`)
  if (report?.disk !== undefined) lines.push(`- image SHA-256 <code>${literal(report.disk.sha256)}</code>`)
  return lines.join('\n')
}

const outcomeWords: Readonly<Record<string, string>> = {
  built: 'built',
  failed: '❌ failed',
  cached: 'at hand',
  restored: 'restored',
  skipped: 'skipped',
  cancelled: 'cancelled',
}

function units({ units: all }: SummaryInput): string {
  // What was worked on comes first: that is what a reader looks for, and what must survive the limit.
  const worked = all.filter(({ outcome }) => outcome !== 'cached' && outcome !== 'restored')
  const kept = all.filter(({ outcome }) => outcome === 'cached' || outcome === 'restored')
  if (all.length === 0) return ''
  const row = ({ name, outcome, why, ms }: UnitReport): readonly string[] => [
    name,
    outcomeWords[outcome] ?? outcome,
    why,
    outcome === 'built' || outcome === 'failed' ? seconds(ms) : '',
  ]
  const header = ['unit', 'outcome', 'why', 'time']
  const top = worked.length === 0 ? 'Nothing had to be built.' : table(header, worked.map(row))
  if (kept.length === 0) return `### Units\n\n${top}`
  const rest = table(header, kept.map(row), mostRows - Math.min(worked.length, mostRows))
  return `### Units\n\n${top}\n\n<details><summary>${kept.length} unchanged</summary>\n\n${rest}\n\n</details>`
}

function boot({ report }: SummaryInput): string {
  if (report?.boot === undefined) return ''
  const { ok, acceleration, stages, checks, reason } = report.boot
  const stageTable =
    stages.length === 0
      ? ''
      : table(
          ['stage', 'after'],
          stages.map(({ name, ms }) => [name, seconds(ms)]),
        )
  const checkTable =
    checks.length === 0
      ? ''
      : table(
          ['check', 'outcome', 'time', 'output'],
          checks.map((check) => [
            check.name,
            check.ok ? 'passed' : '❌ failed',
            seconds(check.ms),
            check.ok ? '' : check.output.slice(0, 500),
          ]),
        )
  const parts = [
    `### Boot test (${literal(acceleration)})`,
    ok ? '' : literal(reason ?? 'it did not come up'),
    stageTable,
    checkTable,
  ]
  return parts.filter((part) => part !== '').join('\n\n')
}

function packages({ delta }: SummaryInput): string {
  if (delta === undefined) return ''
  const image = delta.imageBytes === undefined ? '' : `, image ${signed(delta.imageBytes)}`
  if (delta.packages.length === 0) return `### Packages\n\nThe same as on the base branch${image}.`
  const rows = delta.packages.map(({ name, before, after, bytes: size }) => [
    name,
    before ?? '',
    after ?? '',
    signed(size),
  ])
  const sizes = `${signed(delta.packageBytes)}${image}`
  return `### Packages against the base branch (${sizes})\n\n${table(['package', 'base', 'here', 'size'], rows)}`
}

/** What the job's use of the cache came to: one part of the page for all its cells. */
export function renderCache(numbers: CacheNumbers): string {
  const { hits, misses, saved, existing, refused, faults, bytesRestored, bytesSaved } = numbers
  const parts = [
    `${hits} hits (${bytes(bytesRestored)})`,
    `${misses} misses`,
    `${saved} saved (${bytes(bytesSaved)})`,
    existing === 0 ? '' : `${existing} saved by others`,
    refused === 0 ? '' : `${refused} not saved: this run may only read`,
    faults === 0 ? '' : `⚠️ ${faults} failed`,
  ]
  return `\n### Cache\n\n${parts.filter((part) => part !== '').join(' · ')}\n`
}

function warnings({ annotations }: SummaryInput): string {
  const hidden = annotations.filter(({ shown }) => !shown)
  if (hidden.length === 0) return ''
  const rows = hidden.map(({ level, message, file, line }) => [
    level,
    file === undefined ? '' : `${file}:${line ?? 1}`,
    message,
  ])
  return `### More errors and warnings\n\n${table(['level', 'where', 'what'], rows)}`
}

export function table(header: readonly string[], rows: readonly (readonly string[])[], most = mostRows): string {
  const shown = rows.slice(0, most).map((row) => `| ${row.map((cell) => literal(cell)).join(' | ')} |`)
  const more = rows.length - shown.length
  const note = more > 0 ? `\n\nand ${more} more` : ''
  if (shown.length === 0) return more > 0 ? `${more} more` : ''
  return `| ${header.join(' | ')} |\n|${header.map(() => '---|').join('')}\n${shown.join('\n')}${note}`
}

/** Joins sections as long as they fit; the first ones matter most. Of alternatives the first that fits is taken. */
function bounded(sections: readonly (string | readonly string[])[], mostBytes: number): string {
  const kept: string[] = []
  let room = mostBytes - 100
  for (const section of sections) {
    const ways = typeof section === 'string' ? [section] : section
    const way = ways.find((text) => Buffer.byteLength(text) + 2 <= room)
    if (way === undefined) {
      kept.push('_More did not fit; the report has everything._')
      break
    }
    if (way === '') continue
    kept.push(way)
    room -= Buffer.byteLength(way) + 2
  }
  return `${kept.join('\n\n')}\n`
}

/** Text inside Markdown: every character that Markdown or HTML gives a meaning becomes a character reference. */
export function literal(text: string): string {
  const short = text.length > 2000 ? `${text.slice(0, 2000)}…` : text
  return short
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g, '�')
    .replaceAll(/[&<>"'`*_{}[\]()#+!|~@\\:]/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** A link whose address can't end before its end. */
export function link(name: string, url: string): string {
  const safe = encodeURI(url).replaceAll(/[()*_~!'[\]@]/g, (character) => `%${character.charCodeAt(0).toString(16)}`)
  return `[${literal(name)}](${safe})`
}

/** Text inside `<pre>`. */
export function html(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** A line of a log, without its colours. */
function shortLine(text: string): string {
  const plain = text.replaceAll(/\x1b\[[0-9;]*m/g, '')
  return plain.length > 500 ? `${plain.slice(0, 500)}…` : plain
}

export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB'] as const
  const step = Math.min(units.length - 1, count < 1 ? 0 : Math.floor(Math.log10(count) / 3))
  const value = count / 1000 ** step
  return `${step === 0 ? value : value.toFixed(1)} ${units[step] ?? 'GB'}`
}

export const signed = (count: number): string => `${count < 0 ? '−' : '+'}${bytes(Math.abs(count))}`
