/** One file with what targets need: the same bytes for the same content, and nothing is taken that is not as it says. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import type { BundleIndex } from '#engine/bundle/document.ts'
import { Bundle } from '#engine/bundle/read.ts'
import { takeBundle } from '#engine/bundle/take.ts'
import { canonical } from '#engine/plan/canonical.ts'
import type { Trust } from '#engine/store/manifest.ts'
import { parseKeyFile, revokedIds, trustIn } from '#engine/store/named-keys.ts'
import type { Store } from '#engine/store/store.ts'
import { Scratch, sha, someHash } from '../store/fixture.ts'
import { archive, bundleOf, disk, documentOf, freshSigner, indexOf, list, planted, results } from './making.ts'

const [ours, stranger] = [freshSigner(), freshSigner()]
const trustOf = (line: string): Trust => trustIn(parseKeyFile(line, 'keys/cache.pub'), Date.now())
const strict = trustOf(ours.publicKey)

async function take(scratch: Scratch, path: string, store: Store, signal = new AbortController().signal) {
  await using bundle = await Bundle.open(path)
  try {
    return await takeBundle(store, bundle, path, { trust: strict, report: scratch.report, signal })
  } finally {
    await store.release()
  }
}

const objectsIn = (store: Store): readonly string[] =>
  readdirSync(join(store.root, 'objects'), { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('/'))

test('what is put into a bundle comes out of it, holes and all', async () => {
  await using scratch = new Scratch()
  const path = await bundleOf(scratch, await indexOf(scratch, ours), ours)
  assert.ok(statSync(path).size < disk.length, 'zeros are left out')
  await using bundle = await Bundle.open(path)
  assert.equal(bundle.signer, ours.keyId)
  assert.equal(bundle.distrust(strict), undefined)
  const store = await scratch.store()
  const taken = await take(scratch, path, store)
  assert.deepEqual(taken, {
    results: 2,
    commits: 0,
    objects: 4,
    bytes: 11 + disk.length + archive.length + list.length,
  })
  for (const content of ['the package', disk, archive, list]) {
    const object = await store.objects.path(sha(content))
    assert.ok(object !== undefined && readFileSync(object).equals(Buffer.from(content)))
  }
  assert.deepEqual((await store.manifest('x86_64', someHash))?.manifest, results[0])
  assert.equal((await store.manifest('x86_64', someHash))?.signature?.key, ours.keyId)
  assert.deepEqual(await take(scratch, path, store), { results: 0, commits: 0, objects: 0, bytes: 0 })
})

test('the same content gives the same bytes, in whatever order it is found; other content gives others', async () => {
  await using scratch = new Scratch()
  const index = await indexOf(scratch, ours)
  const reversed: BundleIndex = {
    ...index,
    objects: index.objects.toReversed(),
    results: [...index.results.toReversed(), ...index.results],
    files: [...index.files, ...index.files],
  }
  const [first, second, third] = [
    readFileSync(await bundleOf(scratch, index, ours, 'a')),
    readFileSync(await bundleOf(scratch, reversed, ours, 'b')),
    readFileSync(await bundleOf(scratch, { ...index, lock: 'yoe.lock 1\n' }, ours, 'c')),
  ]
  assert.ok(first.equals(second))
  assert.ok(!first.equals(third))
})

test('an import that is stopped goes on where it was, and nothing counts before all is here', async () => {
  await using scratch = new Scratch()
  const path = await bundleOf(scratch, await indexOf(scratch, ours), ours)
  const store = await scratch.store()
  const control = new AbortController()
  await using bundle = await Bundle.open(path)
  const report: typeof scratch.report = (event) => {
    if (event.type === 'step-progress') control.abort()
  }
  const stopped = takeBundle(store, bundle, path, { trust: strict, report, signal: control.signal })
  await assert.rejects(stopped, { code: 'CANCELLED' })
  await store.release()
  assert.equal(objectsIn(store).length, 1)
  assert.equal(await store.manifest('x86_64', someHash), undefined)
  assert.deepEqual(readdirSync(join(store.root, 'tmp')), [])
  const later = await scratch.store()
  const taken = await take(scratch, path, later)
  assert.deepEqual([taken.objects, taken.results], [3, 2])
})

test('a result of which a file is gone is taken again; one that is whole stays as it was', async () => {
  await using scratch = new Scratch()
  const path = await bundleOf(scratch, await indexOf(scratch, ours), ours)
  const first = await scratch.store()
  await take(scratch, path, first)
  await first.objects.remove(sha(disk))
  await first.forget('x86_64', someHash)
  const store = await scratch.store()
  const taken = await take(scratch, path, store)
  assert.deepEqual([taken.objects, taken.results], [1, 1])
})

/** Who signed it, what is believed, and why it is not taken. */
const trusts = [
  { name: 'the key that the project names', signer: ours, trust: strict, want: undefined },
  { name: "G1 another project's key", signer: stranger, trust: strict, want: /which the project does not name/ },
  { name: 'G1 nobody', signer: undefined, trust: strict, want: /nobody signed it/ },
  { name: 'C9 a key that is revoked', signer: ours, trust: trustOf(`${ours.publicKey} revoked`), want: /is revoked/ },
  {
    name: 'C9 a key after its last day',
    signer: ours,
    trust: trustOf(`${ours.publicKey} until=2020-01-01`),
    want: /retired/,
  },
  { name: 'nobody, where that is wanted', signer: undefined, trust: { ...strict, unsigned: true }, want: undefined },
  { name: 'a stranger, where that is wanted', signer: stranger, trust: { ...strict, unsigned: true }, want: undefined },
] as const
for (const { name, signer, trust, want } of trusts) {
  test(`signed by: ${name}`, async () => {
    await using scratch = new Scratch()
    await using bundle = await Bundle.open(await bundleOf(scratch, await indexOf(scratch, signer), signer))
    const doubt = bundle.distrust(trust)
    if (want === undefined) assert.equal(doubt, undefined)
    else assert.match(doubt ?? '', want)
  })
}

