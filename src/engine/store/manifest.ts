import { createHash } from 'node:crypto'
import { parseImage } from '../containers/reference.ts'
import { canonical } from '../plan/canonical.ts'
import type { Json } from '../project/model.ts'
import type { CacheKey, CacheSigner } from './signing.ts'

/** One file that a unit's build gave. */
export interface UnitFile {
  /** A plain file name. */
  readonly name: string
  readonly sha256: string
  /** Bytes. */
  readonly size: number
}

/** What a unit's build came to, under the key of everything that went into it. */
export interface UnitManifest {
  readonly unit: string
  /** As in the unit's key: an architecture, or `noarch`. */
  readonly arch: string
  readonly distro: string
  readonly hash: string
  /** The document that `hash` is the digest of. */
  readonly inputs: Json
  readonly files: readonly UnitFile[]
  readonly facts: BuildFacts
}

export interface BuildFacts {
  /** Milliseconds since 1970. */
  readonly builtAt: number
  /** How long it took. */
  readonly ms: number
  /** Who built it: a host's name, or a run of a CI system. */
  readonly builder: string
}

/** Made by a run that anybody can start (a pull request from a fork), which a run with a key never reads. */
export type Scope = 'trusted' | 'untrusted'

export interface Signature {
  /** {@link CacheKey.id} */
  readonly key: string
  /** Base64. */
  readonly value: string
}

/** A manifest as it is stored and sent. */
export interface SealedManifest {
  readonly manifest: UnitManifest
  readonly scope: Scope
  readonly signature?: Signature
}

/** What manifests of other machines must have to be used. */
export interface Trust {
  readonly keys: readonly CacheKey[]
  /** Keys that are believed no more, by their {@link CacheKey.id}, and what to say of what they signed. */
  readonly refused?: ReadonlyMap<string, string>
  /** Of `keys`, the ids of those with a last day: what they signed and is used gets another signature before it comes. */
  readonly retiring?: ReadonlySet<string>
  /**
   * Take unsigned ones too: only where nothing but runs of the same untrusted scope can write. Where there are keys, these
   * are only the ones that their makers marked `untrusted`.
   */
  readonly unsigned: boolean
}

export const maxManifestBytes = 16 * 2 ** 20
const maxFiles = 10_000
const maxFileBytes = 16 * 2 ** 30
const scheme = 'yoe-unit/1'

/** What is signed: everything but the scope, in the one spelling that it has. */
function signedBytes(manifest: UnitManifest): Buffer {
  return Buffer.from(`${scheme}\n${canonical(plain(manifest))}`)
}

export function seal(manifest: UnitManifest, scope: Scope, signer: CacheSigner | undefined): SealedManifest {
  if (signer === undefined) return { manifest, scope }
  return { manifest, scope, signature: { key: signer.keyId, value: signer.sign(signedBytes(manifest)) } }
}

/** Why a manifest that came from elsewhere is not used; undefined when it may be. */
export function distrust({ manifest, scope, signature }: SealedManifest, trust: Trust): string | undefined {
  const open = trust.unsigned && (trust.keys.length === 0 || scope === 'untrusted')
  if (signature === undefined) return open ? undefined : 'nobody signed it'
  const refusal = trust.refused?.get(signature.key)
  if (refusal !== undefined) return refusal
  const key = trust.keys.find(({ id }) => id === signature.key)
  if (key === undefined) return open ? undefined : `key ${signature.key} signed it, which the project does not name`
  return key.verify(signedBytes(manifest), signature.value)
    ? undefined
    : `its signature by key ${signature.key} is wrong`
}

/** One text for one sealed manifest, with a digest that makes damage show even where it still reads well. */
export function encodeManifest({ manifest, scope, signature }: SealedManifest): Buffer {
  const body = {
    format: scheme,
    manifest: plain(manifest),
    scope,
    ...(signature === undefined ? {} : { signature: { ...signature } }),
  }
  return Buffer.from(`${canonical({ ...body, sha256: digest(body) })}\n`)
}

/**
 * The only reader of manifests, whoever wrote them.
 *
 * @returns a reason when the bytes are not exactly what {@link encodeManifest} gives for some manifest of `arch` and `hash`
 */
