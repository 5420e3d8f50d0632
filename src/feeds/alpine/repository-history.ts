import { hash } from 'node:crypto'
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, putFile } from '../publish/atomic.ts'
import { firstMember } from './gzip-members.ts'
import { fileOf, indexName, parseIndex } from './index-entry.ts'
import { segmentFiles } from './segment.ts'

/** What superseded indexes name stays this long (milliseconds): a reader that is between two requests finishes. */
const grace = 15 * 60 * 1000
const history = '.history'

/** Keeps the text of an index that is about to be superseded; the time of its file says when. */
export async function remember(root: string, temp: string, arch: string, text: string): Promise<void> {
  await makeFolder(join(root, history))
  await putFile(temp, join(root, history, `${arch}.${hash('sha256', text)}`), text)
}

/**
 * Removes packages that no reader can be on its way to any more: those that neither a present index names, nor the one before
 * it, nor any that was superseded within the grace time. Run under the repository's lock.
 */
export async function retire(root: string): Promise<void> {
  const named = new Set<string>()
  const keep = (text: string, place: string): void => {
    for (const entry of parseIndex(text, place)) named.add(fileOf(entry))
  }
  const folders = (await readdir(root, { withFileTypes: true })).filter(
    (each) => each.isDirectory() && !each.name.startsWith('.'),
  )
  const past = await pastIndexes(join(root, history))
  const last = new Set<string>()
  for (const { arch, path, age } of past) {
    if (!last.has(arch) || age < grace) keep(await readFile(path, 'utf8'), path)
    else await rm(path, { force: true })
    last.add(arch)
  }
  for (const { name } of folders) {
    const archive = await readFile(join(root, name, indexName)).catch(() => undefined)
    if (archive !== undefined) keep(indexText(archive), join(root, name))
  }
  for (const { name } of folders) {
    for (const file of await readdir(join(root, name))) {
      if (file.endsWith('.apk') && !named.has(`${name}/${file}`)) await rm(join(root, name, file), { force: true })
    }
  }
}

/** Of an index that this process has verified or made. */
function indexText(archive: Buffer): string {
  const signature = firstMember(archive, 1 << 20)
  const index = typeof signature === 'string' ? signature : firstMember(archive.subarray(signature.length), 300 << 20)
  if (typeof index === 'string') throw new TypeError(`an index that was just written can't be read: ${index}`)
  return (
    segmentFiles(index.content)
      .find(({ name }) => name === 'APKINDEX')
      ?.content.toString('utf8') ?? ''
  )
}

/** Newest first; `age` in milliseconds. */
async function pastIndexes(
  folder: string,
): Promise<readonly { readonly arch: string; readonly path: string; readonly age: number }[]> {
  const names = await readdir(folder).catch(() => [])
  const found = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name)
      return { arch: name.replace(/\.[^.]*$/, ''), path, age: Date.now() - (await stat(path)).mtimeMs }
    }),
  )
  return found.sort((a, b) => a.age - b.age)
}