test('what nobody signed is a result of this machine, and nobody vouches for it elsewhere', async () => {
  await using scratch = new Scratch()
  const path = await bundleOf(scratch, await indexOf(scratch, stranger), stranger)
  const store = await scratch.store()
  await take(scratch, path, store)
  assert.equal((await store.manifest('x86_64', someHash))?.signature, undefined)
})

test('C9: a key that is revoked later takes what it signed along', async () => {
  await using scratch = new Scratch()
  await take(scratch, await bundleOf(scratch, await indexOf(scratch, ours), ours), await scratch.store())
  const revoked = revokedIds(parseKeyFile(`${ours.publicKey} revoked`, 'keys/cache.pub'))
  const later = await scratch.store('cache', { revoked })
  assert.equal(await later.manifest('x86_64', someHash), undefined)
})

/** What whoever holds the file can do to it. */
const damages: readonly { readonly name: string; readonly damage: (path: string) => void; readonly want: RegExp }[] = [
  {
    name: 'cut off in its objects',
    damage: (path) => truncateSync(path, statSync(path).size - 1),
    want: /1 bytes are missing/,
  },
  { name: 'cut off in its index', damage: (path) => truncateSync(path, 100), want: /cut off in its index/ },
  { name: 'cut off in its head', damage: (path) => truncateSync(path, 5), want: /it is no bundle/ },
  { name: 'empty', damage: (path) => truncateSync(path, 0), want: /it is no bundle/ },
  {
    name: 'D8 bytes after its end',
    damage: (path) => writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from('more')])),
    want: /goes on for 4 bytes/,
  },
  {
    name: 'D8 two joined',
    damage: (path) => writeFileSync(path, Buffer.concat([readFileSync(path), readFileSync(path)])),
    want: /goes on for/,
  },
  {
    name: 'another title in it',
    damage: replacing('app-1.0.tar.gz', 'app-6.6.tar.gz'),
    want: /its signature .* is wrong/,
  },
  {
    name: 'another key on it',
    damage: replacing(ours.publicKey, stranger.publicKey),
    want: /its signature .* is wrong/,
  },
  { name: 'no signature', damage: replacing(/ed25519:\S+ \S+==\n/, 'signed\n'), want: /its signature is not one/ },
  { name: 'a large index', damage: replacing(/\n\d{12}\n/, '\n999999999999\n'), want: /its index has more than/ },
  { name: 'no length', damage: replacing(/\n\d{12}\n/, '\n-00000000001\n'), want: /is no number/ },
  { name: 'another version', damage: replacing('yoe-bundle/1', 'yoe-bundle/2'), want: /another version/ },
]

