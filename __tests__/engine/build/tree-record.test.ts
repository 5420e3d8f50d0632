/** A8 for what is unpacked in the cache: what is used is what was unpacked, whatever somebody did to it meanwhile. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Roots } from '#engine/build/roots.ts'
import { changedTrees, type TimeOf } from '#engine/build/tree-record.ts'
import { setChangedAside } from '#engine/build/trees.ts'
import type { Event } from '#engine/events.ts'
import type { ToolchainNode } from '#engine/plan/graph.ts'
import type { UnitManifest } from '#engine/store/manifest.ts'
import { scratch } from '../../support/project.ts'
import { quietContext } from './quiet-context.ts'

const sh = (cwd: string, script: string): void => {
  execFileSync('sh', ['-ec', script], { cwd })
}

const filling = 'mkdir -p usr/bin usr/lib empty; echo one >usr/bin/a; echo two >usr/bin/b; ln -s a usr/bin/c'

/** What is done to a tree, and whether that is told by times of inodes, and by those of contents. */
const tamperings: Readonly<Record<string, readonly [script: string, changed: boolean, modified: boolean]>> = {
  nothing: ['cat usr/bin/a >/dev/null', false, false],
  'a bit flipped': ['printf x | dd of=usr/bin/a conv=notrunc status=none', true, true],
  'a bit flipped, its time kept': [
    'touch -r usr/bin/a ../t; printf x | dd of=usr/bin/a conv=notrunc status=none; touch -r ../t usr/bin/a',
    true,
    // Hard links change inodes, too: nothing but reading it all would tell.
    false,
  ],
  truncation: ['touch -r usr/bin/a ../t; truncate -s 2 usr/bin/a; touch -r ../t usr/bin/a', true, true],
  'a file of zero length': ['touch -r usr/bin/a ../t; : >usr/bin/a; touch -r ../t usr/bin/a', true, true],
  'two files swapped': ['mv usr/bin/a x; mv usr/bin/b usr/bin/a; mv x usr/bin/b', true, true],
  'a file gone': ['rm usr/bin/a', true, true],
  'a file more': ['echo x >usr/lib/more', true, true],
  'an empty folder gone': ['rmdir empty', true, true],
  'another mode': ['chmod 4755 usr/bin/a', true, true],
  'another mode of a folder': ['chmod 777 usr/lib', true, true],
  'a link that leads elsewhere': ['ln -sfn /etc/passwd usr/bin/c', true, true],
  'a folder that became a link': ['rmdir usr/lib; ln -s bin usr/lib', true, true],
  'all of it gone': ['rm -r usr empty', true, true],
}
for (const [name, [script, changed, modified]] of Object.entries(tamperings))
  test(`A8 an unpacked tree: ${name}`, async (t) => {
    for (const [time, told] of [
      ['changed', changed],
      ['modified', modified],
    ] as const satisfies readonly (readonly [TimeOf, boolean])[]) {
      const home = scratch(t)
      mkdirSync(join(home, 'tree'))
      sh(join(home, 'tree'), filling)
      const tree = { tree: 'tree', record: 'tree.sum' }
      assert.deepEqual(await changedTrees(home, [tree], time), [], 'the first look is the record')
      sh(join(home, 'tree'), script)
      assert.deepEqual(await changedTrees(home, [tree], time), told ? [tree] : [], time)
    }
  })

test('A8 unpacked packages: those that changed are set aside, others stay; links to their files are no change', async (t) => {
  const root = scratch(t)
  const events: Event[] = []
  const context = await quietContext(root, { keys: new Map(), report: (event) => events.push(event) })
  const home = join(context.store.root, 'unpacked')
  const files = ['a', 'b'].map((name) => ({ name: `${name}.deb`, path: '', sha256: name.repeat(64), size: 1 }))
  for (const { sha256 } of files) {
    mkdirSync(join(home, sha256, 'tree'), { recursive: true })
    sh(join(home, sha256, 'tree'), filling)
  }
  assert.equal(await setChangedAside(context, files), 0)
  linkSync(join(home, files[0]?.sha256 ?? '', 'tree/usr/bin/a'), join(root, 'link'))
  assert.equal(await setChangedAside(context, files), 0)
  writeFileSync(join(root, 'link'), 'a task got hold of it\n')
  assert.equal(await setChangedAside(context, files), 1)
  assert.deepEqual(readdirSync(home), [files[1]?.sha256])
  assert.deepEqual(
    events.map((event) => (event.type === 'warning' ? event.message : '')),
    ['a.deb in the cache is not as it was unpacked: it is unpacked again'],
  )
})

