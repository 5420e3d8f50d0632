import { createHash } from 'node:crypto'
import { YoeError, YoeErrors } from '#engine/errors.ts'
import type { Reporter } from '#engine/events.ts'
import type { DeviceFile, PackageFormat, RepositoryEntry, SigningKey } from '#engine/formats.ts'
import type { Json, Project } from '#engine/project/model.ts'
import type { PublicKeyFile } from '#engine/project/settings.ts'
import type { KeyUse } from '#feeds/keys/project-keys.ts'
import { formats, publisherOf } from './formats.ts'

/** What images of a distro get for the project's own feed. */
export interface DeviceSide {
  readonly files: readonly DeviceFile[]
  /** Public keys of the distro's format, which come as a package; empty: the project names no feed. */
  readonly keys: readonly PublicKeyFile[]
}

/** Whose packages, and for which devices. */
interface Devices {
  readonly project: Pick<Project, 'name' | 'feed'>
  readonly format: PackageFormat
  /** The release that packages are published under. */
  readonly suite: string
}

/** @throws {YoeErrors} KEY_INVALID for files that are no keys of any feed, or when none is of this format */
export function deviceSideOf({ project, format, suite }: Devices): DeviceSide {
  const { name, feed } = project
  if (feed === undefined) return { files: format.deviceFiles(undefined), keys: [] }
  const { at, url } = feed
  const keys = feed.keys.filter((file) => format.knowsKeys(file))
  const wrong = feed.keys
    .filter((file) => !formats.some((each) => each.knowsKeys(file)))
    .map(({ file, content }) => {
      const hint = `yoe key export feed >${file} (Debian), or yoe key export apk >${file} (Alpine)`
      const what = content === '' ? `there is no file ${file}` : `${file} holds no public key of a package feed`
      return new YoeError('KEY_INVALID', `feed(): ${what}`, { at, hint })
    })
  if (wrong.length === 0 && keys.length === 0)
    wrong.push(
      new YoeError('KEY_INVALID', `feed(): keys has none for ${format.purlType} packages`, {
        at,
        hint: 'yoe key export feed (Debian), or apk (Alpine), prints one; put it into a file and name that in keys',
      }),
    )
  if (wrong.length > 0) throw new YoeErrors(wrong)
  return { files: format.deviceFiles({ project: name, suite, url }), keys }
}

/** The files of the project that have public keys of a kind. */
export async function keyFilesOf({ feed }: Pick<Project, 'feed'>, use: KeyUse): Promise<readonly string[]> {
  const ofUse = await Promise.all(formats.map(async (format) => (await publisherOf(format)).keyUse === use))
  const readers = formats.filter((_, index) => ofUse[index])
  return (feed?.keys ?? []).filter((key) => readers.some((format) => format.knowsKeys(key))).map(({ file }) => file)
}

/** As part of images' keys; undefined where they get nothing. */
export function deviceSideDigest({ files, keys }: DeviceSide): Json | undefined {
  if (files.length === 0 && keys.length === 0) return undefined
  const digest = (text: string): string => createHash('sha256').update(text).digest('hex')
  return {
    files: Object.fromEntries(files.map(({ path, text }) => [path, text])),
    keys: keys.map(({ content }) => digest(content)),
  }
}

/**
 * The package that brings a project's public keys to its devices: the same bytes in an image as in the feed, since it is
 * made of what the project names.
 *
 * @param workdir absolute and empty; the package stays in there
 */
export async function keyringEntry(
  { project, format, distro }: Pick<Devices, 'project' | 'format'> & { readonly distro: string },
  keys: readonly PublicKeyFile[],
  workdir: string,
  report: Reporter,
): Promise<RepositoryEntry> {
  const publisher = await publisherOf(format)
  return publisher.keyringPackage({ project: project.name, keys, distro, workdir, report })
}

/**
 * The keys that a publish brings to devices: those that the project names, else the ones that sign.
 *
 * @throws {YoeError} KEY_INVALID when the project's devices would believe none that signs
 */
export async function publishedKeys(
  devices: Devices,
  key: SigningKey,
  report: Reporter,
): Promise<readonly PublicKeyFile[]> {
  const { project, format } = devices
  if (project.feed === undefined)
    return [{ file: await format.publicKeyFile(project.name), content: Buffer.from(key.publicKey).toString('base64') }]
  const { keys } = deviceSideOf(devices)
  const publisher = await publisherOf(format)
  const trusted = await publisher.trustedKeys(keys)
  const signing = await publisher.signingKeys(key)
  const unknown = signing.filter((each) => !trusted.includes(each))
  const { at } = project.feed
  const hint = `yoe key export ${publisher.keyUse} >${keys[0]?.file ?? ''}, and commit it`
  if (unknown.length === signing.length)
    throw new YoeError('KEY_INVALID', `devices would not believe what is published: feed() does not name ${unknown}`, {
      at,
      hint,
    })
  if (unknown.length > 0)
    report({ type: 'warning', message: `feed() does not name ${unknown}, which signs, too`, hint, at })
  return keys
}
