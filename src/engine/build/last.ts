import { readFile } from 'node:fs/promises'
import type { Json } from '../project/model.ts'

/** The input document of the last build in a node's folder; a damaged or missing one counts as none. */
export async function readLast(path: string): Promise<Json | undefined> {
  try {
    const document: Json = JSON.parse(await readFile(path, 'utf8'))
    return document
  } catch {
    return undefined
  }
}
