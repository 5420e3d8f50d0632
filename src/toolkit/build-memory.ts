import { createHash } from 'node:crypto'
import { existsSync, globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readLast } from '#engine/build/last.ts'
import type { Json } from '#engine/project/model.ts'
import { listingPath, saveListing } from '#engine/source/listing.ts'
import type { Workspace } from './workspace.ts'

/** Where machines without a past, such as a CI job's, find out why something is built. Only shown, never trusted. */
export interface Elsewhere {
  /** What an earlier run remembered; asked once, and only when something is built. */
  recall(): Promise<string | undefined>
  /** Given what this run leaves to the next, when it built something and all went well. */
  keep(text: string): Promise<void>
}

type Places = Pick<Workspace, 'buildRoot' | 'cacheRoot'>

/**
 * What earlier builds were made of, wherever they ran: the input document of each node, and which files its folders held.
 */
export class BuildMemory {
  readonly #places: Places
  readonly #elsewhere: Elsewhere
  #recalled: Promise<ReadonlyMap<string, Json>> | undefined

  constructor(places: Places, elsewhere: Elsewhere) {
    this.#places = places
    this.#elsewhere = elsewhere
  }

  /** A node's last input document, when this machine has none. */
  readonly lastOf = async (id: string): Promise<Json | undefined> => (await this.#recall()).get(id)

  /** Leaves what is known now to the next run, if anything was built. */
  async keep(): Promise<void> {
    if (this.#recalled === undefined) return
    const last = new Map(await this.#recalled)
    for (const file of globSync('*/*/last.json', { cwd: this.#places.buildRoot })) {
      const document = await readLast(join(this.#places.buildRoot, file))
      if (document !== undefined) last.set(file.split('/').slice(0, 2).join('/'), document)
    }
    const documents = JSON.stringify(Object.fromEntries([...last].sort(([a], [b]) => (a < b ? -1 : 1))))
    const listings: Record<string, string> = {}
    for (const [digest] of documents.matchAll(/\b[0-9a-f]{64}\b/g)) {
      const path = listingPath(this.#places.cacheRoot, digest)
      if (listings[digest] === undefined && existsSync(path)) listings[digest] = await readFile(path, 'utf8')
    }
    await this.#elsewhere.keep(`{"last":${documents},"listings":${JSON.stringify(listings)}}`)
  }

  #recall(): Promise<ReadonlyMap<string, Json>> {
    this.#recalled ??= this.#read()
    return this.#recalled
  }

  async #read(): Promise<ReadonlyMap<string, Json>> {
    try {
      const memory: Json = JSON.parse((await this.#elsewhere.recall()) ?? '{}')
      for (const [digest, text] of membersOf(memory, 'listings')) {
        const said = typeof text === 'string' ? createHash('sha256').update(text).digest('hex') : ''
        if (said === digest && typeof text === 'string') saveListing(this.#places.cacheRoot, digest, text.split('\n'))
      }
      return new Map(membersOf(memory, 'last'))
    } catch {
      // Then nothing is known, and that is said of each unit.
      return new Map()
    }
  }
}

function membersOf(document: Json, name: string): readonly (readonly [string, Json])[] {
  const member = isRecord(document) ? document[name] : undefined
  return member !== undefined && isRecord(member) ? Object.entries(member) : []
}

function isRecord(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
