import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { YoeError } from '#engine/errors.ts'
import { type GitHubRest, isDenied, isTaken, type Octokit, pages } from './rest.ts'
import { statusOf } from './rest-retry.ts'

/** GitHub refuses an asset of 2 GiB and more. */
export const mostAssetBytes = 2 ** 31 - 1

/** A release as far as it matters here. */
export interface Release {
  readonly id: number
  readonly tag: string
  readonly draft: boolean
  readonly body: string
  /** Milliseconds since 1970. */
  readonly created: number
  readonly url: string
  readonly uploadUrl: string
  readonly assets: readonly { readonly id: number; readonly name: string; readonly size: number }[]
}

export interface Asset {
  /** Absolute; the asset is called like the file. */
  readonly path: string
  readonly sha256: string
  readonly size: number
}

/** The releases and tags of a repository. @throws {YoeError} PUBLISH_FAILED, of every method */
export class Releases {
  readonly #rest: GitHubRest

  constructor(rest: GitHubRest) {
    this.#rest = rest
  }

  /** All of them, newest first; drafts are among them for a token that may write. */
  async list(): Promise<readonly Release[]> {
    const all = pages((page) =>
      this.#call('list the releases', async (octokit, at) => {
        return (await octokit.rest.repos.listReleases({ ...at, per_page: 100, page })).data
      }),
    )
    const releases: Release[] = []
    for await (const data of all) releases.push(plain(data))
    return releases
  }

  /** A release that nobody sees, without a tag. */
  async draft(wanted: { tag: string; sha: string; name: string; body: string; prerelease: boolean }): Promise<Release> {
    const { tag, sha, ...rest } = wanted
    return plain(
      await this.#call('draft a release', async (octokit, at) => {
        const asked = { ...at, ...rest, tag_name: tag, target_commitish: sha, draft: true }
        return (await octokit.rest.repos.createRelease(asked)).data
      }),
    )
  }

  /** Adds a file. What a cut upload of the same name left is replaced. */
  async upload(release: Release, { path, sha256, size }: Asset): Promise<void> {
    const name = basename(path)
    const asset = await this.#call(`upload ${name}`, async (octokit, at) => {
      const send = async () =>
        await octokit.request({
          method: 'POST',
          url: release.uploadUrl,
          name,
          data: Readable.toWeb(createReadStream(path, { highWaterMark: 1 << 20 })),
          headers: { 'content-type': 'application/octet-stream', 'content-length': size },
          request: streaming(octokit),
        })
      try {
        return (await send()).data
      } catch (failure) {
        const status = statusOf(failure)
        if (status !== undefined && status < 500 && !isTaken(failure)) throw failure
        const { data } = await octokit.rest.repos.listReleaseAssets({ ...at, release_id: release.id, per_page: 100 })
        for (const { id } of data.filter((one) => one.name === name))
          await octokit.rest.repos.deleteReleaseAsset({ ...at, asset_id: id })
        if (isTaken(failure)) return (await send()).data
        throw failure
      }
    })
    if (asset.size !== size || (typeof asset.digest === 'string' && asset.digest !== `sha256:${sha256}`))
      throw new YoeError('PUBLISH_FAILED', `${name} arrived damaged: ${asset.size} of ${size} bytes`, {
        hint: 're-run this job',
      })
  }

  /** The content of a small asset. */
  async read(id: number): Promise<Buffer> {
    const data: unknown = await this.#call('read an asset', async (octokit, at) => {
      const headers = { accept: 'application/octet-stream' }
      return (await octokit.rest.repos.getReleaseAsset({ ...at, asset_id: id, headers })).data
    })
    if (data instanceof ArrayBuffer) return Buffer.from(data)
    return Buffer.from(typeof data === 'string' ? data : JSON.stringify(data))
  }

  /** The commit that a tag names; undefined where there is no such tag. */
  async tagged(tag: string): Promise<string | undefined> {
    return this.#call('look up a tag', async (octokit, at) => {
      const found = await unless(404, octokit.rest.git.getRef({ ...at, ref: `tags/${tag}` }))
      return found?.data.object.sha
    })
  }

  /** Names of all tags that start so. */
  async tags(prefix: string): Promise<readonly string[]> {
    return this.#call('list the tags', async (octokit, at) => {
      const { data } = await octokit.rest.git.listMatchingRefs({ ...at, ref: `tags/${prefix}` })
      return data.map(({ ref }) => ref.replace('refs/tags/', ''))
    })
  }

  /** Makes a tag. @returns false when one of this name is there already: it is not moved */
  async tag(tag: string, sha: string): Promise<boolean> {
    return this.#call('make a tag', async (octokit, at) => {
      const made = octokit.rest.git.createRef({ ...at, ref: `refs/tags/${tag}`, sha })
      return await made.then(
        () => true,
        (failure: unknown) => {
          if (isTaken(failure)) return false
          throw failure
        },
      )
    })
  }

  /** Shows a draft, under a tag that is there. @returns false when another release has the tag */
  async publish({ id }: Release, tag: string, name: string): Promise<boolean> {
    return this.#call('publish the release', async (octokit, at) => {
      const shown = octokit.rest.repos.updateRelease({ ...at, release_id: id, tag_name: tag, name, draft: false })
      return await shown.then(
        () => true,
        (failure: unknown) => {
          if (isTaken(failure)) return false
          throw failure
        },
      )
    })
  }

  /** Deletes a release, and then its tag where it has one. */
  async delete({ id, tag, draft }: Release): Promise<void> {
    await this.#call(`delete the release ${tag}`, async (octokit, at) => {
      await unless(404, octokit.rest.repos.deleteRelease({ ...at, release_id: id }))
      if (!draft) await unless(422, octokit.rest.git.deleteRef({ ...at, ref: `tags/${tag}` }))
    })
  }

  /** Whether a workflow run has ended; undefined: could not be asked. */
  async ended(run: number): Promise<boolean | undefined> {
    try {
      return await this.#rest.call('look up a run', 'actions: read', async (octokit, at) => {
        const { data } = await octokit.rest.actions.getWorkflowRun({ ...at, run_id: run })
        return data.status === 'completed'
      })
    } catch (failure) {
      if (isDenied(failure)) return undefined
      throw failure
    }
  }

  #call<T>(what: string, call: (octokit: Octokit, at: { owner: string; repo: string }) => Promise<T>): Promise<T> {
    return this.#rest.call(what, 'contents: write', call, 'PUBLISH_FAILED')
  }
}

