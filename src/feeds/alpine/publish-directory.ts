import { join } from 'node:path'
import { makeFolder, putFile } from '../publish/atomic.ts'
import { type DirectoryPublish, pagesIn } from '../publish/directory.ts'
import { exclusively, tempFolder } from '../publish/exclusive.ts'
import { putPages } from '../publish/site-pages.ts'
import { publicKeyFiles } from './keyring-package.ts'
import { pageOf, readSource } from './published.ts'
import { publishPackages } from './repository.ts'

/**
 * Brings a project's packages to a folder that some web server serves: `alpine/`, the public keys, a page. What earlier
 * publishes, also from other machines, brought there stays on offer. Packages come first and indexes last: a publish
 * that is killed, or finds the disk full, leaves the old feed whole.
 *
 * @returns how many packages the feed now offers
 * @throws {YoeError} PUBLISH_FAILED when the project has no repository yet or the target is signed by somebody else;
 *   DISK_FULL, PERMISSION, TOOL_MISSING
 */
export async function publishDirectory(input: DirectoryPublish): Promise<{ readonly packages: number }> {
  const incoming = await readSource(input)
  const root = join(input.target, 'alpine')
  await makeFolder(root)
  const keys = await publicKeyFiles(input.signingKey)
  await exclusively(root, input, async () => {
    // Before the index: whoever reads it needs the key.
    for (const [name, pem] of keys) await putFile(tempFolder(root), join(input.target, name), pem)
  })
  const now = await publishPackages({ ...input, root }, incoming)
  await exclusively(root, input, async () =>
    putPages(pagesIn(input.target, tempFolder(root)), await pageOf(input, now), [...now.keys()].sort()),
  )
  return { packages: [...now.values()].flat().length }
}
