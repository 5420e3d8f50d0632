import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { PackageRecord } from '#engine/catalog/package.ts'
import { digestOf } from '#engine/plan/canonical.ts'
import type { KnownClosures } from '#engine/plan/resolve.ts'
import { tempName } from '#engine/store/temp.ts'
import type { KeptFile } from './kept-file.ts'
import { openKept, packKept } from './kept-file.ts'

const kind = 'yoe-closures/1'

/** Packages, counted in every closure that holds them: what a file keeps at most, some ten megabytes. */
const limit = 200_000

/** By key, the numbers of the closure's packages among the file's items. */
type Index = Readonly<Record<string, readonly number[]>>

/**
 * Closures kept between runs in `$YOE_CACHE/closures`, so that a warm command solves nothing. An accelerator: what can't
 * be read is solved again, what can't be written is not kept. A file holds all closures of one `subject`, with each of
 * their packages once; those not used for longest give way.
 *
 * @param subject what the closures are about; their own keys tell them apart, it only keeps the file small
 */
export function knownClosures(cacheRoot: string, subject: readonly string[]): KnownClosures {
  const path = join(cacheRoot, 'closures', digestOf('yoe-closures/1', [...subject]).slice(0, 40))
  let kept: { readonly index: Index; readonly file: KeptFile } | undefined
  const made = new Map<number, PackageRecord>()
  /** Asked for in this run, in that order. */
  const used = new Map<string, readonly PackageRecord[]>()
  let waiting = false

  const recordOf = (file: KeptFile, item: number): PackageRecord => {
    const known = made.get(item)
    if (known !== undefined) return known
    const record: PackageRecord = JSON.parse(file.item(item))
    made.set(item, record)
    return record
  }

  const save = (): void => {
    waiting = false
    // What feeds were read into is gone: so is who would ask.
    if (!existsSync(cacheRoot)) return
    const items = new Map<string, number>()
    const index: Record<string, readonly number[]> = {}
    let size = 0
    const add = (key: string, closure: readonly string[]): void => {
      size += closure.length
      if (size > limit) return
      index[key] = closure.map((text) => {
        const number = items.get(text) ?? items.size
        items.set(text, number)
        return number
      })
    }
    const texts = new Map<PackageRecord, string>()
    const textOf = (record: PackageRecord): string => {
      const text = texts.get(record) ?? JSON.stringify(record)
      texts.set(record, text)
      return text
    }
    for (const [key, closure] of used) add(key, closure.map(textOf))
    kept ??= read(path)
    for (const [key, numbers] of Object.entries(kept.index)) {
      if (!used.has(key)) add(key, numbers.map(kept.file.item))
    }
    replace(path, join(cacheRoot, 'tmp', tempName()), packKept(kind, [JSON.stringify(index)], [...items.keys()]))
  }

  return {
    get(key) {
      kept ??= read(path)
      const numbers = Object.hasOwn(kept.index, key) ? kept.index[key] : undefined
      if (numbers === undefined) return undefined
      const { file } = kept
      const closure = numbers.map((number) => recordOf(file, number))
      used.set(key, closure)
      return closure
    },
    set(key, closure) {
      used.set(key, closure)
      // Once, when all that is being resolved now is.
      if (!waiting) setImmediate(save)
      waiting = true
    },
  }
}

function read(path: string): { readonly index: Index; readonly file: KeptFile } {
  const nothing = { index: {}, file: { head: () => '', item: () => '' } }
  try {
    const file = openKept(kind, readFileSync(path))
    return file === undefined ? nothing : { index: JSON.parse(file.head(0)), file }
  } catch {
    return nothing
  }
}

function replace(path: string, temp: string, content: Buffer): void {
  try {
    mkdirSync(dirname(temp), { recursive: true })
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(temp, content)
    renameSync(temp, path)
  } catch {
    rmSync(temp, { force: true })
  }
}
