import type { Arch } from '../arch.ts'
import { YoeError } from '../errors.ts'
import { type ImageReference, imageText } from './reference.ts'

/** A part of an image, by its digest. */
export interface Descriptor {
  readonly mediaType: string
  /** In hexadecimal. */
  readonly sha256: string
  /** Bytes. */
  readonly size: number
}

/** What an image is made of, lowest layer first. */
export interface Manifest {
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
}

/** What an image says about running it. */
export interface ImageConfig {
  readonly architecture: string
  readonly os: string
  /** Digests of the layers, unpacked. */
  readonly diffIds: readonly string[]
  readonly settings: ImageSettings
}

/** What is kept of it with a root: `NAME=value` lines, commands, a folder, a user. */
export interface ImageSettings {
  readonly env: readonly string[]
  readonly entrypoint: readonly string[]
  readonly cmd: readonly string[]
  readonly workingDir: string
  readonly user: string
}

export const mediaTypes = {
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
} as const

/** Most of an index that are looked at, and most layers that an image may have. */
const mostManifests = 200
const mostLayers = 128

/** Go's names, which images use. */
const platforms: Readonly<Record<Arch, string>> = { x86_64: 'amd64', arm64: 'arm64', riscv64: 'riscv64' }

export const platformOf = (arch: Arch): string => `linux/${platforms[arch]}`

/**
 * What a registry answered for a digest: the manifest, or the digest of the one for an architecture.
 *
 * @throws {YoeError} ARCHIVE_UNSAFE for what is no manifest; UNSATISFIABLE when there is none for the architecture
 * @see OCI image specification, manifest and image-index; Docker image manifest version 2, schema 2
 */
export function readManifest(
  text: string,
  image: ImageReference,
  arch: Arch,
): { readonly manifest: Manifest } | { readonly next: Descriptor } {
  const what = imageText(image)
  const document = object(parse(text, what))
  const type = string(document['mediaType'])
  const isIndex =
    type === mediaTypes.dockerList || type === mediaTypes.ociIndex || (type === '' && 'manifests' in document)
  if (document['schemaVersion'] !== 2)
    throw unsafe(what, 'a manifest of an outdated form (schema 1)', 'ask whoever publishes it for a newer one')
  if (!isIndex) return { manifest: manifestOf(document, what) }
  const entries = array(document['manifests'])
  if (entries.length > mostManifests) throw unsafe(what, `an index of ${entries.length} manifests`)
  const offered: string[] = []
  for (const entry of entries.map(object)) {
    const { os, architecture, variant } = object(entry['platform'])
    if (os !== 'linux' || typeof architecture !== 'string') continue
    if (architecture === platforms[arch] && (variant === undefined || variant === '' || variant === 'v8')) {
      const next = descriptor(entry, what)
      // An index in an index would be a way around every limit.
      if (next.mediaType !== mediaTypes.dockerManifest && next.mediaType !== mediaTypes.ociManifest)
        throw unsafe(what, `an index that leads to ${JSON.stringify(next.mediaType.slice(0, 80))}`)
      return { next }
    }
    offered.push(architecture)
  }
  throw lacking(what, arch, offered)
}

/** @throws {YoeError} ARCHIVE_UNSAFE; UNSATISFIABLE when it is for another architecture */
export function readConfig(text: string, image: ImageReference, arch: Arch): ImageConfig {
  const what = imageText(image)
  const document = object(parse(text, what))
  const architecture = string(document['architecture'])
  const os = string(document['os'])
  if (os !== 'linux' || architecture !== platforms[arch]) throw lacking(what, arch, [architecture])
  const diffIds = array(object(document['rootfs'])['diff_ids']).map((id) => digest(id, what))
  return { architecture, os, diffIds, settings: settingsOf(document['config']) }
}

/** The part of an image's configuration that is kept; anything strange in it is left out. */
export function settingsOf(value: unknown): ImageSettings {
  const config = object(value)
  return {
    env: texts(config['Env']).filter((line) => /^[A-Za-z_][A-Za-z0-9_]*=[^\0\n]*$/.test(line)),
    entrypoint: texts(config['Entrypoint']),
    cmd: texts(config['Cmd']),
    workingDir: string(config['WorkingDir']),
    user: string(config['User']),
  }
}

function manifestOf(document: Record<string, unknown>, what: string): Manifest {
  const layers = array(document['layers']).map((layer) => descriptor(object(layer), what))
  if (layers.length > mostLayers) throw unsafe(what, `${layers.length} layers`)
  return { config: descriptor(object(document['config']), what), layers }
}

function descriptor(value: Record<string, unknown>, what: string): Descriptor {
  const { mediaType, size } = value
  if (typeof mediaType !== 'string' || typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw unsafe(what, 'a part without type or size')
  return { mediaType, sha256: digest(value['digest'], what), size }
}

function digest(value: unknown, what: string): string {
  const found = /^sha256:([0-9a-f]{64})$/.exec(string(value))?.[1]
  if (found === undefined) throw unsafe(what, `the digest ${JSON.stringify(string(value).slice(0, 80))}`)
  return found
}

function lacking(what: string, arch: Arch, offered: readonly string[]): YoeError {
  const known = [...new Set(offered)].filter((each) => each !== '').sort()
  return new YoeError('UNSATISFIABLE', `the image ${what} has nothing for ${arch}`, {
    hint: known.length === 0 ? 'name another image' : `it is there for ${known.join(', ')}: name another image or tag`,
  })
}

function unsafe(what: string, holds: string, hint = 'its registry is broken, or not what it seems'): YoeError {
  return new YoeError('ARCHIVE_UNSAFE', `the image ${what} has ${holds}`, { hint })
}

function parse(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw unsafe(what, 'a manifest that is no JSON')
  }
}

function object(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}

const array = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
const string = (value: unknown): string => (typeof value === 'string' ? value : '')
const texts = (value: unknown): readonly string[] =>
  array(value).filter((each): each is string => typeof each === 'string' && !each.includes('\0'))
