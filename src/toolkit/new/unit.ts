import { mkdir } from 'node:fs/promises'
import { bwrapWorker } from '#engine/build/bwrap.ts'
import { removeTree } from '#engine/build/tree.ts'
import { YoeError } from '#engine/errors.ts'
import { step } from '#engine/events.ts'
import { unitName, versionText } from '#engine/project/names.ts'
import { fetchCommit } from '#engine/source/git.ts'
import { listRefs } from '#engine/source/git-refs.ts'
import { unpackArchive } from '#engine/source/unpack.ts'
import { Store } from '#engine/store/store.ts'
import { fetcherOf } from '../fetching.ts'
import type { Loaded } from '../workspace.ts'
import type { Look } from './look.ts'
import { lookAt, namedBy } from './look.ts'

export interface NewUnit {
  readonly name: string
  readonly version: string
  readonly class: string
  readonly license: string | undefined
  /** Path in the project to content. */
  readonly file: readonly [path: string, content: string]
}

/** Where sources were found, as a unit declares it. */
interface Found {
  readonly lines: readonly string[]
  readonly name: string | undefined
  readonly version: string | undefined
  readonly archive: string
  readonly title: string
  readonly strip: boolean
}

/**
 * A unit for sources somewhere: fetched, and looked at to find out how they are built.
 *
 * @param url of an archive, or of a git repository, whose newest version is taken
 * @param asked how it is called; undefined: as the sources are
 * @throws {YoeError} FETCH_FAILED, ARCHIVE_UNSAFE, USAGE when its name or version can't be guessed
 */
export async function newUnit(
  { workspace, project }: Loaded,
  url: string,
  asked: string | undefined,
): Promise<NewUnit> {
  const { report, signal, cacheRoot } = workspace
  const store = await Store.open(cacheRoot, { report })
  const folder = store.temp()
  try {
    const found = await (isRepository(url) ? repository : archive)(url, store, { workspace, project })
    await mkdir(folder, { recursive: true })
    const { archive: path, title, strip } = found
    await step(report, `Unpack ${title}`, () =>
      unpackArchive({ worker: bwrapWorker(), root: 'host', archive: path, title, dest: folder, strip, signal }),
    )
    return declared(found, lookAt(folder), asked, url)
  } finally {
    await removeTree(folder)
    await store.release()
  }
}

function isRepository(url: string): boolean {
  if (/^(git|ssh):|\.git$|^[^/]+@[^/]+:/.test(url)) return true
  return !/\.(zip|t[a-z0-9]{2,4}|tar\.[a-z0-9]{2,5}|deb|apk)$/.test(url.replace(/[?#].*$/, ''))
}

type Where = Pick<Loaded, 'workspace' | 'project'>

async function archive(url: string, store: Store, { workspace, project }: Where): Promise<Found> {
  const { report, signal } = workspace
  const dest = store.temp()
  const title = url.replace(/[?#].*$/, '').replace(/^.*\//, '')
  const { sha256 } = await fetcherOf(workspace, project).fetch({ urls: [url], dest, title, report, signal })
  await store.objects.adopt(dest, { sha256 })
  const path = await store.objects.path(sha256)
  if (path === undefined) throw new YoeError('STORE_DAMAGED', `${store.root} lost what was just put into it`)
  const lines = [`source = ${JSON.stringify(url)},`, `sha256 = "${sha256}",`]
  return { lines, ...namedBy(url), archive: path, title, strip: true }
}

async function repository(url: string, store: Store, { workspace, project }: Where): Promise<Found> {
  const { report, signal, offline } = workspace
  const fetcher = fetcherOf(workspace, project)
  const candidates = fetcher.locate?.(url) ?? [url]
  const { tags, branches } = await step(report, `Ask ${url}`, () => listRefs({ url, candidates, offline, signal }))
  const newest = newestTag([...tags.keys()])
  const branch = ['main', 'master', ...branches.keys()].find((name) => branches.has(name))
  const commit = newest === undefined ? branches.get(branch ?? '') : tags.get(newest.tag)
  if (commit === undefined) {
    throw new YoeError('FETCH_FAILED', `${url} has neither tags nor branches`, { hint: 'name an archive of it' })
  }
  const path = await fetchCommit({ url, commit, candidates, store, offline, signal, fetcher, report })
  const ref = newest === undefined ? `branch = ${JSON.stringify(branch)},` : `tag = ${JSON.stringify(newest.tag)},`
  const { name } = namedBy(url)
  return {
    lines: [`source = ${JSON.stringify(url)},`, ref],
    name,
    version: newest?.version,
    archive: path,
    title: url,
    strip: false,
  }
}

/** The tag with the highest version that is no preview. */
function newestTag(tags: readonly string[]): { readonly tag: string; readonly version: string } | undefined {
  const versions = tags.flatMap((tag) => {
    const version = /^(?:.*?[-_/])??v?(\d+(?:[._]\d+)*)$/.exec(tag)?.[1]?.replaceAll('_', '.')
    return version === undefined ? [] : [{ tag, version }]
  })
  const parts = (version: string): readonly number[] => version.split('.').map(Number)
  return versions.sort((a, b) => {
    const [left, right] = [parts(a.version), parts(b.version)]
    for (let index = 0; index < Math.max(left.length, right.length); index++) {
      const difference = (right[index] ?? -1) - (left[index] ?? -1)
      if (difference !== 0) return difference
    }
    return a.tag < b.tag ? -1 : 1
  })[0]
}

function declared(found: Found, look: Look, asked: string | undefined, url: string): NewUnit {
  const guess = (asked ?? found.name ?? look.name ?? '').toLowerCase().replaceAll('_', '-')
  if (!unitName.pattern.test(guess)) {
    throw new YoeError('USAGE', `a unit for ${url} can't be called ${JSON.stringify(guess)}`, {
      hint: `yoe new unit ${url} --name NAME; use ${unitName.says}`,
    })
  }
  const version =
    [found.version, look.version].find((text) => text !== undefined && versionText.pattern.test(text)) ?? '0.0.0'
  const { license, description } = look
  const load = look.file === undefined ? '' : `load("@module-core//classes/${look.file}.star", "${look.class}")\n\n`
  const lines = [
    `name = ${JSON.stringify(guess)},`,
    `version = ${JSON.stringify(version)},`,
    ...(description === undefined ? [] : [`description = ${JSON.stringify(oneLine(description))},`]),
    license === undefined ? '# license = "…": none was recognised' : `license = ${JSON.stringify(license)},`,
    ...found.lines,
    ...look.arguments,
  ]
  const content = `${load}${look.class}(\n${lines.map((line) => `    ${line}\n`).join('')})\n`
  return { name: guess, version, class: look.class, license, file: [`units/${guess}.star`, content] }
}

/** A description is one line of plain text. */
function oneLine(text: string): string {
  return text
    .replaceAll(/[\s\p{C}]+/gu, ' ')
    .trim()
    .slice(0, 200)
}
