import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFile, chmod, mkdir, readdir, rename, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { scanDestdir } from '#engine/build/destdir.ts'
import { packDeb } from '../../../src/feeds/debian/pack.ts'
import { packInput, run, scratch } from '../../support/making.ts'

const packer = join(import.meta.dirname, 'packer.ts')

test('memory does not grow with the package', async (t) => {
  const folder = await scratch(t)
  await mkdir(join(folder, 'dest'))
  await writeFile(join(folder, 'dest/large'), '')
  // Sparse: it costs no disk.
  await truncate(join(folder, 'dest/large'), 512 << 20)
  const ran = await run(process.execPath, [packer, join(folder, 'dest'), join(folder, 'out')])
  assert.deepEqual([ran.code, ran.stderr], [0, ''])
  assert.ok(Number(ran.stdout) < 300, `${ran.stdout.trim()} MiB`)
})

test('a full disk is named, and nothing is left behind', async (t) => {
  const folder = await scratch(t)
  await mkdir(join(folder, 'dest'))
  await mkdir(join(folder, 'mnt'))
  await writeFile(join(folder, 'dest/large'), randomBytes(3 << 20))
  const script = 'mount -t tmpfs -o size=1m none "$3" && "$0" "$1" "$2" "$3/out"; echo "exit $?"; find "$3/out" -type f'
  const names = process.getuid?.() === 0 ? ['--mount'] : ['--mount', '--user', '--map-root-user']
  const args = [process.execPath, packer, join(folder, 'dest'), join(folder, 'mnt')]
  const ran = await run('unshare', [...names, 'sh', '-c', script, ...args])
  assert.match(ran.stderr, /^DISK_FULL the file system at .*\/mnt is full/)
  assert.match(ran.stdout, /^exit 1\n$/m)
  assert.equal(ran.stdout.trim().split('\n').at(-1), 'exit 1', 'no file is left')
})

test('killed half way, no package is there, and the next pack removes what was left', async (t) => {
  const folder = await scratch(t)
  const [dest, out] = [join(folder, 'dest'), join(folder, 'out')]
  await mkdir(dest)
  await writeFile(join(dest, 'large'), randomBytes(24 << 20))
  const child = spawn(process.execPath, [packer, dest, out], { stdio: 'ignore' })
  const gone = new Promise((done) => child.once('close', done))
  let left: readonly string[] = []
  while (left.length === 0) {
    await new Promise((done) => setTimeout(done, 5))
    left = await readdir(out).catch(() => [])
  }
  child.kill('SIGKILL')
  await gone
  left = await readdir(out)
  assert.ok(left.length > 0 && left.every((name) => !name.endsWith('.deb')), left.join())
  await packDeb(packInput(dest, out))
  assert.deepEqual(await readdir(out), ['app_1.0-r0_amd64.deb'])
})

test('what a plain user may not read is named', async (t) => {
  const folder = await scratch(t)
  const dest = join(folder, 'dest')
  await mkdir(join(dest, 'locked'), { recursive: true })
  await writeFile(join(dest, 'secret'), 'x'.repeat(100))
  await chmod(folder, 0o777)
  for (const path of ['locked', 'secret']) await chmod(join(dest, path), 0o000)
  // Root reads everything: without its privileges it is a plain user too.
  const plain =
    process.getuid?.() === 0
      ? ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--securebits=+noroot,+noroot_locked']
      : []
  const [command = '', ...args] = [...plain, process.execPath, packer, dest, join(folder, 'out')]
  const ran = await run(command, args)
  assert.match(
    ran.stderr,
    /^PACKAGE_INVALID app: \/locked may not be read\nPACKAGE_INVALID app: \/secret may not be read\n$/,
  )
  for (const path of ['locked', 'secret']) await chmod(join(dest, path), 0o700)
})

describe('what changes after it was listed is not packed', () => {
  const listed = 'same'.repeat(50_000)
  const rows: readonly { readonly name: string; readonly change: (dest: string) => Promise<void> }[] = [
    { name: 'content', change: (dest) => appendFile(join(dest, 'sub/x'), 'more') },
    {
      name: 'a file replaced by a link to a secret',
      change: async (dest) => {
        await rename(join(dest, 'sub/x'), join(dest, 'x'))
        await symlink('/etc/hostname', join(dest, 'sub/x'))
      },
    },
    {
      name: 'a folder replaced by a link to another that has the same names',
      change: async (dest) => {
        await rename(join(dest, 'sub'), join(dest, 'old'))
        await mkdir(`${dest}.evil`)
        await writeFile(join(`${dest}.evil`, 'x'), listed)
        await symlink(`${dest}.evil`, join(dest, 'sub'))
      },
    },
  ]
  for (const { name, change } of rows) {
    test(name, async (t) => {
      const dest = join(await scratch(t), 'dest')
      await mkdir(join(dest, 'sub'), { recursive: true })
      await writeFile(join(dest, 'sub/x'), listed)
      // One that is small was read when it was listed.
      await writeFile(join(dest, 'sub/small'), 'as it was')
      const tree = await scanDestdir(dest)
      t.after(() => tree.close())
      const [small, large] = tree.entries.filter((each) => each.kind === 'file')
      assert.ok(small !== undefined && large !== undefined)
      await change(dest)
      await writeFile(join(dest, 'sub/small'), 'other').catch(() => {})
      assert.throws(() => tree.open(large))
      using file = tree.open(small)
      const text = Buffer.alloc(10)
      assert.equal(text.toString('utf8', 0, file.read(text, 0)), 'as it was')
    })
  }

  test('small files that are more than memory is to hold are still those that were listed', async (t) => {
    const dest = join(await scratch(t), 'dest')
    await mkdir(dest)
    const names = Array.from({ length: 1100 }, (_, n) => String(n).padStart(4, '0'))
    for (const name of names) await writeFile(join(dest, name), Buffer.alloc(64 << 10, name))
    const tree = await scanDestdir(dest)
    t.after(() => tree.close())
    const files = tree.entries.filter((each) => each.kind === 'file')
    const bytes = Buffer.alloc(64 << 10)
    const changed = (): readonly (typeof files)[number][] =>
      files.filter((entry) => {
        try {
          using file = tree.open(entry)
          return file.read(bytes, 0) !== bytes.length || !bytes.equals(Buffer.alloc(64 << 10, entry.path.toString()))
        } catch {
          return true
        }
      })
    assert.deepEqual(changed(), [])
    for (const name of names) await writeFile(join(dest, name), Buffer.alloc(64 << 10, 'other'))
    assert.equal(changed().length, 1100 - 1024)
  })

  test('a destdir replaced after it was opened is still the one that was opened', async (t) => {
    const dest = join(await scratch(t), 'dest')
    await mkdir(dest)
    await writeFile(join(dest, 'x'), listed)
    const tree = await scanDestdir(dest)
    t.after(() => tree.close())
    const entry = tree.entries.find((each) => each.kind === 'file')
    assert.ok(entry !== undefined)
    await rename(dest, `${dest}.old`)
    await symlink('/etc', dest)
    using file = tree.open(entry)
    const text = Buffer.alloc(300_000)
    assert.equal(text.toString('utf8', 0, file.read(text, 0)), listed)
  })
})
