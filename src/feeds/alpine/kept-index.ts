import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FeedEnvironment, KeptIndex } from '#engine/formats.ts'
import type { FeedDeclaration } from '#engine/project/model.ts'
import { errorCode } from '#engine/store/disk.ts'
import { writeState } from '../shared/feed-state.ts'
import { committedPath, fetchIndices } from './feed.ts'
import { optionsOf } from './feed-place.ts'
import { apkArch } from './names.ts'

/**
 * Brings the indices that a module keeps to what its repository has now. All of them are verified before one is written.
 *
 * @param anew also where the module has none for the architecture
 * @returns what was written; undefined when the feed keeps none for it
 * @throws as {@link fetchIndices}
 * @see seed, Maintainer playbook: yoe update-feeds
 */
export async function keepIndex(
  declaration: FeedDeclaration,
  environment: FeedEnvironment,
  anew: boolean,
): Promise<readonly KeptIndex[] | undefined> {
  const { index, sections, arches } = optionsOf(declaration)
  const arch = apkArch(environment.arch)
  if (index === undefined || arches?.includes(arch) === false) return undefined
  const places = sections.map((section) => ({ section, file: committedPath(index, sections, section, arch) }))
  const before = places.map(({ file }) => read(join(environment.moduleRoot, file)))
  if (!anew && before.every((one) => one === undefined)) return undefined
  const found = await fetchIndices(declaration, environment)
  const kept: KeptIndex[] = []
  for (const [at, { file }] of places.entries()) {
    const [now, old] = [found[at], before[at]]
    if (now === undefined) continue
    const isNew = old?.equals(now.bytes) !== true
    if (isNew) await writeState(join(environment.moduleRoot, file), now.bytes)
    kept.push({ file, date: now.date, packages: count(now.bytes), moved: isNew })
  }
  return kept
}

const count = (text: Buffer): number => text.toString('latin1').match(/^P:/gm)?.length ?? 0

function read(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch (failure) {
    if (errorCode(failure) === 'ENOENT') return undefined
    throw failure
  }
}
