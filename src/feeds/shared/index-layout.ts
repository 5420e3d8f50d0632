/**
 * A parsed index as one file: a header, flat tables of 32-bit little-endian numbers, the names, the records' texts.
 * Header, tables and names are read at once and covered by a checksum; records stay in the file, each with a checksum
 * of its own, until they are asked for. So a command that touches 400 of 69,000 packages pays for 400.
 */
export const HEADER_WORDS = 16
/** Header words behind the magic (words 0 and 1) and the checksum (word 2). */
export const counts = [
  'names',
  'records',
  'table',
  'provides',
  'joins',
  'essential',
  'required',
  'nameBytes',
  'recordBytes',
  'refused',
] as const
export type Counts = Record<(typeof counts)[number], number>

/** The tables in file order, each with its length in words. */
const tables = (c: Counts) =>
  ({
    nameStart: c.names + 1,
    /** `ownStart[n]` to `ownStart[n + 1]` in `own`: records called n, in index order. */
    ownStart: c.names + 1,
    own: c.records,
    /** Likewise: records that provide n, preferred first. */
    providerStart: c.names + 1,
    provider: c.provides,
    /** Likewise: records that join others which include n, in index order. */
    joinStart: c.names + 1,
    join: c.joins,
    recordStart: c.records + 1,
    recordName: c.records,
    recordSum: c.records,
    /** Open addressing by the names' FNV-1a; name id + 1, or 0. */
    table: c.table,
    essential: c.essential,
    required: c.required,
  }) as const
export type TableName = keyof ReturnType<typeof tables>

/** Where everything lies in a file of these counts. */
export function locate(count: Counts): {
  readonly tables: Readonly<Record<TableName, { readonly from: number; readonly length: number }>>
  /** Where the names begin, in bytes. */
  readonly bytes: number
  /** Where the names end and the records begin. */
  readonly head: number
  readonly size: number
} {
  const lengths = tables(count)
  let at = HEADER_WORDS
  const place = (length: number): { from: number; length: number } => {
    const from = at
    at += length
    return { from, length }
  }
  const located = {
    nameStart: place(lengths.nameStart),
    ownStart: place(lengths.ownStart),
    own: place(lengths.own),
    providerStart: place(lengths.providerStart),
    provider: place(lengths.provider),
    joinStart: place(lengths.joinStart),
    join: place(lengths.join),
    recordStart: place(lengths.recordStart),
    recordName: place(lengths.recordName),
    recordSum: place(lengths.recordSum),
    table: place(lengths.table),
    essential: place(lengths.essential),
    required: place(lengths.required),
  }
  const head = at * 4 + count.nameBytes
  return { tables: located, bytes: at * 4, head, size: head + count.recordBytes }
}
