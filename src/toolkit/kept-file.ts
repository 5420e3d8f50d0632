import { crc32 } from 'node:zlib'

/**
 * Texts kept between runs to save time, as one file: a line that tells damage and other makings, then the head's texts, then
 * items that are read one by one when somebody asks for them.
 */
export interface KeptFile {
  /** The text of the head at `index`. */
  head(index: number): string
  item(index: number): string
}

/** @param kind what the texts are, and in which version of their making: `yoe-project/1` */
export function packKept(kind: string, head: readonly string[], items: readonly string[]): Buffer {
  const texts = items.map((item) => Buffer.from(item))
  const ends: number[] = []
  let end = 0
  for (const text of texts) {
    end += text.length
    ends.push(end)
  }
  const heads = [JSON.stringify(ends), ...head].map((text) => Buffer.from(text))
  const body = Buffer.concat([...heads, ...texts])
  const start = `${[kind, ...heads.map((text) => text.length)].join(' ')} `
  return Buffer.concat([Buffer.from(`${start}${crc32(body, crc32(start))}\n`), body])
}

/** What was packed; undefined when it is damaged or of another kind. */
export function openKept(kind: string, file: Buffer): KeptFile | undefined {
  const line = file.indexOf('\n')
  const [, start = '', lengths = '', sum] =
    /^(\S+((?: \d+)+) )(\d+)$/.exec(file.toString('latin1', 0, Math.max(0, line))) ?? []
  const body = file.subarray(line + 1)
  if (!start.startsWith(`${kind} `) || String(crc32(body, crc32(start))) !== sum) return undefined
  const starts = [0]
  for (const length of lengths.trim().split(' ')) starts.push((starts.at(-1) ?? 0) + Number(length))
  const itemsAt = starts.at(-1) ?? 0
  const text = (index: number): string => body.toString('utf8', starts[index], starts[index + 1])
  let ends: readonly number[] | undefined
  return {
    head: (index) => text(index + 1),
    item(index) {
      // Whole, and written by this very version: it is what was packed.
      ends ??= JSON.parse(text(0))
      return body.toString('utf8', itemsAt + (ends?.[index - 1] ?? 0), itemsAt + (ends?.[index] ?? 0))
    },
  }
}