function replacing(what: string | RegExp, by: string): (path: string) => void {
  return (path) => {
    const text = readFileSync(path, 'latin1')
    assert.notEqual(text.replace(what, by), text)
    writeFileSync(path, text.replace(what, by), 'latin1')
  }
}

for (const { name, damage, want } of damages) {
  test(`a bundle, ${name}, is refused before anything is taken`, async () => {
    await using scratch = new Scratch()
    const path = await bundleOf(scratch, await indexOf(scratch, ours), ours)
    damage(path)
    await assert.rejects(Bundle.open(path), { code: 'BUNDLE_INVALID', message: want })
  })
}

test('G2: a byte that changed in an object shows, and no result counts; a copy of the file would not have shown it', async () => {
  await using scratch = new Scratch()
  const path = await bundleOf(scratch, await indexOf(scratch, ours), ours)
  const content = readFileSync(path)
  const at = content.lastIndexOf('the sources')
  content.write('THE', at)
  writeFileSync(path, content)
  // The control: all that a copy knows of it is its length and its head.
  assert.equal(statSync(path).size, content.length)
  const store = await scratch.store()
  await assert.rejects(take(scratch, path, store), { code: 'BUNDLE_INVALID', message: /object \w+ is damaged/ })
  assert.equal(await store.manifest('x86_64', someHash), undefined)
  assert.equal(await store.objects.path(sha(archive)), undefined)
  assert.deepEqual(readdirSync(join(store.root, 'tmp')), [])
})

type Document = Record<string, unknown>
type Row = Record<string, unknown>
const first = (document: Document, part: string): Row => {
  const rows = document[part]
  assert.ok(Array.isArray(rows))
  return rows[0]
}

/** Well signed by a key that is believed: what a maker with other ideas, or with a bug, could write. */
const wrongs: readonly {
  readonly name: string
  readonly change: (document: Document) => unknown
  readonly want: RegExp
}[] = [
  { name: 'no JSON', change: () => 'hello', want: /not JSON/ },
  { name: 'a list', change: () => [], want: /not of format/ },
  { name: 'another format', change: (one) => ({ ...one, format: 'yoe-bundle/9' }), want: /not of format/ },
  { name: 'one more field', change: (one) => ({ ...one, more: 1 }), want: /not spelled/ },
  { name: 'one field less', change: ({ lists: _, ...one }) => one, want: /lists of feeds/ },
  {
    name: 'D9 an object twice',
    change: (one) => ({ ...one, objects: [first(one, 'objects'), ...Object(one['objects'])] }),
    want: /not spelled/,
  },
  {
    name: 'G2 an object that nothing names',
    change: (one) => ({ ...one, files: [] }),
    want: /which nothing in it names/,
  },
  {
    name: 'G2 a name without an object',
    change: (one) => ({ ...one, objects: Object(one['objects']).slice(1) }),
    want: /which it does not hold/,
  },
  {
    name: 'G2 another size',
    change: edit('objects', (row) => ({ ...row, size: 10 })),
    want: /two sizes|are missing|goes on/,
  },
  {
    name: 'D6 a size beyond all measure',
    change: edit('objects', (row) => ({ ...row, size: 2 ** 50 })),
    want: /its objects/,
  },
  { name: 'D7 a negative size', change: edit('objects', (row) => ({ ...row, size: -1 })), want: /its objects/ },
  { name: 'D7 a size that is a text', change: edit('objects', (row) => ({ ...row, size: '11' })), want: /its objects/ },
  {
    name: 'a hole beyond the end',
    change: edit('objects', (row) => ({ ...row, holes: [[0, 2 ** 40]] })),
    want: /its objects/,
  },
  {
    name: 'a hole that is no block',
    change: edit('objects', (row) => ({ ...row, holes: [[1, 2]] })),
    want: /its objects/,
  },
  {
    name: 'holes that overlap',
    change: edit('objects', (row) => ({
      ...row,
      size: 2 ** 20,
      holes: [
        [0, 131072],
        [65536, 65536],
      ],
    })),
    want: /its objects/,
  },
  {
    name: 'D1 an object called ../x',
    change: edit('objects', (row) => ({ ...row, sha256: '../../x' })),
    want: /its objects/,
  },
  { name: 'D1 a file of a result called ../x', change: editFile('../../x'), want: /a file name in it/ },
  { name: 'D1 a file of a result called /x', change: editFile('/x'), want: /a file name in it/ },
  {
    name: 'D1 a repository called ../x',
    change: (one) => ({ ...one, commits: [commit({ repository: '../../../etc' })] }),
    want: /its commits/,
  },
  {
    name: 'D1 a commit called --upload-pack',
    change: (one) => ({ ...one, commits: [commit({ commit: '--upload-pack=x' })] }),
    want: /its commits/,
  },
  {
    name: 'a result of another key',
    change: editManifest((row) => ({ ...row, hash: sha('other') })),
    want: /the manifest of/,
  },
  { name: 'a title with a bell', change: edit('files', (row) => ({ ...row, title: 'a\u0007' })), want: /its files/ },
  { name: 'a use that nobody knows', change: edit('files', (row) => ({ ...row, use: 'program' })), want: /its files/ },
]

