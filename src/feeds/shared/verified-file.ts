import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'

/** Whether `path` is a file of exactly these bytes. */
export async function verifiedFile(path: string, sha256: string, size: number): Promise<boolean> {
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch {
    return false
  }
  try {
    if ((await file.stat()).size !== size) return false
    const sum = createHash('sha256')
    const chunk = Buffer.allocUnsafe(2 ** 20)
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, chunk.length)
      if (bytesRead === 0) break
      sum.update(chunk.subarray(0, bytesRead))
    }
    return sum.digest('hex') === sha256
  } finally {
    await file.close()
  }
}
