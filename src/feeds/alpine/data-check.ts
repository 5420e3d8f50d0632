import { shown, unsafe } from '#engine/image/archive-path.ts'
import { readTar } from '#engine/image/tar-read.ts'
import { tarsOf } from './contents.ts'

/** Bytes of a package's data, unpacked, whatever it says about them. */
const largest = 16 * 2 ** 30

/**
 * Refuses data that no honest package has, whoever signed and listed it: names that leave the root or come twice, devices,
 * files behind a link of the package's own, other names of what is no file of it, far more than it says, and whatever else
 * readers disagree about. Links may lead anywhere: that is how systems are made. apk keeps most of this below its root, and
 * says nothing.
 *
 * @param path absolute, of a package whose digests are right
 * @param size bytes of its files, as its control file has them; 0: it does not say
 * @throws {YoeError} ARCHIVE_UNSAFE
 */
export async function checkData(path: string, size: number): Promise<void> {
  const { data } = await tarsOf(path)
  const most = size === 0 ? largest : size * 1.1 + 2 ** 20
  const files = new Set<string>()
  const links = new Set<string>()
  let bytes = 0
  for await (const { entry } of readTar(atMost(data(), path), path, 'any')) {
    const { path: place, type, link } = entry
    bytes += entry.size
    if (bytes > most) throw unsafe(path, `more than the ${size} bytes that it says`)
    for (let at = place.indexOf('/'); at > 0; at = place.indexOf('/', at + 1))
      if (links.has(place.slice(0, at))) throw unsafe(path, `${shown(place)}, which lies behind a link`)
    if (type === 'hardlink' && !files.has(link))
      throw unsafe(path, `${shown(place)}, another name of ${shown(link)}, no file before it`)
    if (type === 'file' || type === 'hardlink') files.add(place)
    else if (type === 'symlink') links.add(place)
    else if (type !== 'directory') throw unsafe(path, `${shown(place)}, which is a device or a pipe`)
  }
}

async function* atMost(chunks: AsyncIterable<Uint8Array>, path: string): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    if (bytes > largest) throw unsafe(path, `more than ${largest} bytes`)
    yield chunk
  }
}