export function decodeManifest(bytes: Uint8Array, arch: string, hash: string): SealedManifest | string {
  if (bytes.length > maxManifestBytes) return `it is larger than ${maxManifestBytes} bytes`
  let document: Json
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return 'it is not JSON'
  }
  const sealed = readSealed(document)
  if (typeof sealed === 'string') return sealed
  // Covers unknown fields, other spellings and the digest in one comparison.
  if (!encodeManifest(sealed).equals(bytes)) return 'its content is not what its digest says'
  if (sealed.manifest.hash !== hash || sealed.manifest.arch !== arch) return 'it is the manifest of another unit'
  return sealed
}

function readSealed(document: Json): SealedManifest | string {
  const { manifest, scope, signature, format } = fields(document)
  if (format !== scheme) return `it is not of format ${scheme}`
  if (scope !== 'trusted' && scope !== 'untrusted') return 'its scope is unknown'
  const read = readManifest(manifest)
  if (typeof read === 'string') return read
  if (signature === undefined) return { manifest: read, scope }
  const { key, value } = fields(signature)
  if (typeof key !== 'string' || typeof value !== 'string') return 'its signature is not one'
  return { manifest: read, scope, signature: { key, value } }
}

function readManifest(value: Json | undefined): UnitManifest | string {
  const { unit, arch, distro, hash, inputs, files, facts } = fields(value)
  if (!isUnit(unit) || !isWord(arch) || !isWord(distro)) return 'a name in it is not one'
  if (!isDigest(hash)) return 'its hash is not one'
  if (inputs === undefined) return 'it lacks its inputs'
  if (!isList(files) || files.length > maxFiles) return `its files are not a list of at most ${maxFiles}`
  const list: UnitFile[] = []
  for (const file of files) {
    const { name, sha256, size } = fields(file)
    if (typeof name !== 'string' || !isFileName(name)) return 'a file name in it is not one'
    if (!isDigest(sha256)) return `the digest of ${name} is not one`
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return `the size of ${name} is not one`
    list.push({ name, sha256, size })
  }
  if (new Set(list.map(({ name }) => name)).size !== list.length) return 'two of its files have one name'
  if (list.reduce((sum, { size }) => sum + size, 0) > maxFileBytes)
    return `its files hold more than ${maxFileBytes} bytes`
  const { builtAt, ms, builder } = fields(facts)
  if (typeof builtAt !== 'number' || typeof ms !== 'number' || typeof builder !== 'string')
    return 'its facts are not complete'
  return { unit, arch, distro, hash, inputs, files: list, facts: { builtAt, ms, builder } }
}

/** The file names that may appear in a folder of ours, whoever chose them. */
export function isFileName(name: string): boolean {
  return (
    name.length > 0 &&
    Buffer.byteLength(name) <= 255 &&
    name !== '.' &&
    name !== '..' &&
    !/[/\\\x00-\x1f\x7f]/.test(name)
  )
}

export function isDigest(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

/** The name of a unit, or of an image that units name themselves. */
function isUnit(value: unknown): value is string {
  return isWord(value) || (typeof value === 'string' && parseImage(value) !== undefined)
}

function isWord(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9._+:-]{0,199}$/.test(value)
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}

function fields(value: Json | undefined): Readonly<Record<string, Json | undefined>> {
  return typeof value === 'object' && value !== null && !isList(value) ? value : {}
}

/** The manifest as plain data; names each field, so that a new one can't be left out of what is signed. */
function plain({ unit, arch, distro, hash, inputs, files, facts }: UnitManifest): { readonly [key: string]: Json } {
  const { builtAt, ms, builder } = facts
  return {
    ...({ unit, arch, distro, hash, inputs } satisfies Omit<UnitManifest, 'files' | 'facts'>),
    files: files.map(({ name, sha256, size }) => ({ name, sha256, size })),
    facts: { builtAt, ms, builder } satisfies BuildFacts,
  }
}

function digest(body: Json): string {
  return createHash('sha256').update(canonical(body)).digest('hex')
}
