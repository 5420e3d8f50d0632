import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'

/** SHA-256 of a file, or of a part of it (`end` included), in hexadecimal. */
export async function sha256Of(
  path: string,
  part: { readonly start?: number; readonly end?: number } = {},
): Promise<string> {
  const sum = createHash('sha256')
  for await (const chunk of createReadStream(path, { ...part, highWaterMark: 2 ** 20 })) sum.update(chunk)
  return sum.digest('hex')
}
