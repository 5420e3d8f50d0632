import { YoeError } from '#engine/errors.ts'
import { type Clock, systemClock } from './actions-cache/bucket.ts'
import type { RunContext } from './context.ts'
import type { ImageContents } from './delta.ts'
import { checksums, type ReleasedImage, reportAsset, reportedContents } from './release-files.ts'
import { type Maker, makerOf, releaseNotes } from './release-notes.ts'
import type { Release, Releases } from './releases.ts'

export interface ReleaseRequest {
  readonly releases: Releases
  readonly context: RunContext
  /** `nightly`, or the name of a tag. */
  readonly wanted: string
  /** Nightly releases that stay. */
  readonly keep: number
  readonly project: string
  /** GitHub's number of this workflow run. */
  readonly run: number
  readonly images: readonly ReleasedImage[]
  /** Where its checksums are written. */
  readonly folder: string
  readonly tell: (line: string) => void
  readonly signal?: AbortSignal
  readonly clock?: Clock
}

/** A draft of a run that can't be asked after is somebody's work until no job can run any more. */
const longestJob = 6 * 3_600_000
/** Bytes; a report beyond that is not compared with. */
const mostReportBytes = 32e6
const nightlyPattern = /^nightly-(\d{4}-\d{2}-\d{2})(?:\.(\d+))?$/

/**
 * Makes a release: a draft, then its files, then a tag of its own and the publication, so that what can be seen is whole.
 * What a run leaves that is killed on the way is a draft, which the next run deletes. A tag is never moved, and of
 * others' releases none is touched: ours begin with a marker.
 *
 * @throws {YoeError} PUBLISH_FAILED
 */
export async function makeRelease(request: ReleaseRequest): Promise<{ readonly tag: string; readonly url: string }> {
  const { releases, context, wanted, project, run, images, tell } = request
  const clock = request.clock ?? systemClock
  const maker: Maker = { project, series: wanted === 'nightly' ? 'nightly' : 'tag', run }
  const all = await releases.list()
  const ours = all.filter(({ body }) => isOf(makerOf(body), maker))
  await dropDrafts(request, ours, clock)
  const published = ours.filter(({ draft }) => !draft)
  const tag = maker.series === 'nightly' ? await nightlyTag(releases, all, clock) : await givenTag(request, all)
  const before = published.toSorted((a, b) => b.created - a.created)[0]
  const body = releaseNotes({
    ...{ maker, context, images },
    before:
      before === undefined ? undefined : { tag: before.tag, contents: await contentsIn(releases, before, images) },
  })
  const files = images.flatMap(({ image, report, sbom }) => [image, report, sbom])
  files.push(await checksums(request.folder, files))
  if (files.length > 1000)
    throw new YoeError('PUBLISH_FAILED', `a release has at most 1000 files; these are ${files.length}`)
  const draft = await releases.draft({ tag, sha: context.sha, name: tag, body, prerelease: wanted === 'nightly' })
  let shown: string
  try {
    for (const file of files) {
      request.signal?.throwIfAborted()
      await releases.upload(draft, file)
    }
    shown = await publish(request, draft, clock)
  } catch (failure) {
    // A draft with half of its files helps nobody; where it can't be deleted now the next run does.
    await releases.delete({ ...draft, draft: true }).catch(() => {})
    throw failure
  }
  tell(`Released ${images.length} images as ${shown}`)
  await tidy(request, maker)
  return { tag: shown, url: draft.url.replace(/\/tag\/[^/]*$/, `/tag/${shown}`) }
}

function isOf(maker: Maker | undefined, { project, series }: Maker): boolean {
  return maker !== undefined && maker.project === project && maker.series === series
}

/** Gives the draft a tag of its own and shows it; another run may have taken the name meanwhile. */
async function publish({ releases, context, wanted }: ReleaseRequest, draft: Release, clock: Clock): Promise<string> {
  for (let tag = draft.tag; ; tag = await nightlyTag(releases, await releases.list(), clock)) {
    // A tag at this very commit is as good as one made now: an answer may have been lost.
    const there = (await releases.tag(tag, context.sha)) || (await releases.tagged(tag)) === context.sha
    const good = there || context.ref === `refs/tags/${tag}`
    if (good && (await releases.publish(draft, tag, tag))) return tag
    if (wanted !== 'nightly') throw taken(tag)
  }
}

