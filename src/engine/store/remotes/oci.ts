import { createHash } from 'node:crypto'
import { rm, stat, writeFile } from 'node:fs/promises'
import { inParallel } from '../../in-parallel.ts'
import type { ExchangeAnswer } from '../../source/exchange.ts'
import type { RemoteStore, Sending, Transfer } from '../remote.ts'
import { sha256Of } from './file-digest.ts'
import { checkName } from './names.ts'
import { type RepositoryRequests, refusal } from './oci-requests.ts'

export interface RepositoryStoreOptions {
  readonly requests: RepositoryRequests
  readonly image: string
  /** A path for something unfinished, on a disk with room. */
  readonly temp: () => string
  /** As people know it: `team`. */
  readonly title: string
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json'
const entryType = 'application/vnd.yoe.entry.v1'
const emptyType = 'application/vnd.oci.empty.v1+json'
const empty = '{}'
const lookUpsAtOnce = 16
const tagsAtOnce = 1000

/**
 * A repository of a container registry as a shared store: each entry is an artifact of one blob under a tag of its own. It
 * is visible once its tag is, which is written last.
 *
 * @see OCI distribution specification; OCI image specification, Guidelines for Artifact Usage
 */
export class RepositoryStore implements RemoteStore {
  readonly #options: RepositoryStoreOptions
  #empty: Promise<void> | undefined

  constructor(options: RepositoryStoreOptions) {
    this.#options = options
  }

  async get<T>(
    name: string,
    read: (path: string) => Promise<T>,
    { progress, signal }: Transfer = {},
  ): Promise<T | undefined> {
    const manifest = await this.#ask(`manifests/${tagOf(name)}`, 'GET')
    if (manifest.status === 404) return undefined
    if (manifest.status !== 200) throw this.#refusal(manifest, `read ${name}`)
    const digest = blobOf(manifest.text)
    if (digest === undefined) return undefined
    const into = this.#options.temp()
    try {
      const { requests } = this.#options
      const blob = await requests.ask(`blobs/${digest}`, { method: 'GET', into, follow: true, progress, signal })
      // Cleared away since.
      if (blob.status === 404) return undefined
      if (blob.status !== 200) throw this.#refusal(blob, `read ${name}`)
      return await read(into)
    } finally {
      await rm(into, { force: true })
    }
  }

  async put(
    name: string,
    fill: (path: string) => Promise<void>,
    { progress, signal, replace = false }: Sending = {},
  ): Promise<'saved' | 'exists'> {
    if (!replace && (await this.has([name])).size > 0) return 'exists'
    const path = this.#options.temp()
    try {
      await fill(path)
      this.#empty ??= this.#sendEmpty()
      await this.#empty
      const { size } = await stat(path)
      const digest = await this.#sendBlob(path, size, `write ${name}`, { progress, signal })
      const body = JSON.stringify({
        schemaVersion: 2,
        mediaType: manifestType,
        artifactType: entryType,
        config: { mediaType: emptyType, digest: digestOf(empty), size: empty.length },
        layers: [{ mediaType: entryType, digest, size }],
        annotations: { 'org.opencontainers.image.title': name },
      })
      const headers = { 'content-type': manifestType }
      const answer = await this.#options.requests.ask(`manifests/${tagOf(name)}`, { method: 'PUT', body, headers })
      if (answer.status !== 201) throw this.#refusal(answer, `write ${name}`)
      return 'saved'
    } finally {
      await rm(path, { force: true })
    }
  }

  /** Lists as long as that takes fewer requests in a row than asking for each name, and asks for the others. */
  async has(names: readonly string[]): Promise<ReadonlySet<string>> {
    const found = new Set<string>()
    const pages = Math.floor(names.length / lookUpsAtOnce)
    let [read, whole] = [0, false]
    if (pages > 0)
      for await (const { tags, more } of this.#pages()) {
        const there = new Set(tags)
        for (const name of names) if (there.has(tagOf(name))) found.add(name)
        whole = !more
        if (++read === pages || found.size === names.length) break
      }
    const open = whole ? [] : names.filter((name) => !found.has(name))
    await inParallel(lookUpsAtOnce, open, async (name) => {
      const answer = await this.#ask(`manifests/${tagOf(name)}`, 'HEAD')
      if (answer.status === 200) found.add(name)
      else if (answer.status !== 404) throw this.#refusal(answer, `look for ${name}`)
    })
    return found
  }

