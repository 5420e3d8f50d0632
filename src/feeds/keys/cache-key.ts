import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { YoeError } from '#engine/errors.ts'
import type { SigningKey } from '#engine/formats.ts'

const compactForm = /^ed25519:([A-Za-z0-9_-]{43})$/

/** A fresh Ed25519 key for signing manifests of built units. */
export function generateCacheKey(): SigningKey {
  return signingKeyOf(generateKeyPairSync('ed25519').privateKey)
}

/**
 * @param pem an Ed25519 private key, PKCS #8
 * @param where names its origin in errors: a path or a variable
 * @throws {YoeError} KEY_INVALID
 */
export function readCacheKey(pem: string, where: string): SigningKey {
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'ed25519') return signingKeyOf(key)
  } catch (failure) {
    throw invalid(`the cache key in ${where} is no private key in PEM form`, failure)
  }
  throw invalid(`the cache key in ${where} is no Ed25519 key`)
}

/**
 * A public cache key as projects name it, `ed25519:` and 43 characters of base64url, or PEM.
 *
 * @throws {YoeError} KEY_INVALID when it is none, or one of the points of small order, for which a signature that fits
 *   every message can be made without any private key (and which Node's verify accepts)
 */
export function readCachePublicKey(text: string): KeyObject {
  const [, x] = compactForm.exec(text.trim()) ?? []
  let key: KeyObject
  try {
    key = createPublicKey(x === undefined ? text : { key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  } catch (failure) {
    throw invalid('a trusted cache key is neither ed25519:… nor PEM', failure)
  }
  if (key.asymmetricKeyType !== 'ed25519') throw invalid('a trusted cache key is no Ed25519 key')
  if (isWeak(rawPublicKey(key))) throw invalid('a trusted cache key is a point of small order: it protects nothing')
  return key
}

function signingKeyOf(key: KeyObject): SigningKey {
  const publicKey = createPublicKey(key)
  return {
    privateKey: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    fingerprint: `ed25519:${rawPublicKey(publicKey).toString('base64url')}`,
  }
}

const rawPublicKey = (key: KeyObject): Buffer => Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url')

const prime = 2n ** 255n - 19n
/** The y coordinates of all points whose order divides 8. @see RFC 7748, section 7; libsodium ge25519_has_small_order */
const orderEight = BigInt('0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7')
const smallOrder = new Set([0n, 1n, prime - 1n, orderEight, prime - orderEight])

/** Small order, or written in a way that has a shorter equal. */
function isWeak(raw: Buffer): boolean {
  const y = BigInt(`0x${Buffer.from(raw).reverse().toString('hex')}`) & (2n ** 255n - 1n)
  return y >= prime || smallOrder.has(y)
}

function invalid(message: string, cause?: unknown): YoeError {
  return new YoeError('KEY_INVALID', message, { hint: 'make one: yoe key generate', cause })
}
