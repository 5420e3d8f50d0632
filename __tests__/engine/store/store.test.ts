import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { lockFile } from '../../../src/engine/store/lock.ts'
import { collectLitter, tempName } from '../../../src/engine/store/temp.ts'
import { bytes, litter, manifestOf, Scratch, sha, someHash } from './fixture.ts'

const sources = new URL('../../../src/engine/store/', import.meta.url).href
const asRoot = process.getuid?.() === 0

/** Runs a module's text in a process of its own; `%store%` in imports is the store's folder. */
function start(script: string, ...args: string[]) {
  const text = script.replaceAll('%store%', sources)
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', text, '--', ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  const said = async (word: string): Promise<void> => {
    while (!output.includes(word)) {
      assert.equal(child.exitCode, null, `it ended before saying ${word}`)
      await pause(5)
    }
  }
  const dispose = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
  }
  return { child, ended, said, output: () => output, [Symbol.asyncDispose]: dispose }
}

const holder = `
  import { lockFile } from '%store%lock.ts'
  const lock = await lockFile(process.argv[1])
  console.log('held')
  process.stdin.on('data', async () => { await lock.release(); process.exit(0) })
  setInterval(() => {}, 1000)`

test('A7 store: a link is followed once; the cache is where it led', async () => {
  await using scratch = new Scratch()
  mkdirSync(join(scratch.path, 'real'))
  symlinkSync('real', join(scratch.path, 'link'))
  const store = await scratch.store('link')
  assert.equal(store.root, join(scratch.path, 'real'))
  assert.deepEqual(readdirSync(store.root).sort(), ['locks', 'objects', 'tmp', 'units'])
})

const refused: readonly { name: string; make: (path: string) => void; want: RegExp; root?: boolean }[] = [
  {
    name: 'writable for everybody',
    make: (path) => chmodSync(path, 0o777),
    want: /everybody may write to it \(mode 777\)/,
  },
  {
    name: 'somebody else’s',
    make: (path) => chownSync(path, 12345, 12345),
    want: /belongs to user 12345, not to 0/,
    root: true,
  },
  {
    name: 'with a folder in it that is a link',
    make: (path) => {
      mkdirSync(`${path}2`)
      symlinkSync(`${path}2`, join(path, 'objects'))
    },
    want: /objects is not used: it is no folder/,
  },
]
for (const { name, make, want, root } of refused) {
  test(`A7 store: a cache folder ${name} is refused`, { skip: root === true && !asRoot && 'needs root' }, async () => {
    await using scratch = new Scratch()
    const path = join(scratch.path, 'cache')
    mkdirSync(path)
    make(path)
    await assert.rejects(scratch.store(), { code: 'PERMISSION', message: want, hint: /YOE_CACHE=/ })
  })
}

test('A7 store: a file in the way, or a relative path', async () => {
  await using scratch = new Scratch()
  writeFileSync(join(scratch.path, 'cache'), '')
  await assert.rejects(scratch.store())
  await assert.rejects((await import('../../../src/engine/store/store.ts')).Store.open('cache'), { code: 'USAGE' })
})

test('litter: of the dead goes, of the living and of strangers stays', async () => {
  await using scratch = new Scratch()
  const store = await scratch.store()
  const tmp = join(store.root, 'tmp')
  await using dead = start(`import { tempName } from '%store%temp.ts'; console.log(tempName())`)
  await dead.ended
  const [place, pid, begun] = tempName().split('-')
  const names = {
    dead: dead.output().trim(),
    living: tempName(),
    reusedPid: `${place}-${pid}-${Number(begun) - 1}-0123456789abcdef`,
    elsewhere: `00000000:1-${pid}-${begun}-0123456789abcdef`,
    unknown: 'something',
  }
  assert.match(names.dead, /^[0-9a-f]{8}:\d+-\d+-\d+-[0-9a-f]{16}$/)
  for (const name of Object.values(names)) {
    mkdirSync(join(tmp, name))
    writeFileSync(join(tmp, name, 'file'), '')
  }
  await collectLitter(tmp)
  assert.deepEqual(readdirSync(tmp).sort(), [names.living, names.elsewhere, names.unknown].sort())
})