/** The first name of this day (UTC) that no tag and no published release has. */
async function nightlyTag(releases: Releases, all: readonly Release[], clock: Clock): Promise<string> {
  const today = `nightly-${new Date(clock.now()).toISOString().slice(0, 10)}`
  const published = all.filter(({ draft }) => !draft).map(({ tag }) => tag)
  const numbers = [...published, ...(await releases.tags(today))].flatMap((tag) => {
    const [, , number = '1'] = nightlyPattern.exec(tag) ?? []
    return tag.startsWith(today) ? [Number(number)] : []
  })
  const next = Math.max(0, ...numbers) + 1
  return next === 1 ? today : `${today}.${next}`
}

/** A tag that somebody named: that of this run, or one that is not there yet. */
async function givenTag({ releases, context, wanted }: ReleaseRequest, all: readonly Release[]): Promise<string> {
  if (all.some(({ tag, draft }) => tag === wanted && !draft)) throw taken(wanted)
  if (context.ref === `refs/tags/${wanted}`) return wanted
  const at = await releases.tagged(wanted)
  if (at === undefined || at === context.sha) return wanted
  throw new YoeError(
    'PUBLISH_FAILED',
    `the tag ${wanted} names the commit ${at.slice(0, 12)}, not ${context.sha.slice(0, 12)}`,
    { hint: 'a tag is never moved: name a new one in `release:`' },
  )
}

function taken(tag: string): YoeError {
  return new YoeError('PUBLISH_FAILED', `there is a release ${tag} already, and what is published stays as it is`, {
    hint: 'name a new tag in `release:`, or delete that release and its tag',
  })
}

/** Deletes drafts of runs that ended: those were killed. */
async function dropDrafts({ releases, run, tell }: ReleaseRequest, ours: readonly Release[], clock: Clock) {
  for (const release of ours.filter(({ draft }) => draft)) {
    const maker = makerOf(release.body)
    if (maker === undefined) continue
    const ended = maker.run === run || (await releases.ended(maker.run))
    if (ended === false || (ended === undefined && clock.now() - release.created < longestJob)) continue
    await releases.delete(release)
    tell(`Deleted the draft ${release.tag}, which the run ${maker.run} left`)
  }
}

/** Deletes what a repeated request made twice, and the nightly releases beyond those that stay; only told when it can't. */
async function tidy({ releases, keep, tell, wanted }: ReleaseRequest, maker: Maker): Promise<void> {
  try {
    const ours = (await releases.list()).filter(({ body }) => isOf(makerOf(body), maker))
    const twice = ours.filter(({ draft, body }) => draft && makerOf(body)?.run === maker.run)
    const nightly = wanted !== 'nightly' ? [] : ours.filter(({ draft, tag }) => !draft && nightlyPattern.test(tag))
    const old = nightly.toSorted((a, b) => order(b.tag) - order(a.tag)).slice(keep)
    for (const release of [...twice, ...old]) await releases.delete(release)
    if (old.length > 0) tell(`Deleted ${old.map(({ tag }) => tag).join(', ')}: ${keep} stay`)
  } catch (failure) {
    if (!(failure instanceof YoeError)) throw failure
    tell(`Older releases could not be tidied: ${failure.message}`)
  }
}

/** Days and numbers as one number: later ones are greater. */
function order(tag: string): number {
  const [, date = '', number = '1'] = nightlyPattern.exec(tag) ?? []
  return Date.parse(date) + Number(number)
}

/** What the images of a release held, as far as its reports say. */
async function contentsIn(
  releases: Releases,
  release: Release,
  images: readonly ReleasedImage[],
): Promise<ReadonlyMap<string, ImageContents>> {
  const contents = new Map<string, ImageContents>()
  for (const { cell } of images) {
    const asset = release.assets.find(({ name, size }) => name === reportAsset(cell) && size <= mostReportBytes)
    if (asset === undefined) continue
    try {
      const report: unknown = JSON.parse((await releases.read(asset.id)).toString('utf8'))
      const found = reportedContents(report)
      if (found !== undefined) contents.set(cell, found)
    } catch {
      // Notes without a comparison are better than no release.
    }
  }
  return contents
}
