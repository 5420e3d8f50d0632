import { basename } from 'node:path'
import type { RunContext } from './context.ts'
import { type Delta, deltaOf, differing, type ImageContents } from './delta.ts'
import type { ReleasedImage } from './release-files.ts'
import { bytes, link, literal, signed, table } from './summary.ts'

/** GitHub refuses notes of more than 125,000 characters. */
const mostCharacters = 120_000

/** What a release of ours begins with: project, series and the run that made it. */
export interface Maker {
  readonly project: string
  /** `nightly`, or `tag`. */
  readonly series: string
  readonly run: number
}

const makerPattern = /^<!-- yoe:release (\S+) (\S+) (\d+) -->/

export function makerOf(body: string): Maker | undefined {
  const [, project = '', series = '', run = ''] = makerPattern.exec(body) ?? []
  if (run === '') return undefined
  try {
    return { project: decodeURIComponent(project), series, run: Number(run) }
  } catch {
    return undefined
  }
}

export interface NotesInput {
  readonly maker: Maker
  readonly context: RunContext
  readonly images: readonly ReleasedImage[]
  /** The release before, with what its images held, by cell. */
  readonly before: { readonly tag: string; readonly contents: ReadonlyMap<string, ImageContents> } | undefined
}

/** What is in a release, and what is different from the one before. */
export function releaseNotes({ maker, context, images, before }: NotesInput): string {
  const rows = images.map(({ cell, image, contents, sha256 }) => [
    cell,
    basename(image.path),
    bytes(image.size),
    contents.imageBytes === undefined ? '' : bytes(contents.imageBytes),
    sha256,
  ])
  const head = [
    `<!-- yoe:release ${encodeURIComponent(maker.project)} ${maker.series} ${maker.run} -->`,
    `Images of commit ${context.sha}, made by ${link('this run', context.runUrl)}.`,
    table(['image', 'file', 'compressed', 'on the disk', 'SHA-256 of the disk'], rows),
  ]
  const use =
    'What is here and whole: `sha256sum -c --ignore-missing SHA256SUMS`. A file for the card: `zstd -d --sparse FILE.img.zst`.'
  const deltas = before === undefined ? [] : images.map((image) => change(image, before.contents.get(image.cell)))
  const changes = before === undefined ? [] : [`### Since ${literal(before.tag)}`, ...deltas.map(({ long }) => long)]
  const text = [...head, ...changes, use].join('\n\n')
  if (text.length <= mostCharacters) return `${text}\n`
  const short = [...head, ...deltas.map(({ brief }) => brief), use].join('\n\n')
  return short.length <= mostCharacters ? `${short}\n` : `${[head[0], head[1], use].join('\n\n')}\n`
}

function change({ cell, contents }: ReleasedImage, old: ImageContents | undefined): { long: string; brief: string } {
  const name = `**${literal(cell)}**`
  if (old === undefined) return { long: `${name}: new`, brief: `${name}: new` }
  const delta: Delta = deltaOf(old, contents)
  const brief = `${name}: ${differing(delta)}, ${signed(delta.packageBytes)}${delta.imageBytes === undefined ? '' : `, image ${signed(delta.imageBytes)}`}`
  if (delta.packages.length === 0) return { long: `${name}: the same packages`, brief: `${name}: the same packages` }
  const rows = delta.packages.map((one) => [one.name, one.before ?? '', one.after ?? '', signed(one.bytes)])
  return { long: `${brief}\n\n${table(['package', 'before', 'now', 'size'], rows, 100)}`, brief }
}