test('A10 lock: the death of its holder frees it, and who waits is told who holds it', async () => {
  await using scratch = new Scratch()
  const path = join(scratch.path, 'lock')
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await using other = start(holder, path)
    await other.said('held')
    const told: string[] = []
    const mine = lockFile(path, { waiting: (who) => told.push(who) })
    while (told.length === 0) await pause(5)
    assert.match(told.join(), new RegExp(`process ${other.child.pid} on .*, since 20`))
    other.child.kill(signal)
    await using _lock = await mine
  }
  assert.deepEqual(readdirSync(scratch.path), [], 'nothing is left')
})

test('A10 lock: a stopped holder holds; waiting can be cancelled', async () => {
  await using scratch = new Scratch()
  const path = join(scratch.path, 'lock')
  await using other = start(holder, path)
  await other.said('held')
  other.child.kill('SIGSTOP')
  await assert.rejects(lockFile(path, { signal: AbortSignal.timeout(150) }), { code: 'CANCELLED' })
  other.child.kill('SIGCONT')
  other.child.stdin.write('x')
  await other.ended
  await (await lockFile(path)).release()
})

test('lock: one at a time, within a process too; readers together', async () => {
  await using scratch = new Scratch()
  const path = join(scratch.path, 'lock')
  let inside = 0
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      await using _lock = await lockFile(path)
      assert.equal(++inside, 1)
      await pause(5)
      inside--
    }),
  )
  const readers = await Promise.all([lockFile(path, { shared: true }), lockFile(path, { shared: true })])
  await assert.rejects(lockFile(path, { signal: AbortSignal.timeout(100) }), { code: 'CANCELLED' })
  for (const reader of readers) await reader.release()
})

const builder = `
  import { Store } from '%store%store.ts'
  import { UnitCache } from '%store%cache.ts'
  const [root, hash, log] = process.argv.slice(1)
  const { appendFileSync } = await import('node:fs')
  const store = await Store.open(root)
  const cache = new UnitCache({ store, remotes: [], trust: { keys: [], unsigned: false }, report: () => {} })
  console.log('ready')
  for await (const line of process.stdin) break
  {
    await using lock = await store.lock('unit-' + hash)
    if (await cache.restore('x86_64', hash) === undefined) {
      appendFileSync(log, 'built\\n')
      const info = await store.objects.put((async function* () { yield Buffer.from('result') })())
      await cache.save({ unit: 'app', arch: 'x86_64', distro: 'debian', hash, inputs: null, files: [{ name: 'f', ...info }],
        facts: { builtAt: 0, ms: 0, builder: 'me' } })
    }
  }
  console.log((await cache.restore('x86_64', hash)).manifest.files[0].sha256)
  process.exit(0)`

test('A9: two processes want one unit: one builds it, both have it', async () => {
  await using scratch = new Scratch()
  const store = await scratch.store()
  const log = join(scratch.path, 'log')
  for (let round = 0; round < 5; round++) {
    const hash = sha(`unit ${round}`)
    await using one = start(builder, store.root, hash, log)
    await using two = start(builder, store.root, hash, log)
    const both = [one, two]
    for (const each of both) await each.said('ready')
    for (const each of both) each.child.stdin.end('go\n')
    for (const each of both) {
      assert.equal(await each.ended, 0)
      assert.match(each.output(), new RegExp(sha('result')))
    }
    assert.equal(readFileSync(log, 'utf8').trim().split('\n').length, round + 1)
  }
  assert.deepEqual(litter(store.root), [])
})

test('A12: who clears away waits while another process uses the cache', async () => {
  await using scratch = new Scratch()
  const store = await scratch.store()
  await using other = start(
    `import { Store } from '%store%store.ts'
     const store = await Store.open(process.argv[1])
     await store.hold()
     const { sha256 } = await store.objects.put((async function* () { yield Buffer.from('not recorded yet') })())
     console.log('put')
     for await (const line of process.stdin) break
     console.log(await store.objects.path(sha256) === undefined ? 'LOST' : 'kept')
     process.exit(0)`,
    store.root,
  )
  await other.said('put')
  let alone = false
  const waited = store.alone().then((lock) => {
    alone = true
    return lock
  })
  await pause(150)
  assert.ok(!alone)
  other.child.stdin.end('go\n')
  await other.ended
  assert.match(other.output(), /kept/)
  await (await waited).release()
})

