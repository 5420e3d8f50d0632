import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { YoeError } from '../errors.ts'

/** The private half of a project's cache key; never logged, never given to a worker. */
export interface CacheSigner {
  /** Of the public half. */
  readonly keyId: string
  /** As a project names it. */
  readonly publicKey: string
  /** Base64 of the Ed25519 signature over `bytes`. */
  sign(bytes: Uint8Array): string
}

/** A public key that a project trusts for what other machines built. */
export interface CacheKey {
  /** The first 16 hex digits of the SHA-256 of the 32 key bytes. */
  readonly id: string
  verify(bytes: Uint8Array, signature: string): boolean
}

const publicPrefix = 'ed25519:'
const privatePrefix = 'ed25519-private:'
const spkiHead = Buffer.from('302a300506032b6570032100', 'hex')
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex')

/** A fresh key pair as two one-line texts: the first is a secret, the second goes into the project. */
export function generateCacheKey(): { readonly privateKey: string; readonly publicKey: string } {
  const { privateKey } = generateKeyPairSync('ed25519')
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(pkcs8Head.length)
  const text = privatePrefix + seed.toString('base64')
  return { privateKey: text, publicKey: parseCacheSigner(text).publicKey }
}

/** @throws {YoeError} KEY_INVALID, which never repeats the text */
export function parseCacheSigner(text: string): CacheSigner {
  const seed = bytesOf(text, privatePrefix)
  if (seed === undefined) {
    throw new YoeError('KEY_INVALID', `the cache's private key is not "${privatePrefix}" and 32 bytes of base64`, {
      hint: 'make a pair with: yoe key generate cache',
    })
  }
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Head, seed]), format: 'der', type: 'pkcs8' })
  const raw = rawPublic(createPublicKey(key))
  return {
    keyId: idOf(raw),
    publicKey: publicPrefix + raw.toString('base64'),
    sign: (bytes) => sign(null, bytes, key).toString('base64'),
  }
}

/**
 * @throws {YoeError} KEY_INVALID: not a key, or one for which anybody can make signatures (a point of small order), or one
 *   not in its canonical form; Node itself loads them
 */
export function parseCacheKey(text: string): CacheKey {
  const raw = bytesOf(text, publicPrefix)
  if (raw === undefined) {
    throw new YoeError('KEY_INVALID', `"${text.slice(0, 100)}" is not "${publicPrefix}" and 32 bytes of base64`, {
      hint: 'the public half is printed by: yoe key export cache',
    })
  }
  if (isWeak(raw)) throw new YoeError('KEY_INVALID', `${text} is no safe Ed25519 key: anybody can sign for it`)
  const key = createPublicKey({ key: Buffer.concat([spkiHead, raw]), format: 'der', type: 'spki' })
  return {
    id: idOf(raw),
    verify(bytes, signature) {
      const decoded = Buffer.from(signature, 'base64')
      if (decoded.length !== 64 || decoded.toString('base64') !== signature) return false
      return verify(null, bytes, key, decoded)
    },
  }
}

function bytesOf(text: string, prefix: string): Buffer | undefined {
  const trimmed = text.trim()
  if (!trimmed.startsWith(prefix)) return undefined
  const bytes = Buffer.from(trimmed.slice(prefix.length), 'base64')
  return bytes.length === 32 && bytes.toString('base64') === trimmed.slice(prefix.length) ? bytes : undefined
}

function rawPublic(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' }).subarray(spkiHead.length)
}

function idOf(raw: Uint8Array): string {
  return createHash('sha256').update(raw).digest('hex').slice(0, 16)
}

const prime = 2n ** 255n - 19n
/** y of the eight points whose order divides 8 (pairs share a y). */
const smallOrder: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  prime - 1n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
])

function isWeak(raw: Uint8Array): boolean {
  const encoded = BigInt(`0x${Buffer.from(raw).reverse().toString('hex')}`)
  const y = encoded & (2n ** 255n - 1n)
  return y >= prime || smallOrder.has(y)
}
