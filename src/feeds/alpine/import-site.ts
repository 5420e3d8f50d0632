import { readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { inParallel } from '#engine/in-parallel.ts'
import { tempName } from '#engine/store/temp.ts'
import { makeFolder, putFile } from '../publish/atomic.ts'
import { feedsOfSite, fetchFromSite, type Imported, incomplete, type SiteImport } from '../publish/live-site.ts'
import { verifyApk } from './apk-read.ts'
import { fileOf, type IndexEntry, indexName } from './index-entry.ts'
import { publicKeyFiles } from './keyring-package.ts'
import { ownIndex, trustedOf } from './repository.ts'

const filesAtOnce = 8

/**
 * Copies the feed of apk that a site serves now and verifies it like a device: for places where a publish replaces
 * everything. Nothing of it is believed that the project's key did not sign.
 *
 * @returns undefined when the site serves none yet
 * @throws {YoeError} PUBLISH_FAILED when it is signed by somebody else, incomplete or can't be read: then nothing must
 *   replace it
 */
export async function importSite(site: SiteImport): Promise<Imported | undefined> {
  const architectures = (await feedsOfSite(site))?.alpine
  if (architectures === undefined) return undefined
  const root = join(site.target, 'alpine')
  const temp = join(root, '.tmp')
  await makeFolder(temp)
  try {
    const trusted = await trustedOf(site.signingKey)
    const entries = new Map<string, IndexEntry>()
    for (const arch of architectures) {
      const into = join(temp, tempName())
      if (!(await fetchFromSite(site, `alpine/${arch}/${indexName}?${site.fresh}`, into)))
        throw incomplete(site, `alpine/${arch}/${indexName}`)
      const archive = await readFile(into)
      const afresh = 'unpublish the site (Settings, Pages) to begin a new feed'
      const index = ownIndex(archive, `${site.url}/alpine/${arch}`, site.signingKey, trusted, afresh)
      for (const entry of index.entries) entries.set(fileOf(entry), entry)
      await makeFolder(join(root, arch))
      await putFile(temp, join(root, arch, indexName), archive)
      await rm(into, { force: true })
    }
    let fetched = 0
    await inParallel(filesAtOnce, [...entries.values()], async (entry) => {
      fetched += await importPackage(site, entry, root, temp)
    })
    for (const [name, pem] of await publicKeyFiles(site.signingKey)) await putFile(temp, join(site.target, name), pem)
    return { packages: entries.size, fetched }
  } finally {
    await rm(temp, { recursive: true, force: true })
  }
}

/** @returns bytes that had to be fetched */
async function importPackage(site: SiteImport, entry: IndexEntry, root: string, temp: string): Promise<number> {
  const file = fileOf(entry)
  const dest = join(root, file)
  await makeFolder(dirname(dest))
  const into = join(temp, tempName())
  const address = file.split('/').map(encodeURIComponent).join('/')
  if (!(await fetchFromSite(site, `alpine/${address}`, into))) throw incomplete(site, file)
  await verifyApk(into, entry.identity).catch((failure: unknown) => {
    throw incomplete(site, file, failure)
  })
  await rename(into, dest)
  return entry.size
}
