import { readFile, rm } from 'node:fs/promises'
import type { Arch } from '../arch.ts'
import { YoeError } from '../errors.ts'
import type { Reporter } from '../events.ts'
import { inParallel } from '../in-parallel.ts'
import { DigestMismatch } from '../source/download.ts'
import { type Fetched, type Fetcher, type FetchRequest, Unauthorized } from '../source/fetcher.ts'
import { offlineHint } from '../source/offline.ts'
import { defaultTreeLimits } from '../source/write-tree.ts'
import type { Store } from '../store/store.ts'
import { type Descriptor, type ImageConfig, type Manifest, mediaTypes, readConfig, readManifest } from './manifest.ts'
import { endpointOf, type ImageReference, imageText } from './reference.ts'
import { readToken, tokenAddress } from './token.ts'

export interface RegistryOptions {
  readonly fetcher: Fetcher
  readonly store: Store
  readonly offline: boolean
  readonly report: Reporter
  readonly signal?: AbortSignal | undefined
}

/** An image for one architecture, whole and verified; layers as they are stored, lowest first. */
export interface PulledImage {
  readonly manifest: Manifest
  readonly config: ImageConfig
  /** Absolute. */
  readonly layers: readonly string[]
}

/** Manifests and configurations are small. */
const largestDocument = 4 * 2 ** 20
const layersAtOnce = 3

const accept = Object.values(mediaTypes).join(', ')

/**
 * Reads images of registries by digest: manifests, configurations and layers become objects of the store, so that an
 * image which is here once needs no network any more.
 *
 * @see OCI distribution specification, Pull; Docker registry token authentication
 */
export class Registry {
  readonly #options: RegistryOptions
  /** What a registry gave us to show, by address and repository. */
  readonly #tokens = new Map<string, string>()

  constructor(options: RegistryOptions) {
    this.#options = options
  }

  /** What the image's tag means now: in hexadecimal. @throws {YoeError} FETCH_FAILED */
  async digestOf(image: ImageReference): Promise<string> {
    const { sha256 } = await this.#document(image, `manifests/${image.tag}`, undefined)
    return sha256
  }