function edit(part: string, change: (row: Row) => Row): (document: Document) => Document {
  return (document) => {
    const rows = document[part]
    assert.ok(Array.isArray(rows))
    return { ...document, [part]: [change(rows[0]), ...rows.slice(1)] }
  }
}

function editManifest(change: (row: Row) => Row): (document: Document) => Document {
  return edit('results', (row) => ({ ...row, manifest: change(Object(row['manifest'])) }))
}

function editFile(name: string): (document: Document) => Document {
  return editManifest((row) => ({ ...row, files: [{ ...Object(row['files'])[0], name }] }))
}

const commit = (more: Row): Row => ({
  ...{ use: 'source', title: 'x', repository: 'a'.repeat(40), commit: 'b'.repeat(40), pack: sha(archive) },
  ...more,
})

for (const { name, change, want } of wrongs) {
  test(`an index with ${name} is refused, whoever signed it`, async () => {
    await using scratch = new Scratch()
    const index = await indexOf(scratch, ours)
    const good = readFileSync(await bundleOf(scratch, index, ours))
    const body = good.subarray(good.indexOf('==\n') + 3)
    const changed = change(documentOf(index))
    const path = planted(
      scratch,
      typeof changed === 'string' ? changed : canonical(JSON.parse(JSON.stringify(changed))),
      body,
      ours,
    )
    await assert.rejects(Bundle.open(path), { code: 'BUNDLE_INVALID', message: want })
  })
}

test('the control: the same file, planted unchanged, is read', async () => {
  await using scratch = new Scratch()
  const index = await indexOf(scratch, ours)
  const good = readFileSync(await bundleOf(scratch, index, ours))
  const body = good.subarray(good.indexOf('==\n') + 3)
  await using bundle = await Bundle.open(
    planted(scratch, canonical(JSON.parse(JSON.stringify(documentOf(index)))), body, ours),
  )
  assert.equal(bundle.index.project, 'demo')
  // Where names become paths, this is where they lead.
  assert.equal(resolve('/cache/git', '../../../etc'), '/etc')
})

test('what is no file, or not there, is told', async () => {
  await using scratch = new Scratch()
  await assert.rejects(Bundle.open(join(scratch.path, 'none')), { code: 'FETCH_FAILED' })
  await assert.rejects(Bundle.open(scratch.path), { code: 'BUNDLE_INVALID' })
  execFileSync('mkfifo', [join(scratch.path, 'pipe')])
  await assert.rejects(Bundle.open(join(scratch.path, 'pipe')), { code: 'BUNDLE_INVALID' })
})
