/** Tars that are made to harm, and packages whose control fits them. */
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { type NewEntry, tarEnd, tarHeader, tarPadding } from '#engine/image/tar-write.ts'
import { smallFiles } from '../../../src/feeds/alpine/tar.ts'

export const plain = { type: 'file', mode: 0o644, mtime: 1 } as const
type Entry = NewEntry & { readonly body?: string }

/** Entries without the blocks that end a tar. */
const entries = (...all: readonly Entry[]): Buffer =>
  Buffer.concat(
    all.flatMap(({ body = '', ...entry }) => [
      tarHeader({ ...entry, size: entry.size ?? body.length }),
      Buffer.from(body, 'latin1'),
      tarPadding(body.length),
    ]),
  )
export const tarOf = (...all: readonly Entry[]): Buffer => Buffer.concat([entries(...all), tarEnd])

/** A header with fields overwritten, and its checksum put right. */
function forged(bytes: Buffer, fields: Readonly<Record<number, string>>): Buffer {
  const copy = Buffer.from(bytes)
  for (const [at, text] of Object.entries(fields)) copy.write(text, Number(at), 'latin1')
  copy.fill(' ', 148, 156)
  const sum = copy.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  copy.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return copy
}

/** A header of a type that says more about the next entry. */
const extension = (type: string, body: string, size = body.length): Buffer =>
  Buffer.concat([
    forged(tarHeader({ ...plain, path: 'x', size }), { 156: type }),
    Buffer.from(body, 'latin1'),
    tarPadding(body.length),
  ])
function record(text: string): string {
  const length = text.length + 2 + String(text.length + 2 + String(text.length).length).length
  return `${length} ${text}\n`
}
const named = (name: string): Buffer => forged(tarOf({ ...plain, path: 'a', body: 'evil' }), { 0: `${name}\0` })
export const one = tarOf({ ...plain, path: 'a', body: 'hello' })
export const link = (path: string, target: string): Entry => ({
  type: 'symlink',
  mode: 0o777,
  mtime: 1,
  path,
  link: target,
})
export const other = (path: string, target: string): Entry => ({
  type: 'hardlink',
  mode: 0o644,
  mtime: 1,
  path,
  link: target,
})

export interface HostileTar {
  readonly tar: Buffer
  /** The data member, when it is not that tar in one gzip. */
  readonly data?: Buffer
  /** It says where things shall lie: nothing to those that write nothing. */
  readonly onlyWritten?: true
  /** What GNU tar with -P does: writes below the folder beside its own, makes what it should not, or takes it in silence. */
  readonly naive?: 'escapes' | 'takes it' | 'fails'
}

