import { createHash } from 'node:crypto'
import { createReadStream, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packCommit } from '#engine/bundle/commits.ts'
import type { BundleCommit, BundleFile, BundleList } from '#engine/bundle/document.ts'
import { indexDigest } from '#engine/catalog/package.ts'
import { YoeError, YoeErrors } from '#engine/errors.ts'
import { step } from '#engine/events.ts'
import { inParallel } from '#engine/in-parallel.ts'
import { moduleRepository } from '#engine/modules/checkout.ts'
import { lockFile } from '#engine/modules/lock.ts'
import type { Node } from '#engine/plan/graph.ts'
import { inOrder } from '#engine/plan/graph.ts'
import type { Source } from '#engine/project/model.ts'
import { fetchSource, nameOf, partsOf } from '#engine/source/fetch.ts'
import { fetchPieces } from '#engine/source/git.ts'
import { shownUrl } from '#engine/source/url.ts'
import { errorCode } from '#engine/store/disk.ts'
import { objectDigest } from '#engine/store/object-path.ts'
import type { Store } from '#engine/store/store.ts'
import { packagesOf } from '../cache/needs.ts'
import { fetcherOf } from '../fetching.ts'
import { moduleAddresses } from '../module-sync.ts'
import type { Plan } from '../planning.ts'

/** What a project is built from, gathered for a bundle. */
export interface Gathered {
  readonly commits: readonly BundleCommit[]
  readonly files: readonly BundleFile[]
  readonly lists: readonly BundleList[]
  /** Packs of commits that wait in temporary files: digest to path. */
  readonly packs: ReadonlyMap<string, string>
}

/** Fetches at a time, beside the limit of the fetcher. */
const atOnce = 6

/** Gathers sources, modules, feeds and packages of plans, as far as nothing has to be built for them. */
export class Gathering implements Gathered {
  readonly commits: BundleCommit[] = []
  readonly files: BundleFile[] = []
  readonly lists: BundleList[] = []
  readonly packs = new Map<string, string>()
  readonly #store: Store
  readonly #known = new Set<string>()

  constructor(store: Store) {
    this.#store = store
  }

  /** @throws {YoeErrors} what can't be fetched */
  async add(plan: Plan): Promise<void> {
    const nodes = inOrder(plan.targets)
    await this.#sources(plan, nodes)
    await this.#modules(plan)
    await this.#packages(plan, nodes)
    await this.#feeds(plan)
  }

  #isNew(key: string): boolean {
    if (this.#known.has(key)) return false
    this.#known.add(key)
    return true
  }

  async #sources(plan: Plan, nodes: readonly Node[]): Promise<void> {
    for (const { unit } of nodes) {
      if (unit.kind !== 'package' || unit.source === undefined || unit.source.kind === 'path') continue
      if (!this.#isNew(`source ${JSON.stringify({ ...unit.source, at: undefined })}`)) continue
      if (unit.source.kind === 'archive') await this.#archive(plan, unit.source)
      else await this.#repository(plan, unit.source)
    }
  }

