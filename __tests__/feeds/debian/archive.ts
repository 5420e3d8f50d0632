import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import * as openpgp from 'openpgp'

/** An OpenPGP key for tests, small and quick. */
export interface TestKey {
  readonly privateKey: openpgp.PrivateKey
  /** Armored. */
  readonly publicKey: string
  /** Upper-case, 16 digits. */
  readonly id: string
}

export async function makeKey(
  options: { readonly date?: Date; readonly seconds?: number; readonly rsa?: 1024 | 2048 } = {},
): Promise<TestKey> {
  const { date, seconds, rsa } = options
  const { privateKey, publicKey } = await openpgp.generateKey({
    ...(rsa === undefined
      ? { type: 'ecc', curve: 'ed25519Legacy' }
      : { type: 'rsa', rsaBits: rsa, config: { minRSABits: 1024 } }),
    userIDs: [{ name: 'Test Archive', email: 'archive@test.invalid' }],
    format: 'object',
    ...(date === undefined ? {} : { date }),
    ...(seconds === undefined ? {} : { keyExpirationTime: seconds }),
  })
  return { privateKey, publicKey: publicKey.armor(), id: publicKey.getKeyID().toHex().toUpperCase() }
}

/** A clear-signed text, as gpg would write it. */
export async function clearSign(
  text: string,
  keys: readonly TestKey[],
  options: { readonly date?: Date } = {},
): Promise<string> {
  const message = await openpgp.createCleartextMessage({ text })
  const signed = await openpgp.sign({
    message,
    signingKeys: keys.map((key) => key.privateKey),
    ...(options.date === undefined ? {} : { date: options.date }),
    config: {
      minRSABits: 1024,
    },
  })
  return signed.replaceAll('\r\n', '\n')
}

export const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex')

export interface ArchiveInput {
  readonly packages: string
  readonly keys: readonly TestKey[]
  readonly date: Date
  /** Further or other lines of the Release; undefined leaves a line out. */
  readonly fields?: Readonly<Record<string, string | undefined>>
  readonly suite?: string
}

const rfc2822 = (date: Date): string => date.toUTCString().replace('GMT', 'UTC')

/** The text of a Release for `files` (paths relative to the suite's folder). */
export function releaseText(
  files: Readonly<Record<string, Uint8Array>>,
  date: Date,
  fields: Readonly<Record<string, string | undefined>> = {},
): string {
  const list = Object.entries(files).map(([path, data]) => ` ${sha256(data)} ${data.length} ${path}`)
  const all: Readonly<Record<string, string | undefined>> = {
    Origin: 'Test',
    Suite: 'stable',
    Codename: 'testy',
    Date: rfc2822(date),
    'Acquire-By-Hash': 'yes',
    Architectures: 'amd64',
    Components: 'main',
    SHA256: `\n${list.join('\n')}`,
    ...fields,
  }
  return Object.entries(all)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}`.replace(/ $/, '').replace(': \n', ':\n'))
    .join('\n')
}

/** An archive as files: path relative to its root, to content. */
export async function makeArchive(input: ArchiveInput): Promise<Map<string, Uint8Array>> {
  const { packages, keys, date, fields, suite = 'testy' } = input
  const text = Buffer.from(packages)
  const gz = gzipSync(text)
  const base = 'main/binary-amd64/Packages'
  const release = releaseText({ [base]: text, [`${base}.gz`]: gz }, date, fields)
  return new Map<string, Uint8Array>([
    [`dists/${suite}/InRelease`, Buffer.from(`${await clearSign(release, keys, { date })}`)],
    [`dists/${suite}/${base}.gz`, gz],
    [`dists/${suite}/main/binary-amd64/by-hash/SHA256/${sha256(gz)}`, gz],
  ])
}

/** One stanza of a Packages file; its file is `content`. */
export function stanza(
  name: string,
  content: Uint8Array | string,
  fields: Readonly<Record<string, string>> = {},
): string {
  const data = Buffer.from(content)
  const all = {
    Package: name,
    Version: '1.0-1',
    Architecture: 'amd64',
    Filename: `pool/main/${name}.deb`,
    Size: `${data.length}`,
    SHA256: sha256(data),
    ...fields,
  }
  return `${Object.entries(all)
    .map(([field, value]) => `${field}: ${value}\n`)
    .join('')}\n`
}
