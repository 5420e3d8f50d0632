/** A13: the same package comes out of odd places and poor circumstances, or one clear error. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { debianProject, projectIn, type Ran, type RunOptions, scratch } from '../support/project.ts'
import { sharedCache } from '../support/shared-cache.ts'

const cache = sharedCache()

/** Names that differ only in case, and a path as long as packages may have. */
const task = `mkdir -p $DESTDIR/usr/share/odd && cd $DESTDIR/usr/share/odd
echo upper >NAME; echo lower >name; mkdir Folder folder; echo 1 >Folder/x; echo 2 >folder/x
n=$(printf '%0200d' 0); for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do mkdir $n; cd $n; done; echo deep >file
cd $DESTDIR; mkdir -p etc; touch etc/made; (umask 077; mkdir usr/share/odd/private; echo x >usr/share/odd/private/file)`

const texts = {
  'PROJECT.star': debianProject,
  'units/u.star': `unit(name = "odd", version = "1", license = "MIT", qa_skip = {"license": "a test"}, tasks = [task("install", run = ${JSON.stringify(task)})])\n`,
}

/** @param name of the folder that holds everything */
async function run(t: TestContext, name: string, options: RunOptions = {}): Promise<Ran> {
  const folder = join(scratch(t), name)
  mkdirSync(join(folder, 'temp'), { recursive: true })
  const project = projectIn(join(folder, 'project'), join(folder, 'home'), cache)
  project.write(texts)
  return project.yoe(['build', '--force', 'odd'], { ...options, env: { TMPDIR: join(folder, 'temp') } })
}

/** The package's digest. */
async function build(t: TestContext, name: string, options?: RunOptions): Promise<string> {
  const ran = await run(t, name, options)
  assert.equal(ran.code, 0, ran.stderr)
  return createHash('sha256').update(readFileSync(ran.stdout.trim())).digest('hex')
}

const limited = (limits: string): RunOptions => ({ through: ['sh', '-c', `${limits}; exec "$@"`, 'sh'] })

const circumstances: readonly { name: string; folder?: string; options?: RunOptions }[] = [
  { name: 'a folder with spaces, quotes and more', folder: `a "b' $(c) \`d\` é;&|*` },
  { name: 'a deep folder', folder: Array(8).fill('x'.repeat(100)).join('/') },
  { name: 'umask 077', options: limited('umask 077') },
  { name: 'umask 000', options: limited('umask 000') },
  { name: 'room for 256 open files', options: limited('ulimit -n 256') },
]

test('A13: the package is the same wherever and however it is built', async (t) => {
  const plain = await build(t, 'plain')
  for (const { name, folder = 'plain', options = {} } of circumstances)
    await t.test(name, async (inner) => {
      assert.equal(await build(inner, folder, options), plain)
    })
})

test('A13: with room for 64 open files it works, or says what is missing and what to type', async (t) => {
  const { code, stderr } = await run(t, 'few', limited('ulimit -n 64'))
  if (code === 0) return
  assert.equal(code, 3, stderr)
  assert.match(
    stderr,
    /error\[PERMISSION\]: no more files can be opened \(EMFILE\)\n {2}hint: raise the limit: ulimit -n 4096\n$/,
  )
})