  async #archive(plan: Plan, source: Extract<Source, { kind: 'archive' }>): Promise<void> {
    const { title } = await fetchSource(source, environmentOf(plan, this.#store))
    this.files.push({ use: 'archive', title, sha256: source.sha256 })
  }

  async #repository(plan: Plan, source: Extract<Source, { kind: 'git' }>): Promise<void> {
    const { url, commit, at } = source
    if (commit === undefined) throw new TypeError(`${url} is not pinned`)
    const environment = environmentOf(plan, this.#store)
    const candidates = environment.fetcher.locate?.(url) ?? [url]
    const title = `${nameOf(url)} at ${commit.slice(0, 12)}`
    const pieces = await step(environment.report, `Fetch ${title}`, () =>
      fetchPieces({ ...environment, url, commit, candidates, ...partsOf(source) }),
    ).catch((failure: unknown) => {
      if (!(failure instanceof YoeError) || failure.at !== undefined) throw failure
      const { code, message, hint, cause } = failure
      throw new YoeError(code, message, { at, hint, cause })
    })
    for (const piece of pieces.commits) {
      const repository = piece.lock.slice('git-'.length)
      await this.#pack(plan, { use: 'source', title: shownUrl(piece.url), repository, commit: piece.commit }, piece)
    }
    for (const { oid } of pieces.lfs)
      if (this.#isNew(`lfs ${oid}`)) this.files.push({ use: 'lfs', title: `a file of ${nameOf(url)}`, sha256: oid })
  }

  async #modules({ workspace, project }: Plan): Promise<void> {
    for (const { origin } of project.modules) {
      if (origin.kind !== 'git') continue
      const { url, commit } = origin
      const { id, folder, lock } = moduleRepository(this.#store.root, url)
      const place = { url, candidates: moduleAddresses(workspace, url), folder, lock }
      await this.#pack({ workspace }, { use: 'module', title: shownUrl(url), repository: id, commit }, place)
    }
  }

  async #pack(
    { workspace: { offline, signal } }: Pick<Plan, 'workspace'>,
    commit: Omit<BundleCommit, 'pack'>,
    place: {
      readonly url: string
      readonly candidates: readonly string[]
      readonly folder: string
      readonly lock: string
    },
  ): Promise<void> {
    if (!this.#isNew(`${commit.use} ${commit.repository} ${commit.commit}`)) return
    const store = this.#store
    const path = store.temp()
    const { url, candidates, folder, lock } = place
    await packCommit({ url, candidates, folder, lock, commit: commit.commit, store, offline, signal }, path)
    const pack = await digestOfFile(path)
    this.packs.set(pack, path)
    this.commits.push({ ...commit, pack })
  }

  async #packages(plan: Plan, nodes: readonly Node[]): Promise<void> {
    const records = nodes.flatMap(packagesOf).filter(({ origin }) => origin.kind === 'feed')
    const fresh = records.filter(
      ({ origin }) => origin.kind === 'feed' && this.#isNew(`package ${indexDigest(origin)}`),
    )
    const { report } = plan.workspace
    if (fresh.length === 0) return
    const paths = await step(report, `Fetch ${fresh.length} packages`, () =>
      inParallel(atOnce, fresh, plan.fetchPackage),
    )
    for (const [index, { name, version, arch }] of fresh.entries())
      this.files.push({ use: 'package', title: `${name} ${version} ${arch}`, sha256: objectDigest(paths[index] ?? '') })
  }

  async #feeds({ feeds, format, distro, workspace }: Plan): Promise<void> {
    for (const { declaration, environment } of feeds) {
      const known = await format.knownFeed(declaration, { ...environment, refresh: false })
      if (known === undefined) continue
      const { text, files, until } = known
      const list = { feed: declaration.id, distro, text, files: files.map(({ sha256 }) => sha256) }
      if (!this.#isNew(`list ${JSON.stringify(list)}`)) continue
      this.lists.push(list)
      if (until === undefined) continue
      workspace.report({
        type: 'warning',
        message: `feed ${declaration.id} is not in ${lockFile}: who has the bundle can plan with it until ${new Date(until).toISOString().slice(0, 10)}`,
        at: declaration.at,
        hint: 'yoe update feeds, and export again',
      })
    }
  }
}

function environmentOf({ workspace, project }: Plan, store: Store) {
  const { offline, report, signal, buildRoot } = workspace
  return { store, fetcher: fetcherOf(workspace, project), offline, report, signal, buildRoot }
}

async function digestOfFile(path: string): Promise<string> {
  const sum = createHash('sha256')
  for await (const block of createReadStream(path, { highWaterMark: 2 ** 20 })) sum.update(block)
  return sum.digest('hex')
}

/** What the project's yoe.lock says; '' when there is none. */
export function lockText(root: string): string {
  try {
    return readFileSync(join(root, lockFile), 'utf8')
  } catch (failure) {
    if (errorCode(failure) === 'ENOENT') return ''
    throw failure
  }
}

/** What is edited in place is nowhere else. @throws {YoeErrors} SOURCE_STATE */
export function refuseEdited({ keys }: Plan): void {
  const edited = [...keys].filter(([, { dev }]) => dev !== undefined).map(([{ unit }]) => unit)
  if (edited.length === 0) return
  throw new YoeErrors(
    edited.map(
      ({ name, at }) =>
        new YoeError('SOURCE_STATE', `${name} is built from its work tree, which no bundle holds`, {
          at,
          unit: name,
          hint: `make patches of your commits, and then: yoe dev pin ${name}`,
        }),
    ),
  )
}
