import { YoeError } from '#engine/errors.ts'
import type { PackageFormat } from '#engine/formats.ts'
import type { Builtin } from '#engine/project/builtins/builtin.ts'
import { alpineFormat } from '#feeds/alpine/format.ts'
import { debianFormat } from '#feeds/debian/format.ts'
import type { Publisher } from '#feeds/publish/publisher.ts'

/** Every package format, each registered by one line. */
export const formats: readonly PackageFormat[] = [debianFormat, alpineFormat]

/** The format of a distro's packages. @throws {YoeError} PROJECT_INVALID */
export function formatOf(distro: string): PackageFormat {
  const found = formats.find((format) => format.distros.includes(distro))
  if (found !== undefined) return found
  throw new YoeError('PROJECT_INVALID', `yoe knows no distro "${distro}"`, {
    hint: `it knows: ${formats.flatMap((format) => format.distros).join(', ')}`,
  })
}

/** What formats add to the language of .star files. */
export async function formatBuiltins(): Promise<Readonly<Record<string, Builtin>>> {
  const { aptFeed } = await import('#feeds/debian/feed-builtin.ts')
  const { alpineFeed } = await import('#feeds/alpine/feed-builtin.ts')
  return { apt_feed: aptFeed, alpine_feed: alpineFeed }
}

const publishers: Readonly<Record<string, () => Promise<Publisher>>> = {
  debian: async () => (await import('#feeds/debian/publisher.ts')).debianPublisher,
  apk: async () => (await import('#feeds/alpine/publisher.ts')).alpinePublisher,
}

/** How packages of a format come to devices. */
export function publisherOf({ name }: Pick<PackageFormat, 'name'>): Promise<Publisher> {
  const found = publishers[name]
  if (found === undefined) throw new TypeError(`nobody publishes packages of format ${name}`)
  return found()
}

/** The other ways in which a site may have feeds. */
export function otherPublishers({ name }: Pick<PackageFormat, 'name'>): Promise<readonly Publisher[]> {
  return Promise.all(Object.entries(publishers).flatMap(([each, load]) => (each === name ? [] : [load()])))
}
