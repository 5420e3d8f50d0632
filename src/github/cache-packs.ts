import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, open, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

/** A small entry that waits to travel with others. */
export interface Piece {
  readonly name: string
  /** A file that holds it. */
  readonly path: string
  /** Bytes. */
  readonly size: number
}

const head = 'yoe-pack/1 '
const mostPieces = 1_000
const mostBytes = 256 * 2 ** 20

/** Writes several entries into one file: a line that says how long the table is, the table, and then each as it is. */
export async function writePack(path: string, pieces: readonly Piece[]): Promise<void> {
  const table = JSON.stringify(pieces.map(({ name, size }) => [name, size]))
  await writeFile(path, `${head}${String(Buffer.byteLength(table)).padStart(8, '0')}\n${table}`)
  for (const piece of pieces) await pipeline(createReadStream(piece.path), createWriteStream(path, { flags: 'a' }))
}

/**
 * Takes a pack apart, whoever wrote it: what is in it is believed no more than an entry of its own.
 *
 * @param folder where each entry becomes a file
 * @returns the file of each name; nothing of what is not exactly a pack
 */
export async function readPack(path: string, folder: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const part = async (start: number, length: number): Promise<Buffer> => {
      const { bytesRead, buffer } = await file.read({ buffer: Buffer.alloc(length), position: start })
      return buffer.subarray(0, bytesRead)
    }
    const start = (await part(0, head.length + 9)).toString('latin1')
    const length = Number(/^(\d{8})\n$/.exec(start.slice(head.length))?.[1])
    if (!start.startsWith(head) || Number.isNaN(length) || size > mostBytes) return files
    const table = readTable((await part(start.length, Math.min(length, size))).toString('utf8'))
    let at = start.length + length
    if (table === undefined || table.reduce((sum, [, bytes]) => sum + bytes, at) !== size) return files
    await mkdir(folder, { recursive: true })
    for (const [index, [name, bytes]] of table.entries()) {
      const piece = join(folder, String(index))
      await writeFile(piece, await part(at, bytes))
      files.set(name, piece)
      at += bytes
    }
    return files
  } finally {
    await file.close()
  }
}

function readTable(text: string): readonly (readonly [name: string, size: number])[] | undefined {
  let rows: unknown
  try {
    rows = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!Array.isArray(rows) || rows.length > mostPieces) return undefined
  const table: (readonly [string, number])[] = []
  for (const row of rows) {
    const [name, size]: readonly unknown[] = Array.isArray(row) ? row : []
    if (typeof name !== 'string' || typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
      return undefined
    table.push([name, size])
  }
  return table
}

/** @returns the piece, or undefined when it is too large to wait for others */
export async function pieceOf(name: string, path: string, most: number): Promise<Piece | undefined> {
  const { size } = await stat(path)
  return size > most ? undefined : { name, path, size }
}