  /**
   * Brings the image that `image.digest` names here, for an architecture.
   * @throws {YoeError} FETCH_FAILED, DIGEST_MISMATCH, ARCHIVE_UNSAFE; UNSATISFIABLE when there is none for it
   */
  async pull(image: ImageReference, arch: Arch): Promise<PulledImage> {
    if (image.digest === undefined) throw new TypeError(`${imageText(image)} is not pinned yet`)
    const first = readManifest(await this.#manifest(image, image.digest), image, arch)
    const found = 'next' in first ? readManifest(await this.#manifest(image, first.next.sha256), image, arch) : first
    if ('next' in found) throw new TypeError('readManifest answered an index for a manifest')
    const { manifest } = found
    const bytes = manifest.layers.reduce((sum, { size }) => sum + size, 0)
    if (bytes > defaultTreeLimits.bytes)
      throw new YoeError('ARCHIVE_UNSAFE', `the image ${imageText(image)} has ${bytes} bytes of layers`, {
        hint: 'it is not meant to be used',
      })
    const { path } = await this.#document(image, `blobs/sha256:${manifest.config.sha256}`, manifest.config)
    const config = readConfig(await readFile(path, 'utf8'), image, arch)
    if (config.diffIds.length !== manifest.layers.length)
      throw new YoeError('ARCHIVE_UNSAFE', `the image ${imageText(image)} has other layers than its configuration says`)
    const layers = await inParallel(layersAtOnce, manifest.layers, (layer) => this.#layer(image, layer))
    return { manifest, config, layers }
  }

  async #manifest(image: ImageReference, sha256: string): Promise<string> {
    const { path } = await this.#document(image, `manifests/sha256:${sha256}`, { sha256 })
    return readFile(path, 'utf8')
  }

  async #layer(image: ImageReference, layer: Descriptor): Promise<string> {
    return (await this.#fetch(image, `blobs/sha256:${layer.sha256}`, layer)).path
  }

  #document(
    image: ImageReference,
    path: string,
    expected: Partial<Descriptor> | undefined,
  ): Promise<{ readonly path: string; readonly sha256: string }> {
    return this.#fetch(image, path, { ...expected, limit: largestDocument })
  }

  /** Finds it in the store, or asks for it: at mirrors first. */
  async #fetch(
    image: ImageReference,
    path: string,
    { sha256, size, limit }: Partial<Descriptor> & { readonly limit?: number },
  ): Promise<{ readonly path: string; readonly sha256: string }> {
    const { store, fetcher, offline, report, signal } = this.#options
    const known = sha256 === undefined ? undefined : await store.objects.path(sha256)
    if (known !== undefined && sha256 !== undefined) return { path: known, sha256 }
    const { url, repository } = endpointOf(image)
    const addresses = fetcher.locate?.(`${url}v2/`) ?? [`${url}v2/`]
    const title = imageText(image)
    if (offline)
      throw new YoeError('FETCH_FAILED', `the image ${title} is not here, and yoe works offline`, {
        hint: offlineHint,
      })
    const failures: string[] = []
    let hint: string | undefined
    for (const base of addresses) {
      const dest = store.temp()
      try {
        const fetched = await this.#ask(base, repository, {
          urls: [`${base}${repository}/${path}`],
          located: true,
          dest,
          ...(sha256 === undefined ? {} : { sha256 }),
          ...(size === undefined ? {} : { size }),
          ...(limit === undefined ? {} : { maxSize: limit }),
          title,
          report,
          ...(signal === undefined ? {} : { signal }),
        })
        await store.objects.adopt(dest, { sha256: fetched.sha256 })
        const kept = await store.objects.path(fetched.sha256)
        if (kept === undefined)
          throw new YoeError('STORE_DAMAGED', `${store.root} lost ${title}, which was just put into it`)
        return { path: kept, sha256: fetched.sha256 }
      } catch (failure) {
        await rm(dest, { force: true })
        if (failure instanceof DigestMismatch) throw mismatch(title, failure)
        if (!(failure instanceof YoeError) || failure.code !== 'FETCH_FAILED') throw failure
        failures.push(failure.message.split('\n').at(-1)?.trim() ?? '')
        hint = failure instanceof Unauthorized ? failure.hint : hint
      }
    }
    throw new YoeError('FETCH_FAILED', `the image ${title} can't be fetched\n  ${failures.join('\n  ')}`, {
      hint:
        hint ??
        `check its name and tag; where no registry is reached, name a mirror: YOE_MIRRORS=${url}=http://mirror.lan/`,
    })
  }

  /** Shows what the registry gave us before, and gets something to show when it asks. */
  async #ask(base: string, repository: string, request: FetchRequest): Promise<Fetched> {
    const who = `${base} ${repository}`
    const attempt = (): Promise<Fetched> => {
      const token = this.#tokens.get(who)
      const headers = { accept, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) }
      return this.#options.fetcher.fetch({ ...request, headers })
    }
    try {
      return await attempt()
    } catch (failure) {
      if (!(failure instanceof Unauthorized)) throw failure
      // Tokens last some minutes; what was good before may be too old now.
      this.#tokens.delete(who)
      const token = await this.#token(failure.challenge, base, repository)
      if (token === undefined) throw failure
      this.#tokens.set(who, token)
      return attempt()
    }
  }

  /** A token to read one repository, that anybody may have. */
  async #token(challenge: string, base: string, repository: string): Promise<string | undefined> {
    const url = tokenAddress(challenge, base, repository, 'pull')
    if (url === undefined) return undefined
    const { fetcher, store, report, signal } = this.#options
    const dest = store.temp()
    try {
      await fetcher.fetch({
        urls: [url.href],
        located: true,
        dest,
        maxSize: 2 ** 20,
        title: 'permission to read it',
        report,
        ...(signal === undefined ? {} : { signal }),
      })
      return readToken(await readFile(dest, 'utf8'))
    } catch (failure) {
      if (failure instanceof SyntaxError) return undefined
      throw failure
    } finally {
      await rm(dest, { force: true })
    }
  }
}

function mismatch(title: string, { expected, got }: DigestMismatch): YoeError {
  return new YoeError(
    'DIGEST_MISMATCH',
    `a part of the image ${title} is not what its digest says\n  expected sha256 ${expected}\n  got      sha256 ${got}`,
    { hint: 'the registry or a mirror of it is broken, or lies; try another' },
  )
}
