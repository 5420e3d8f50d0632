import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { linkTrees, type PackageTree } from '#engine/build/trees.ts'
import { openUnitLog } from '#engine/build/unit-log.ts'
import { YoeError } from '#engine/errors.ts'
import { silent } from '#engine/events.ts'
import { scratch } from '../../support/project.ts'

interface Linked {
  readonly folder: string
  readonly dest: string
  /** What the log says; the message of the error when there is one. */
  readonly said: string
}

/** Puts trees, each made by a script of sh in its folder, over each other. */
async function linked(t: TestContext, ...scripts: readonly string[]): Promise<Linked> {
  const folder = scratch(t)
  const trees = scripts.map((script, index): PackageTree => {
    const name = `p${index}`
    mkdirSync(join(folder, name))
    execFileSync('sh', ['-ec', script], { cwd: join(folder, name) })
    return { name, folder: join(folder, name) }
  })
  const dest = join(folder, 'sysroot')
  mkdirSync(dest)
  const log = openUnitLog(join(folder, 'log'), 'x', silent)
  let failed = ''
  await linkTrees(trees, dest, log).catch((failure: unknown) => {
    if (!(failure instanceof YoeError)) throw failure
    failed = `${failure.code} ${failure.message}`
  })
  log.close()
  return { folder, dest, said: readFileSync(join(folder, 'log'), 'utf8') + failed }
}

const find = (folder: string): readonly string[] =>
  execFileSync('find', ['.', '-mindepth', '1', '-printf', '%P:%y%l '], { cwd: folder, encoding: 'utf8' })
    .trim()
    .split(' ')
    .toSorted()

test('files are links to those of the trees, folders and links are merged', async (t) => {
  const { folder, dest, said } = await linked(
    t,
    'mkdir -p usr/lib; ln -s usr/lib lib; echo a >usr/lib/a; ln -s a usr/lib/a.so',
    'mkdir -p usr/lib/x; ln -s usr/lib lib; echo b >usr/lib/x/b',
  )
  assert.equal(said, '')
  const want = 'lib:lusr/lib usr:d usr/lib:d usr/lib/a:f usr/lib/a.so:la usr/lib/x:d usr/lib/x/b:f'
  assert.deepEqual(find(dest), want.split(' ').toSorted())
  assert.equal(statSync(join(dest, 'usr/lib/a')).ino, statSync(join(folder, 'p0/usr/lib/a')).ino)
})

test('two packages with one file: the later one has it, and both are named; equal ones are no matter', async (t) => {
  const { dest, said } = await linked(t, 'echo 1 >f; echo s >same', 'echo 2 >f; echo s >same', 'true')
  assert.equal(said, '/f is in p0, too: here it is that of p1\n')
  assert.equal(readFileSync(join(dest, 'f'), 'utf8'), '2\n')
})

test('the trees stay as they are when a later one wins', async (t) => {
  const { folder } = await linked(t, 'echo 1 >f', 'echo 2 >f')
  assert.equal(readFileSync(join(folder, 'p0/f'), 'utf8'), '1\n')
})

const clashes = [
  {
    name: 'a folder over a file',
    scripts: ['echo 1 >f', 'mkdir f'],
    want: 'PACKAGE_INVALID /f is a folder in p1 and none in p0',
  },
  {
    name: 'a file over a folder',
    scripts: ['mkdir f', 'echo 1 >f'],
    want: 'PACKAGE_INVALID /f is a file in p1 and a folder in p0',
  },
  {
    name: 'a folder over a link to nowhere',
    scripts: ['ln -s /nowhere f', 'mkdir f'],
    want: 'PACKAGE_INVALID /f is a folder in p1 and none in p0',
  },
  {
    name: 'a folder over a link to itself',
    scripts: ['ln -s f f', 'mkdir f'],
    want: 'PACKAGE_INVALID /f is a folder in p1 and none in p0',
  },
]
for (const { name, scripts, want } of clashes)
  test(`${name} is an error that names both`, async (t) => {
    assert.equal((await linked(t, ...scripts)).said, want)
  })

test('a folder over a link is merged into what it leads to, which is never outside', async (t) => {
  const outside = scratch(t)
  const { dest, said } = await linked(
    t,
    `mkdir -p real '${outside.slice(1)}'; ln -s /real one; ln -s ../../../../real two; ln -s '${outside}' three`,
    'mkdir one two three; echo 1 >one/1; echo 2 >two/2; echo 3 >three/3; mkdir three/more',
  )
  assert.equal(said, '')
  assert.deepEqual(readdirSync(join(dest, 'real')), ['1', '2'])
  assert.deepEqual(readdirSync(outside), [], 'nothing is written where the link would lead on the host')
  assert.deepEqual(readdirSync(join(dest, outside)), ['3', 'more'])
})

test('a naive copy follows the link out: the row above would see it', async (t) => {
  const outside = scratch(t)
  const { folder } = await linked(t, `ln -s '${outside}' three`, 'mkdir three; echo 3 >three/3')
  const naive = join(folder, 'naive')
  execFileSync('sh', ['-c', `mkdir naive; cp -a p0/. naive; cp -aL p1/three/3 naive/three/3`], { cwd: folder })
  assert.ok(existsSync(naive))
  assert.deepEqual(readdirSync(outside), ['3'])
})

test('names that are no UTF-8, and what cannot be linked', async (t) => {
  const { dest } = await linked(t, 'mkdir d; echo x >"$(printf "d/\\377")"; mkfifo pipe')
  assert.deepEqual(readdirSync(join(dest, 'd'), { encoding: 'latin1' }), ['\u00ff'])
  assert.ok(!existsSync(join(dest, 'pipe')))
})

test('on another file system files are copied', { skip: process.getuid?.() !== 0 && 'needs a mount' }, async (t) => {
  const folder = scratch(t)
  const [tree, dest] = [join(folder, 'tree'), join(folder, 'sysroot')]
  for (const each of [tree, dest]) mkdirSync(each)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'yoe', dest])
  try {
    execFileSync('sh', ['-c', 'echo 1 >f; chmod 755 f; touch -d @1000 f'], { cwd: tree })
    const log = openUnitLog(join(folder, 'log'), 'x', silent)
    await linkTrees([{ name: 'p', folder: tree }], dest, log)
    log.close()
    const { mode, mtimeMs } = statSync(join(dest, 'f'))
    assert.deepEqual([mode & 0o777, mtimeMs], [0o755, 1_000_000])
  } finally {
    execFileSync('umount', [dest])
  }
})
