import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { compareTars, type Difference } from '#engine/compare-tars.ts'

export type TarReader = () => AsyncIterable<Uint8Array>

/**
 * What two packages of ours that should be the same bytes disagree about: first the files that they install, then those
 * that they tell the installer.
 *
 * @param tarsOf a package's two archives, unpacked as they are read
 * @param controlFolder what the latter are shown below: `DEBIAN`
 * @returns empty when every byte is the same
 * @throws {YoeError} ARCHIVE_UNSAFE
 */
export async function comparePackages(
  paths: readonly [first: string, second: string],
  tarsOf: (path: string) => Promise<{ readonly data: TarReader; readonly control: TarReader }>,
  controlFolder: string,
): Promise<readonly Difference[]> {
  const digests = await Promise.all(paths.map(digestOf))
  if (digests[0] === digests[1]) return []
  const [one, two] = await Promise.all([tarsOf(paths[0]), tarsOf(paths[1])])
  const data = await compareTars({ name: paths[0], open: one.data }, { name: paths[1], open: two.data })
  const control = await compareTars({ name: paths[0], open: one.control }, { name: paths[1], open: two.control })
  const found = [...data, ...control.map(({ path, what }) => ({ path: `${controlFolder}${path}`, what }))]
  return found.length > 0 ? found : [{ path: '', what: 'the same content, packed in another way' }]
}

async function digestOf(path: string): Promise<string> {
  const sum = createHash('sha256')
  for await (const chunk of createReadStream(path)) sum.update(chunk)
  return sum.digest('hex')
}
