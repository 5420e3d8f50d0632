/** B13: what an index says is taken by a strict grammar, or not at all. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { openAlpineFeed } from '#feeds/alpine/feed.ts'
import { feedRecords } from '#feeds/alpine/feed-records.ts'
import { alpineIndex, scanIndex } from '#feeds/alpine/index-scan.ts'
import { signatureMember } from '#feeds/alpine/signature.ts'
import { smallFiles, tarEnd } from '#feeds/alpine/tar.ts'
import { errorsOf, scratch } from '../../support/making.ts'
import { type Poisoned, readMutated, render } from '../../support/poison.ts'
import { feedScene, testSigner } from './feed-making.ts'

const format: Poisoned = {
  fields: {
    P: 'victim',
    C: `Q1${'a'.repeat(27)}=`,
    V: '2.0_rc1-r3',
    A: 'x86_64',
    S: '1234',
    I: '5000',
    T: 'it does things',
    t: '1700000000',
    k: '10',
    D: 'so:libc.musl-x86_64.so.1 foo>=1.0 !bad /bin/sh cmd:tool~2',
    p: 'so:libv.so.1=1.2 cmd:victim=2.0-r3 virtual',
    i: 'docs app=1.0-r0',
  },
  between: ':',
  poison: ['><', '<', '!', '@edge', '\nP:victim', '\nV:9', '\nC:Q1x', '\n\nP:../x\nV:1\n'],
  kind: alpineIndex,
  scan: scanIndex,
  open: (index, rebuild, report) => feedRecords({ id: 'alpine.main', digest: '', index, rebuild, report }),
  danger({ name, version, path, others }) {
    if (!/^[A-Za-z0-9_][A-Za-z0-9+._-]*$/.test(name) || name.includes('..')) return `name ${JSON.stringify(name)}`
    if (!/^[0-9][A-Za-z0-9+._~-]*$/.test(version) || version.length > 255) return `version ${JSON.stringify(version)}`
    if (!/^[A-Za-z0-9+._~-]+\.apk$/.test(path) || path.startsWith('-')) return `path ${JSON.stringify(path)}`
    const other = others.find((text) => !/^[\x21-\x7e]*$/.test(text) || text.length > 512)
    return other === undefined ? undefined : `relation ${JSON.stringify(other)}`
  },
  naive: (text) =>
    text.split('\n\n').flatMap((stanza) => {
      const value = (letter: string): string => new RegExp(`^${letter}:(.*)$`, 'm').exec(stanza)?.[1] ?? ''
      if (value('P') === '') return []
      const [name, version] = [value('P'), value('V')]
      return [{ name, version, arch: value('A'), path: `${name}-${version}.apk`, others: value('D').split(' ') }]
    }),
}

test('of 4,000 mutated paragraphs nothing gets through that could harm, and their neighbours stay', async (t) => {
  const { taken, harmful } = readMutated(await scratch(t), format)
  // The test itself is worth something: harmless changes pass, and whoever is less strict takes harmful ones.
  assert.ok(taken > 400, `${taken} were taken`)
  assert.ok(harmful > 500, `${harmful} were harmful`)
})

test('a line of 300 MB costs its own paragraph at most', () => {
  const { fields } = format
  const huge = Buffer.alloc(300 * 2 ** 20, 'x')
  const before = Buffer.from(`${render({ ...fields, P: 'before' }, ':')}\n${render(fields, ':')}D:`)
  const after = Buffer.from(`\n\n${render({ ...fields, P: 'after' }, ':')}`)
  const scan = scanIndex(Buffer.concat([before, huge, after]))
  assert.deepEqual([scan.recordCount, scan.refused.count], [2, 1])
  assert.ok((scan.refused.first[0] ?? '').length < 200)
})

test('more than 300 MiB, signed rightly, are not unpacked', async (t) => {
  const scene = await feedScene(t)
  const zeros = Buffer.alloc(301 << 20)
  const member = gzipSync(Buffer.concat([...smallFiles([['APKINDEX', zeros]], 1_700_000_000), tarEnd]), { level: 1 })
  const archive = Buffer.concat([await signatureMember(member, [await testSigner()]), member])
  scene.put(archive)
  const [error] = await errorsOf(openAlpineFeed(scene.declaration(), scene.environment()))
  assert.equal(error?.code, 'FEED_INVALID')
  assert.match(error?.message ?? '', /more than 314572800 bytes/)
  // What a plain gunzip makes of a megabyte.
  assert.ok(gunzipSync(archive).length > 301 << 20)
})
