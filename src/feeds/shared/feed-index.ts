import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { FeedEnvironment } from '#engine/formats.ts'
import { objectPath } from '#engine/store/object-path.ts'
import { tempName } from '#engine/store/temp.ts'
import { noteUse } from '#engine/store/use.ts'
import { type BinaryIndex, encodeIndex, type IndexKind, type IndexScan, readIndex, writeIndex } from './binary-index.ts'
import { type TextFile, textDigest } from './feed-state.ts'

/** How a format reads the indices of its feeds. */
export interface IndexReading {
  readonly kind: IndexKind
  /** Of several texts, one after the other with an empty line between. */
  readonly scan: (text: Buffer) => IndexScan
  /** The text in a file as the store has it. */
  readonly textIn: (stored: Buffer, file: TextFile) => Buffer
}

/** An index that can be asked. */
export interface OpenIndex {
  /** Of the texts that it was made of. */
  readonly digest: string
  readonly index: BinaryIndex
  /** Makes the index anew when its file turns out to be damaged. */
  readonly rebuild: () => BinaryIndex
}

/** The parsed indices of a feed: of each set of texts one file in the cache, which can be made again of what the store has. */
export class FeedIndices {
  readonly #id: string
  readonly #environment: Pick<FeedEnvironment, 'cacheRoot' | 'report'>
  readonly #reading: IndexReading

  constructor(id: string, environment: Pick<FeedEnvironment, 'cacheRoot' | 'report'>, reading: IndexReading) {
    this.#id = id
    this.#environment = environment
    this.#reading = reading
  }

  /** The index of these files; undefined when neither it nor all of them are at hand and whole. */
  open(files: readonly TextFile[]): OpenIndex | undefined {
    const path = this.#path(textDigest(files))
    noteUse(path)
    const index = readIndex(path, this.#reading.kind) ?? this.#fromStore(files)
    return index === undefined ? undefined : this.#opened(files, index)
  }

  /** Parses texts, which are those of these files. */
  make(files: readonly TextFile[], texts: readonly Buffer[]): OpenIndex {
    return this.#opened(files, this.#parse(files, texts))
  }

  #opened(files: readonly TextFile[], index: BinaryIndex): OpenIndex {
    const rebuild = (): BinaryIndex => {
      const rebuilt = this.#fromStore(files)
      if (rebuilt !== undefined) return rebuilt
      const message = `feed ${this.#id}: its parsed index is damaged, and what it was made of is gone`
      throw new YoeError('STORE_DAMAGED', message, { hint: 'run it again: the index is fetched anew' })
    }
    return { digest: textDigest(files), index, rebuild }
  }

  #path(digest: string): string {
    return join(this.#environment.cacheRoot, 'feeds', `${digest}.index`)
  }

  #fromStore(files: readonly TextFile[]): BinaryIndex | undefined {
    const texts: Buffer[] = []
    for (const file of files) {
      let stored: Buffer
      try {
        stored = readFileSync(objectPath(this.#environment.cacheRoot, file.sha256))
      } catch {
        return undefined
      }
      if (createHash('sha256').update(stored).digest('hex') !== file.sha256) return undefined
      texts.push(this.#reading.textIn(stored, file))
    }
    return this.#parse(files, texts)
  }

  #parse(files: readonly TextFile[], texts: readonly Buffer[]): BinaryIndex {
    const { cacheRoot, report } = this.#environment
    const { kind, scan } = this.#reading
    const [first] = texts
    const text =
      first !== undefined && texts.length === 1
        ? first
        : Buffer.concat(texts.flatMap((one) => [one, Buffer.from('\n\n')]))
    const scanned = scan(text)
    const { count, first: some } = scanned.refused
    if (count > 0) {
      report({
        type: 'warning',
        message: `feed ${this.#id}: ${count} of its packages are left out because their entries are malformed (${some.join('; ')})`,
      })
    }
    const path = this.#path(textDigest(files))
    writeIndex(path, join(cacheRoot, 'tmp', tempName()), encodeIndex(text, scanned, kind))
    const index = readIndex(path, kind)
    if (index === undefined) throw new Error(`${path} can't be read back`)
    return index
  }
}