type Listed = Awaited<ReturnType<Octokit['rest']['repos']['createRelease']>>['data']

const plain = (data: Listed): Release => ({
  id: data.id,
  tag: data.tag_name,
  draft: data.draft,
  body: data.body ?? '',
  created: Date.parse(data.created_at),
  url: data.html_url,
  uploadUrl: data.upload_url,
  assets: data.assets.map(({ id, name, size }) => ({ id, name, size })),
})

/**
 * Has a body sent from its stream. Fetch keeps a copy of what it sends, for a redirect or an answer that asks for a
 * password: two gigabytes of memory for an image. Without a window and redirects it has no use for one.
 *
 * @see fetch specification, HTTP-network-or-cache fetch
 */
function streaming(octokit: Octokit) {
  const inner: typeof fetch = octokit.request.endpoint.DEFAULTS.request?.fetch ?? fetch
  return {
    redirect: 'error',
    fetch: (url: string, init: RequestInit) => inner(url, { ...init, window: null }),
  } as const
}

/** SHA-256 and size of a file. @throws {YoeError} PUBLISH_FAILED when it is too large for an asset */
export async function assetOf(path: string): Promise<Asset> {
  const { size } = await stat(path)
  if (size > mostAssetBytes)
    throw new YoeError(
      'PUBLISH_FAILED',
      `${basename(path)} has ${(size / 2 ** 30).toFixed(2)} GiB; GitHub takes files of less than 2 GiB for a release`,
      { hint: 'leave `release:` away and publish the image elsewhere, or make it smaller' },
    )
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash)
  return { path, size, sha256: hash.digest('hex') }
}

/** The answer, or undefined for one of this status. */
async function unless<T>(status: number, call: Promise<T>): Promise<T | undefined> {
  return await call.catch((failure: unknown) => {
    if (statusOf(failure) === status) return undefined
    throw failure
  })
}
