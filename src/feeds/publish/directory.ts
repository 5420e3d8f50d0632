import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readGeneration } from '../debian/generation.ts'
import { publishGeneration } from '../debian/repository.ts'
import { binaryKeyring } from '../keys/openpgp.ts'
import { makeFolder, putFile } from './atomic.ts'
import { exclusively } from './exclusive.ts'
import { type PagePlace, putPages } from './site-pages.ts'
import { type FeedPublish, pageOf, readSource } from './source.ts'

export interface DirectoryPublish extends FeedPublish {
  /** Absolute: gets `debian/`, `<project>.gpg`, `<project>.asc` and `index.html`; may hold an earlier publish. */
  readonly target: string
}

/**
 * Brings a project's packages to a folder that some web server serves. What earlier publishes, also from other
 * machines, brought there stays on offer. Packages come first and the index last: a publish that is killed, or finds
 * the disk full, leaves the old feed whole.
 *
 * @returns how many packages the feed now offers
 * @throws {YoeError} PUBLISH_FAILED when the project has no repository yet or the target is signed by somebody else;
 *   DISK_FULL, PERMISSION, TOOL_MISSING
 */
export async function publishDirectory(input: DirectoryPublish): Promise<{ readonly packages: number }> {
  const additions = await readSource(input)
  const root = join(input.target, 'debian')
  await makeFolder(root)
  return exclusively(root, input, async () => {
    const temp = join(root, '.tmp')
    // Before the index: whoever reads it needs the key.
    await putFile(temp, join(input.target, `${input.project}.gpg`), await binaryKeyring(input.signingKey))
    await putFile(temp, join(input.target, `${input.project}.asc`), input.signingKey.publicKey.replaceAll('\r\n', '\n'))
    const old = await readGeneration(root, input.suite, input.signingKey)
    const now = await publishGeneration({ ...input, root }, old, additions)
    const suites = await readdir(join(root, 'dists'))
    await putPages(pagesIn(input.target, temp), pageOf(input, now), suites.sort())
    return { packages: [...now.indexes.values()].flat().length }
  })
}

/** The pages of a folder. @param temp absolute folder for unfinished files, on the same file system */
export const pagesIn = (target: string, temp: string): PagePlace => ({
  read: (path) => readFile(join(target, path), 'utf8').catch(() => undefined),
  write: (path, html) => putFile(temp, join(target, path), html),
})
