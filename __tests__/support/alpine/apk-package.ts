/** Writes apk v2 packages in the plainest way: for mirrors of tests, and nothing of the product takes part. */
import { createHash, createSign, type KeyObject } from 'node:crypto'
import { gzipSync } from 'node:zlib'

export interface SigningKey {
  readonly privateKey: KeyObject
  /** How clients know it: `NAME.rsa.pub`. */
  readonly publicName: string
  /** sha1 is what Alpine itself signs with, sha256 what apk knows since 2.10. */
  readonly digest: 'sha1' | 'sha256'
}

/** A file, folder or link of a package; its path has no leading slash. */
export interface ApkEntry {
  readonly path: string
  readonly mode: number
  readonly uid?: number
  readonly gid?: number
  readonly user?: string
  readonly group?: string
  /** Seconds since 1970. */
  readonly mtime: number
  readonly content:
    | { readonly kind: 'folder' }
    | { readonly kind: 'file'; readonly bytes: Buffer }
    | { readonly kind: 'link'; readonly target: string }
}

export interface ApkContents {
  /** Lines of .PKGINFO without its `datahash`. */
  readonly info: readonly string[]
  /** `post-install` and so on to its text. */
  readonly scripts: ReadonlyMap<string, Buffer>
  readonly entries: Iterable<ApkEntry>
  readonly mtime: number
}

/** @see apk-package(5) */
export function writeApk({ info, scripts, entries, mtime }: ApkContents, key: SigningKey): Buffer {
  const parts: Buffer[] = []
  for (const entry of entries) parts.push(...dataMember(entry))
  const data = compressed(Buffer.concat([...parts, Buffer.alloc(1024)]))
  const datahash = createHash('sha256').update(data).digest('hex')
  const text = [...info, `datahash = ${datahash}`].map((line) => `${line}\n`).join('')
  const control = [plainMember('.PKGINFO', Buffer.from(text), mtime)]
  for (const [name, script] of scripts) control.push(plainMember(`.${name}`, script, mtime, 0o755))
  return Buffer.concat([signed(compressed(Buffer.concat(control)), key, mtime), data])
}

/** APKINDEX.tar.gz of a text. */
export function writeIndex(index: string, description: string, key: SigningKey, mtime: number): Buffer {
  const members = [
    plainMember('DESCRIPTION', Buffer.from(description), mtime),
    plainMember('APKINDEX', Buffer.from(index), mtime),
  ]
  return signed(compressed(Buffer.concat([...members, Buffer.alloc(1024)])), key, mtime)
}

function signed(content: Buffer, { privateKey, publicName, digest }: SigningKey, mtime: number): Buffer {
  const signature = createSign(`RSA-${digest.toUpperCase()}`).update(content).sign(privateKey)
  const kind = digest === 'sha1' ? 'RSA' : 'RSA256'
  return Buffer.concat([compressed(plainMember(`.SIGN.${kind}.${publicName}`, signature, mtime)), content])
}

function compressed(bytes: Buffer): Buffer {
  return gzipSync(bytes, { level: 6 })
}

function plainMember(name: string, bytes: Buffer, mtime: number, mode = 0o644): Buffer {
  return Buffer.concat([header({ path: name, mode, mtime, content: { kind: 'file', bytes } }), padded(bytes)])
}

function* dataMember(entry: ApkEntry): Generator<Buffer> {
  const { content } = entry
  const records: string[] = []
  if (Buffer.byteLength(entry.path) > 99) records.push(record('path', entry.path))
  if (content.kind !== 'folder') {
    const hashed = content.kind === 'file' ? content.bytes : content.target
    if (content.kind === 'link' && content.target.length > 100) records.push(record('linkpath', content.target))
    records.push(record('APK-TOOLS.checksum.SHA1', createHash('sha1').update(hashed).digest('hex')))
  }
  if (records.length > 0) {
    const bytes = Buffer.from(records.join(''))
    yield header({ path: './PaxHeaders', mode: 0o644, mtime: entry.mtime, content: { kind: 'file', bytes } }, 'x')
    yield padded(bytes)
  }
  yield header(entry)
  if (content.kind === 'file') yield padded(content.bytes)
}

function record(name: string, value: string): string {
  const rest = Buffer.byteLength(` ${name}=${value}\n`)
  let length = rest + 1
  while (String(length).length + rest !== length) length = String(length).length + rest
  return `${length} ${name}=${value}\n`
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)])
}

const types = { file: '0', link: '2', folder: '5' } as const

function header(entry: ApkEntry, type: string = types[entry.content.kind]): Buffer {
  const { path, mode, uid = 0, gid = 0, user = 'root', group = 'root', mtime, content } = entry
  const head = Buffer.alloc(512)
  const octal = (value: number, at: number, width: number): void => {
    head.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1')
  }
  Buffer.from(content.kind === 'folder' ? `${path}/` : path).copy(head, 0, 0, 100)
  octal(mode, 100, 8)
  octal(uid, 108, 8)
  octal(gid, 116, 8)
  octal(content.kind === 'file' ? content.bytes.length : 0, 124, 12)
  octal(mtime, 136, 12)
  head.write('        ', 148, 'latin1')
  head.write(type, 156, 'latin1')
  if (content.kind === 'link') Buffer.from(content.target).copy(head, 157, 0, 100)
  head.write('ustar\x0000', 257, 'latin1')
  head.write(user, 265, 31, 'latin1')
  head.write(group, 297, 31, 'latin1')
  const sum = head.reduce((total, byte) => total + byte, 0)
  head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return head
}