  async *list(prefix: string): AsyncGenerator<string> {
    const start = tagOf(prefix)
    for await (const { tags } of this.#pages())
      for (const tag of tags) if (tag.startsWith(start)) yield tag.replaceAll('.', '/')
  }

  async delete(name: string): Promise<void> {
    const found = await this.#ask(`manifests/${tagOf(name)}`, 'HEAD')
    if (found.status === 404) return
    const digest = found.headers['docker-content-digest']
    if (found.status !== 200 || digest === undefined) throw this.#refusal(found, `delete ${name}`)
    const answer = await this.#ask(`manifests/${digest}`, 'DELETE')
    if (![200, 202, 404].includes(answer.status)) throw this.#refusal(answer, `delete ${name}`)
  }

  toString(): string {
    return this.#options.title
  }

  #ask(path: string, method: 'GET' | 'HEAD' | 'DELETE'): Promise<ExchangeAnswer> {
    return this.#options.requests.ask(path, { method, headers: { accept: manifestType }, follow: true })
  }

  #refusal(answer: ExchangeAnswer, what: string): Error {
    return refusal(answer, what, this.#options.image)
  }

  /** Tags in whatever order the registry has them. */
  async *#pages(): AsyncGenerator<{ readonly tags: readonly string[]; readonly more: boolean }> {
    for (let path = `tags/list?n=${tagsAtOnce}`; ; ) {
      const answer = await this.#ask(path, 'GET')
      if (answer.status === 404) return yield { tags: [], more: false }
      if (answer.status !== 200) throw this.#refusal(answer, 'be listed')
      const next = /<([^>]{1,2000})>;\s*rel="?next"?/.exec(answer.headers['link'] ?? '')?.[1]
      const tags = tagsOf(answer.text)
      const more = next !== undefined && tags.length > 0
      yield { tags, more }
      if (!more) return
      path = next
    }
  }

  async #sendEmpty(): Promise<void> {
    const path = this.#options.temp()
    try {
      await writeFile(path, empty)
      await this.#sendBlob(path, empty.length, 'write', {})
    } finally {
      await rm(path, { force: true })
    }
  }

  async #sendBlob(path: string, size: number, what: string, { progress, signal }: Transfer): Promise<string> {
    const { requests } = this.#options
    const digest = `sha256:${await sha256Of(path)}`
    if ((await requests.ask(`blobs/${digest}`, { method: 'HEAD', follow: true })).status === 200) return digest
    const begun = await requests.ask('blobs/uploads/', { method: 'POST' })
    const { location } = begun.headers
    if (begun.status !== 202 || location === undefined) throw this.#refusal(begun, what)
    const place = `${location}${location.includes('?') ? '&' : '?'}digest=${digest}`
    const answer = await requests.ask(place, {
      ...{ method: 'PUT', body: { path, start: 0, size }, progress, signal },
      headers: { 'content-type': 'application/octet-stream' },
    })
    if (answer.status !== 201) throw this.#refusal(answer, what)
    return digest
  }
}

/** Names have slashes, tags have none. */
function tagOf(name: string): string {
  const tag = name.replaceAll('/', '.')
  if (name !== '' && name.length <= 128 && !name.includes('.')) return tag
  return name === '' ? '' : `name-${createHash('sha256').update(checkName(name)).digest('hex')}`
}

function digestOf(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`
}

/** The only blob of an entry; undefined for any other artifact. */
function blobOf(manifest: string): string | undefined {
  const layers = listIn(manifest, 'layers')
  const [layer] = layers
  if (layers.length !== 1 || typeof layer !== 'object' || layer === null || !('digest' in layer)) return undefined
  const { digest } = layer
  return typeof digest === 'string' && /^sha256:[0-9a-f]{64}$/.test(digest) ? digest : undefined
}

function tagsOf(text: string): readonly string[] {
  return listIn(text, 'tags').filter((tag): tag is string => typeof tag === 'string')
}

function listIn(text: string, member: string): readonly unknown[] {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return []
  }
  if (typeof document !== 'object' || document === null) return []
  const list = new Map<string, unknown>(Object.entries(document)).get(member)
  return Array.isArray(list) ? list : []
}