/** A toolchain's root in a cache, and a fresh look at it: of another process, so to say. */
async function rootWorld(t: TestContext) {
  const root = scratch(t)
  mkdirSync(join(root, 'content'))
  sh(root, `cd content; ${filling}; cd ..; tar --create --format=pax --zstd --file=root.tar.zst --directory=content .`)
  const node: ToolchainNode = {
    kind: 'toolchain',
    id: 'debian/toolchain.x86_64',
    arch: 'x86_64',
    distro: 'debian',
    unit: {
      kind: 'toolchain',
      ...{ name: 'toolchain', version: '1', release: 0, description: '', license: '', module: '' },
      at: { file: 'c.star', line: 1, column: 1 },
      builtVia: [],
      packages: [],
      provides: [],
    },
    tools: undefined,
    packages: [],
  }
  const hash = 'f'.repeat(64)
  const events: Event[] = []
  const context = await quietContext(root, {
    keys: new Map([[node, { hash, inputs: {} }]]),
    report: (event) => events.push(event),
  })
  const { sha256, size } = await context.store.objects.adopt(join(root, 'root.tar.zst'))
  const manifest: UnitManifest = {
    ...{ unit: 'toolchain', arch: 'x86_64', distro: 'debian', hash, inputs: {} },
    files: [{ name: 'root.tar.zst', sha256, size }],
    facts: { builtAt: 0, ms: 0, builder: '' },
  }
  const look = () => {
    const roots = new Roots(context)
    return { roots, folder: () => roots.folder(node, { manifestOf: async () => manifest }) }
  }
  return { look, events, folder: join(context.store.root, 'roots', hash) }
}

test('A8 a root: work in one that was changed is done again in one that is unpacked anew', async (t) => {
  const { look, events, folder } = await rootWorld(t)
  const first = look()
  assert.equal(await first.folder(), folder)
  const reading = async ({ roots, folder: open }: ReturnType<typeof look>): Promise<readonly string[]> => {
    const read: string[] = []
    const got = await roots.soundly(async () => {
      read.push(readFileSync(join(await open(), 'usr/bin/a'), 'utf8'))
      return read.at(-1)
    })
    assert.equal(got, read.at(-1))
    return read
  }
  assert.deepEqual(await reading(look()), ['one\n'])
  sh(folder, 'touch -r usr/bin/a ../t; printf x | dd of=usr/bin/a conv=notrunc status=none; touch -r ../t usr/bin/a')
  // The naive reader believes what is there.
  assert.equal(readFileSync(join(await look().folder(), 'usr/bin/a'), 'utf8'), 'xne\n')
  assert.deepEqual(await reading(look()), ['xne\n', 'one\n'])
  assert.deepEqual(await reading(look()), ['one\n'])
  assert.ok(
    events.some((event) => event.type === 'warning' && /root of toolchain .* unpacked again/.test(event.message)),
  )
})

test('A8 a root: work that failed in one that was changed is done again, other failures are told', async (t) => {
  const { look, folder } = await rootWorld(t)
  await look().folder()
  sh(folder, 'rm usr/bin/b')
  const { roots, folder: open } = look()
  const read = async (name: string) => readFileSync(join(await open(), name), 'utf8')
  assert.equal(await roots.soundly(() => read('usr/bin/b')), 'two\n')
  await assert.rejects(
    roots.soundly(() => read('none')),
    { code: 'ENOENT' },
  )
  assert.ok(existsSync(folder))
})