export const hostileTars: Readonly<Record<string, HostileTar>> = {
  'D1: above the root': { tar: named('../beside/evil'), naive: 'escapes' },
  'D1: above the root, from within': { tar: named('a/../../beside/evil'), naive: 'escapes' },
  'D1: from the host’s root': { tar: named('/etc/yoe-was-here') },
  'D1: from the host’s root, doubled': { tar: named('//etc/yoe-was-here') },
  'D1: doubled slashes': { tar: named('a//b') },
  'D1: a name of nothing': { tar: named('') },
  'D1: the root as a file': { tar: named('.') },
  'D1: a file with a slash at its end': { tar: named('a/'), naive: 'fails' },
  'D1: a zero byte in a long name': {
    tar: Buffer.concat([extension('x', record('path=a\0b')), one]),
  },
  'D2: a sibling whose name begins alike': { tar: named('../inside-evil/x'), naive: 'takes it' },
  'D3: a link, and a file through it': {
    tar: tarOf(link('way', '../beside'), { ...plain, path: 'way/evil', body: 'evil' }),
    onlyWritten: true,
    naive: 'escapes',
  },
  'D3: a link, and a folder in its place': {
    tar: tarOf(link('way', '../beside'), { ...plain, type: 'directory', path: 'way' }),
  },
  'D3: a link, and another name of a file through it': {
    tar: tarOf(link('way', '../beside'), other('mine', 'way/canary')),
    onlyWritten: true,
    naive: 'takes it',
  },
  'D4: another name of a file outside': { tar: tarOf(other('mine', '../beside/canary')), naive: 'takes it' },
  'D4: another name of a link': {
    tar: tarOf(link('way', '../beside/canary'), other('mine', 'way')),
    onlyWritten: true,
  },
  'D4: another name of what comes later': {
    tar: tarOf(other('mine', 'a'), { ...plain, path: 'a' }),
    onlyWritten: true,
    naive: 'fails',
  },
  'D5: a device': {
    tar: forged(tarOf({ ...plain, path: 'a' }), { 156: '3', 329: '0000001\0', 337: '0000003\0' }),
    onlyWritten: true,
  },
  'D5: a pipe': { tar: forged(tarOf({ ...plain, path: 'a' }), { 156: '6' }), onlyWritten: true, naive: 'takes it' },
  'D6: a terabyte that is not there': {
    tar: forged(tarOf({ ...plain, path: 'a' }), { 124: '\x80\0\0\0\0\0\x01\0\0\0\0\0' }),
    naive: 'fails',
  },
  'D6: a sparse file': {
    tar: Buffer.concat([
      extension('x', `${record('GNU.sparse.size=1099511627776')}${record('GNU.sparse.numblocks=0')}`),
      one,
    ]),
  },
  'D6: folders 65 deep': { tar: named('d/'.repeat(65).slice(0, -1)) },
  'D6: a part of a name of 256 bytes': {
    tar: Buffer.concat([extension('x', record(`path=${'n'.repeat(256)}`)), one]),
    naive: 'fails',
  },
  'D7: two sizes': { tar: Buffer.concat([extension('x', record('size=3')), one]) },
  'D7: a size below zero': { tar: Buffer.concat([extension('x', record('size=-5')), one]) },
  'D7: a size that is no number': { tar: Buffer.concat([extension('x', record('size=NaN')), one]) },
  'D7: content in a folder': { tar: forged(tarOf({ ...plain, path: 'a', body: 'hello' }), { 156: '5' }) },
  'D7: content in a link': { tar: forged(tarOf({ ...plain, path: 'a', body: 'hello' }), { 156: '2', 157: 'b' }) },
  'D7: a header of more than 1 MiB': {
    tar: Buffer.concat([extension('x', record(`comment=${'x'.repeat(1 << 20)}`)), one]),
  },
  'D7: one name for everything': { tar: Buffer.concat([extension('g', record('path=../beside/evil')), one]) },
  'D7: two kinds of long name': {
    tar: Buffer.concat([extension('L', 'b\0'), extension('x', record('path=c')), one]),
    naive: 'takes it',
  },
  'D7: a record whose length is wrong': { tar: Buffer.concat([extension('x', '99 path=b\n'), one]) },
  'D8: an entry behind the end': { tar: Buffer.concat([one, tarOf({ ...plain, path: 'hidden' })]), naive: 'takes it' },
  'D8: no end': { tar: entries({ ...plain, path: 'a', body: 'hello' }), naive: 'takes it' },
  'D8: half an end': { tar: Buffer.concat([entries({ ...plain, path: 'a' }), Buffer.alloc(512)]), naive: 'takes it' },
  'D8: garbage behind the end': { tar: Buffer.concat([one, Buffer.from('more')]), naive: 'takes it' },
  'D8: a checksum that is wrong': {
    tar: Buffer.concat([one.subarray(0, 148), Buffer.from('0000000\0'), one.subarray(156)]),
  },
  'C5: a fourth member that the digest counts in': {
    tar: one,
    data: Buffer.concat([gzipSync(one), gzipSync(tarOf({ ...plain, path: 'hidden' }))]),
    naive: 'takes it',
  },
  'C5: bytes behind the last member that the digest counts in': {
    tar: one,
    data: Buffer.concat([gzipSync(one), Buffer.from('more')]),
    naive: 'fails',
  },
  'D9: a name twice': {
    tar: tarOf({ ...plain, path: 'a', body: 'good' }, { ...plain, path: 'a', body: 'evil' }),
    naive: 'takes it',
  },
  'D9: a file and a folder of one name': {
    tar: tarOf({ ...plain, path: 'a' }, { ...plain, type: 'directory', path: 'a' }),
  },
}

const info = (data: Buffer, name: string, size: number): string =>
  `pkgname = ${name}\npkgver = 1.0-r0\nsize = ${size}\narch = x86_64\ndatahash = ${createHash('sha256').update(data).digest('hex')}\n`
/** A package with a control that fits. @param size that it says its files have; 0: nothing */
export const apk = (data: Buffer, name = 'app', size = 0): Buffer =>
  Buffer.concat([gzipSync(Buffer.concat(smallFiles([['.PKGINFO', Buffer.from(info(data, name, size))]], 0))), data])
