import { createHash } from 'node:crypto'
import { constants, copyFile, link, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RepositoryEntry } from '#engine/formats.ts'
import { readControlFile } from './deb-control.ts'

/** Control archives decompressed at once. */
const readers = 4

/**
 * Makes a private apt repository of exactly these packages for one installation: `pool/`, `Packages`, `InRelease`, and
 * `key.gpg`, the public half of a key that signs this once and is then forgotten.
 *
 * @param folder absolute; made here, readable by everybody
 * @param date seconds since 1970
 */
export async function writeClosure(folder: string, packages: readonly RepositoryEntry[], date: number): Promise<void> {
  await mkdir(join(folder, 'pool'), { recursive: true, mode: 0o755 })
  const stanzas: string[] = Array(packages.length).fill('')
  const queue = [...packages.entries()]
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [index, { record, path, sha256, size }] = next
      // No version: it could hold what a URL can't.
      const name = `pool/${index}_${record.name}_${record.arch}.deb`
      await place(path, join(folder, name))
      const control = await readControlFile(path, 'control')
      stanzas[index] = `${control?.trimEnd() ?? ''}\nFilename: ${name}\nSize: ${size}\nSHA256: ${sha256}\n\n`
    }
  }
  await Promise.all(Array.from({ length: readers }, work))
  const index = stanzas.join('')
  const when = new Date(date * 1000).toUTCString().replace('GMT', 'UTC')
  const digest = createHash('sha256').update(index).digest('hex')
  const release = `Suite: closure\nDate: ${when}\nSHA256:\n ${digest} ${Buffer.byteLength(index)} Packages\n`
  const { createCleartextMessage, enums, generateKey, sign } = await import('openpgp')
  const { privateKey, publicKey } = await generateKey({
    type: 'ecc',
    curve: 'ed25519Legacy',
    userIDs: [{ name: 'one installation' }],
    format: 'object',
    config: { v6Keys: false, preferredHashAlgorithm: enums.hash.sha512 },
  })
  const signed = await sign({ message: await createCleartextMessage({ text: release }), signingKeys: privateKey })
  await Promise.all([
    writeFile(join(folder, 'Packages'), index),
    writeFile(join(folder, 'InRelease'), signed),
    writeFile(join(folder, 'key.gpg'), publicKey.write()),
  ])
}

async function place(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch {
    // Another file system, or a file that is somebody else's.
    await copyFile(from, to, constants.COPYFILE_FICLONE)
  }
}