/** Runs `script` as a module with `folder` a file system of its own, mounted as told; undefined where that is not allowed. */
function onTmpfs(options: string, script: string): string | undefined {
  const text = script.replaceAll('%store%', sources)
  const command =
    'd=$(mktemp -d); mount -t tmpfs -o "$1" tmpfs "$d" || exit 99; "$2" --input-type=module-typescript -e "$3" -- "$d"; c=$?; umount "$d"; rmdir "$d"; exit $c'
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    ['--mount', 'sh', '-c', command, 'sh', options, process.execPath, text],
    { encoding: 'utf8' },
  )
  if (status === 99) return undefined
  assert.equal(status, 0, stderr)
  return stdout
}

const fill = `
  import { Store } from '%store%store.ts'
  import { readdirSync } from 'node:fs'
  const tell = (failure) => console.log(failure.code, failure.message, failure.hint ?? '')
  try {
    const store = await Store.open(process.argv[1])
    for (let i = 0; i < 300; i++) await store.objects.put((async function* () { yield Buffer.alloc(30000, 'x' + i) })())
  } catch (failure) { tell(failure) }
  try { console.log('tmp', readdirSync(process.argv[1] + '/tmp').length) } catch {}
  const later = await Store.open(process.argv[1]).catch(() => undefined)
  if (later) for await (const sha256 of later.objects.list()) if (await later.objects.path(sha256) === undefined) console.log('TORN', sha256)`

const disks = [
  ...Array.from({ length: 8 }, (_, i) => ({
    options: `size=${(i + 1) * 300}k,mode=755`,
    want: /DISK_FULL the file system at \/\S+ is full: \d+ bytes are needed .*, \d+ bytes are left/,
  })),
  ...[4, 9, 17, 40].map((inodes) => ({ options: `nr_inodes=${inodes},mode=755`, want: /DISK_FULL .* no inodes left/ })),
  { options: 'size=1m,ro,mode=755', want: /PERMISSION .* can't be written \(EROFS\)/ },
]
test('A4 store: a disk without room for bytes or names, or read-only', { skip: !asRoot && 'needs root' }, async (t) => {
  for (const { options, want } of disks) {
    const said = onTmpfs(options, fill)
    if (said === undefined) return t.skip('mounting is not allowed here')
    assert.match(said, want, options)
    assert.doesNotMatch(said, /TORN|tmp [1-9]/)
  }
})

test('A13 store: works under any umask, with room for few open files, in a path with spaces', async () => {
  await using scratch = new Scratch()
  const script = `
    import { Store } from '${sources}store.ts'
    const store = await Store.open(process.argv[1])
    await Promise.all(Array.from({ length: 200 }, (_, i) => store.objects.put((async function* () { yield Buffer.from('x' + i) })())))
    console.log((await Array.fromAsync(store.objects.list())).length)
    process.exit(0)`
  for (const umask of ['077', '000']) {
    const cache = join(scratch.path, `a "cache' ${umask}`)
    const command = `umask ${umask}; ulimit -n 300; exec "$1" --input-type=module-typescript -e "$2" -- "$3"`
    const { stdout, stderr } = spawnSync('sh', ['-c', command, 'sh', process.execPath, script, cache], {
      encoding: 'utf8',
    })
    assert.equal(stdout.trim(), '200', stderr)
    assert.ok(existsSync(cache))
  }
})

test('store: recording says what was built, and only then', async () => {
  await using scratch = new Scratch()
  const store = await scratch.store()
  assert.equal(await store.manifest('x86_64', someHash), undefined)
  const { sha256 } = await store.objects.put(bytes('x'))
  const manifest = manifestOf({ f: 'x' })
  await store.record({ manifest, scope: 'trusted' })
  assert.equal((await store.manifest('x86_64', someHash))?.manifest.files[0]?.sha256, sha256)
  await store.forget('x86_64', someHash)
  assert.equal(await store.manifest('x86_64', someHash), undefined)
  for (const bad of ['../x', '', 'a/b']) await assert.rejects(store.manifest(bad, someHash), TypeError)
  await assert.rejects(store.manifest('x86_64', '../../x'), TypeError)
})
