import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, test } from 'node:test'
import type { SigningKey } from '#engine/formats.ts'
import { publishRepository } from '#feeds/debian/repository.ts'
import { generateOpenPgpKey } from '#feeds/keys/openpgp.ts'
import { run, scratch } from '../../support/making.ts'
import { aptFor, debOf, publishInput, readFeed, suite, versionsOf } from './feed-making.ts'

let key: SigningKey
before(async () => {
  key = await generateOpenPgpKey('demo', new Date(Date.now() - 365 * 86_400_000))
})

const publisher = join(import.meta.dirname, 'publisher.ts')

async function asFiles(folder: string, debs: readonly unknown[], name: string): Promise<readonly [string, string]> {
  const keyFile = join(folder, 'key.asc')
  await writeFile(keyFile, key.privateKey)
  await writeFile(join(folder, name), JSON.stringify(debs))
  return [keyFile, join(folder, name)]
}

test('a host without xz publishes gzip alone, and apt takes it', async (t) => {
  const folder = await scratch(t)
  const bin = join(folder, 'bin')
  await mkdir(bin)
  for (const tool of ['flock', 'sh', 'cat']) await symlink((await run('which', [tool])).stdout.trim(), join(bin, tool))
  const root = join(folder, 'repo')
  const files = await asFiles(folder, [await debOf(folder, {})], 'entries.json')
  const ran = await run(process.execPath, [publisher, root, ...files], { PATH: bin })
  assert.deepEqual([ran.code, ran.stderr], [0, ''])
  assert.deepEqual(await readdir(join(root, 'dists', suite, 'main/binary-amd64')), [
    'Packages',
    'Packages.gz',
    'by-hash',
  ])
  const apt = await aptFor(folder, `file:${root}`, key)
  assert.equal((await apt.get('update')).code, 0)
  await rm(join(bin, 'flock'))
  const without = await run(process.execPath, [publisher, root, ...files], { PATH: bin })
  assert.match(without.stderr, /^TOOL_MISSING flock is needed/)
})

test('a disk that fills up leaves the old feed whole', async (t) => {
  const folder = await scratch(t)
  const small = await debOf(folder, {})
  const large = await debOf(folder, { release: 1 }, randomBytes(3 << 20).toString('latin1'))
  const [keyFile, first] = await asFiles(folder, [small], 'first.json')
  const [, second] = await asFiles(folder, [large], 'second.json')
  const mounted = join(folder, 'mnt')
  await mkdir(mounted)
  const copy = join(folder, 'copy')
  const script = `mount -t tmpfs -o size=1m none "$1" && "$2" "$3" "$1/repo" "$4" "$5"; "$2" "$3" "$1/repo" "$4" "$6"; echo "exit $?"; cp -r "$1/repo" "$7"`
  const names = process.getuid?.() === 0 ? ['--mount'] : ['--mount', '--user', '--map-root-user']
  const ran = await run('unshare', [
    ...names,
    'sh',
    '-c',
    script,
    'sh',
    mounted,
    process.execPath,
    publisher,
    keyFile,
    first,
    second,
    copy,
  ])
  assert.match(ran.stderr, /^DISK_FULL the file system at .* is full: \d+ bytes are needed/)
  assert.match(ran.stdout, /^exit 1$/m)
  assert.deepEqual(versionsOf(await readFeed(copy, key)), ['app 1.0-r0'])
  assert.deepEqual((await readdir(copy)).includes('.tmp'), false)
})

test('killed at any moment, the old feed or the new one is whole, and the next publish mends the rest', async (t) => {
  const folder = await scratch(t)
  const root = join(folder, 'repo')
  await publishRepository(publishInput(root, key, [await debOf(folder, {})]))
  let killed = 0
  for (let round = 1; round <= 12; round++) {
    const files = await asFiles(folder, [await debOf(folder, { release: round })], `${round}.json`)
    const child = spawn(process.execPath, [publisher, root, ...files], { stdio: 'ignore' })
    const ended = new Promise<NodeJS.Signals | null>((done) => child.once('close', (_, signal) => done(signal)))
    // It starts in about 150 ms and publishes in about 100.
    const timer = setTimeout(() => child.kill('SIGKILL'), 120 + round * 15)
    if ((await ended) === 'SIGKILL') killed++
    clearTimeout(timer)
    await readFeed(root, key)
  }
  assert.ok(killed > 0, 'some of them were killed')
  await publishRepository(publishInput(root, key, [await debOf(folder, { release: 99 })], { keep: 1 }))
  assert.deepEqual(versionsOf(await readFeed(root, key)), ['app 1.0-r99'])
  assert.equal((await readdir(root)).includes('.tmp'), false)
})

test('publishers at once all end up in the index, and a reader sees whole generations throughout', async (t) => {
  const folder = await scratch(t)
  const root = join(folder, 'repo')
  await publishRepository(publishInput(root, key, [await debOf(folder, {})]))
  let reads = 0
  let done = false
  const reading = (async () => {
    let before = 0
    while (!done) {
      const count = (await readFeed(root, key)).length
      assert.ok(count >= before, 'nothing that was offered went away')
      before = count
      reads++
    }
  })()
  const publish = async (worker: number): Promise<void> => {
    for (let round = 0; round < 4; round++) {
      const files = await asFiles(
        folder,
        [await debOf(folder, { name: `app-${worker}-${round}` })],
        `${worker}-${round}.json`,
      )
      const ran = await run(process.execPath, [publisher, root, ...files])
      assert.deepEqual([ran.code, ran.stderr], [0, ''])
    }
  }
  await Promise.all([publish(1), publish(2)])
  done = true
  await reading
  assert.ok(reads > 3)
  assert.equal((await readFeed(root, key)).length, 9)
})
