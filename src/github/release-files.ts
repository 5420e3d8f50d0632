import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import { spdxDocument } from '#toolkit/sbom.ts'
import { type Artifacts, artifactName } from './artifacts.ts'
import type { RunContext } from './context.ts'
import type { ImageContents } from './delta.ts'
import { type Asset, assetOf } from './releases.ts'

/** One image of a release, as the job that made it reported it. */
export interface ReleasedImage {
  readonly cell: string
  readonly contents: ImageContents
  /** Of the disk, before compression. */
  readonly sha256: string
  /** What is uploaded of it. */
  readonly image: Asset
  readonly report: Asset
  readonly sbom: Asset
}

interface Report {
  readonly cell: string
  readonly distro: string
  readonly disk: { readonly sha256: string; readonly size: number }
  readonly packages: readonly (ImageContents['packages'][number] & {
    readonly arch?: string
    readonly sha256?: string
    readonly license?: string
  })[]
}

/** What the file with a cell's report is called in a release. */
export const reportAsset = (cell: string): string => `${artifactName('report', cell)}.json`

/**
 * The images that the jobs of this run uploaded, each with its report and its list of contents. Nothing is uploaded
 * before all of it is here and of a size that GitHub takes.
 *
 * @param folder empty; holds the files afterwards
 * @param now milliseconds since 1970
 * @throws {YoeError} PUBLISH_FAILED
 */
export async function collectImages(
  artifacts: Artifacts,
  folder: string,
  context: RunContext,
  now: number,
): Promise<readonly ReleasedImage[]> {
  const images = await filesIn(await artifacts.download('image-', join(folder, 'images')))
  if (images.length === 0)
    throw new YoeError('PUBLISH_FAILED', 'no job of this run uploaded an image: there is nothing to release', {
      hint: 'let the build jobs upload what a release has: `upload: image, feed, report`',
    })
  const reports = new Map<string, { readonly path: string; readonly report: Report }>()
  for (const path of await filesIn(await artifacts.download('report-', join(folder, 'reports')))) {
    const report = parseReport(JSON.parse(await readFile(path, 'utf8')))
    if (report !== undefined) reports.set(`${artifactName('image', report.cell)}.img.zst`, { path, report })
  }
  await mkdir(join(folder, 'more'))
  const found: ReleasedImage[] = []
  for (const path of images) {
    const reported = reports.get(basename(path))
    if (reported === undefined)
      throw new YoeError('PUBLISH_FAILED', `${basename(path)} was uploaded without its report`, {
        hint: 'let the build jobs upload what a release has: `upload: image, feed, report`',
      })
    found.push(await released(path, reported, join(folder, 'more'), context, now))
  }
  return found
}

async function released(
  path: string,
  { path: reportPath, report }: { readonly path: string; readonly report: Report },
  folder: string,
  { owner, repo, sha, runUrl }: RunContext,
  now: number,
): Promise<ReleasedImage> {
  const { cell, distro, disk, packages } = report
  const shown = join(folder, reportAsset(cell))
  await rename(reportPath, shown)
  const sbom = join(folder, `${artifactName('sbom', cell)}.spdx.json`)
  const document = await spdxDocument({
    ...{ cell, distro, packages, commit: sha, supplier: `${owner}/${repo}` },
    image: { name: basename(path, '.zst'), sha256: disk.sha256 },
    base: runUrl.replace(/\/actions\/runs\/.*$/, ''),
    created: `${new Date(now).toISOString().slice(0, 19)}Z`,
  })
  await writeFile(sbom, `${JSON.stringify(document, undefined, 1)}\n`)
  return {
    cell,
    contents: contentsOf(report),
    sha256: disk.sha256,
    image: await assetOf(path),
    report: await assetOf(shown),
    sbom: await assetOf(sbom),
  }
}

export const checksumsFile = 'SHA256SUMS'

/** `sha256sum -c` reads it. */
export async function checksums(folder: string, assets: readonly Asset[]): Promise<Asset> {
  const path = join(folder, checksumsFile)
  const lines = assets.map(({ path: file, sha256 }) => `${sha256}  ${basename(file)}\n`)
  await writeFile(path, lines.sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1)).join(''))
  return assetOf(path)
}

async function filesIn(folders: readonly string[]): Promise<readonly string[]> {
  const lists = await Promise.all(
    folders.map(async (folder) => (await readdir(folder)).map((name) => join(folder, name))),
  )
  return lists.flat().sort()
}

/** What an image held, by its report; undefined where it is none of a finished image. */
export function reportedContents(value: unknown): ImageContents | undefined {
  const report = parseReport(value)
  return report === undefined ? undefined : contentsOf(report)
}

const contentsOf = ({ packages, disk }: Report): ImageContents => ({
  packages: packages.map(({ name, version, size }) => ({ name, version, size })),
  imageBytes: disk.size,
})

/** A report that some job of this run wrote; undefined where it is none of a finished image. */
function parseReport(value: unknown): Report | undefined {
  const report = fields(value)
  const disk = fields(report['disk'])
  const { cell, distro, packages } = report
  if (typeof cell !== 'string' || typeof distro !== 'string' || !Array.isArray(packages)) return undefined
  if (report['ok'] !== true || typeof disk['sha256'] !== 'string' || typeof disk['size'] !== 'number') return undefined
  return {
    cell,
    distro,
    disk: { sha256: disk['sha256'], size: disk['size'] },
    packages: packages.flatMap((item: unknown) => {
      const { name, version, size, ...more } = fields(item)
      if (typeof name !== 'string' || typeof version !== 'string' || typeof size !== 'number') return []
      return [{ name, version, size, ...texts(more, 'arch'), ...texts(more, 'sha256'), ...texts(more, 'license') }]
    }),
  }
}

function texts<const K extends string>(of: Readonly<Record<string, unknown>>, key: K): { readonly [P in K]?: string } {
  const value = of[key]
  const found: { [P in K]?: string } = {}
  if (typeof value === 'string') found[key] = value
  return found
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
}
