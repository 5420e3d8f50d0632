import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Store } from '../../../src/engine/store/store.ts'
import { HostileServer, head } from '../source/hostile-server.ts'
import { litter, Scratch, sha } from './fixture.ts'

const sources = new URL('../../../src/engine/', import.meta.url).href

/** What a run leaves must be absent or whole; the next run clears up and ends where an undisturbed one would. */
async function checkCache(root: string): Promise<{ objects: number; units: number }> {
  const store = await Store.open(root)
  let [objects, units] = [0, 0]
  for await (const sha256 of store.objects.list()) {
    assert.ok(await store.objects.path(sha256), `object ${sha256} is torn`)
    objects++
  }
  const folder = join(root, 'units', 'x86_64')
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const sealed = await store.manifest('x86_64', name.replace('.json', ''))
    assert.ok(sealed, `manifest ${name} is torn`)
    for (const { sha256 } of sealed.manifest.files)
      assert.ok(await store.objects.path(sha256), `${name} lists what is not there`)
    units++
  }
  assert.deepEqual(litter(root), [], 'what dead processes left is cleared away')
  return { objects, units }
}

/** Puts, adopts and records `turns` units, fetching one file of each; says what went wrong, if anything. */
const commit = `
  import { createHash } from 'node:crypto'
  import { Store } from '${sources}store/store.ts'
  import { createFetcher } from '${sources}source/download.ts'
  import { YoeError } from '${sources}errors.ts'
  const [root, turns, url] = process.argv.slice(1)
  try {
    const store = await Store.open(root)
    const fetcher = createFetcher({ mirrors: { rules: [], only: false }, offline: false, temp: root + '/tmp', limits: { retries: 0 } })
    console.log('ready')
    for (let turn = 0; turn < Number(turns); turn++) {
      const put = await store.objects.put((async function* () { yield Buffer.alloc(70000, 'a' + turn); yield Buffer.from('end') })())
      const files = [{ name: 'put', ...put }]
      if (url !== undefined) {
        const dest = store.temp()
        await fetcher.fetch({ urls: [url + '?' + turn], dest, title: 't', report: () => {} })
        files.push({ name: 'fetched', ...await store.objects.adopt(dest) })
      }
      const hash = createHash('sha256').update('unit ' + turn).digest('hex')
      await store.record({ scope: 'trusted', manifest: { unit: 'app', arch: 'x86_64', distro: 'debian', hash, inputs: null, files,
        facts: { builtAt: 0, ms: 0, builder: 'me' } } })
    }
    console.log('done')
    process.exit(0)
  } catch (failure) {
    console.log(failure instanceof YoeError ? 'told ' + failure.code : 'BUG ' + failure.stack)
    process.exit(1)
  }`

/** The same without care: straight to the final name. */
const naive = `
  import { createHash } from 'node:crypto'
  import { mkdirSync } from 'node:fs'
  import { open } from 'node:fs/promises'
  const [root, turns] = process.argv.slice(1)
  mkdirSync(root + '/objects', { recursive: true })
  console.log('ready')
  for (let turn = 0; turn < Number(turns); turn++) {
    const content = Buffer.alloc(3_000_000, 'a' + turn)
    const file = await open(root + '/objects/' + createHash('sha256').update(content).digest('hex'), 'w')
    for (let at = 0; at < content.length; at += 65536) await file.write(content.subarray(at, at + 65536))
    await file.close()
  }`

/** Starts a script, lets it work for a random while, and kills its whole process group. */
async function killSometime(script: string, args: readonly string[], longest: number): Promise<void> {
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script, '--', ...args], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const ended = new Promise((resolve) => child.on('exit', resolve))
  await Promise.race([new Promise((resolve) => child.stdout.once('data', resolve)), ended])
  await pause(Math.random() * longest)
  if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  await ended
}

test('A1 store and fetch: 200 kills at random moments leave nothing half', async (t) => {
  await using scratch = new Scratch()
  await using server = await HostileServer.start()
  for (let turn = 0; turn < 400; turn++) {
    const content = Buffer.alloc(200_000, `f${turn}`)
    server.on(`/x?${turn}`, (socket) => {
      socket.write(head(200, { 'Content-Length': `${content.length}` }))
      socket.write(content.subarray(0, 100_000))
      setTimeout(() => socket.write(content.subarray(100_000)), 3)
    })
  }
  const root = join(scratch.path, 'cache')
  let left = 0
  for (let round = 0; round < 200; round++) {
    await killSometime(commit, [root, '400', server.url('/x')], 150)
    if (existsSync(join(root, 'tmp'))) left += readdirSync(join(root, 'tmp')).length
    if (round % 10 === 9) await checkCache(root)
  }
  const { objects, units } = await checkCache(root)
  t.diagnostic(`${objects} objects and ${units} units whole, ${left} unfinished files were cleared away`)
  assert.ok(units > 0 && left > 0, 'the kills met work in progress')
})

test('I8: a store that writes to the final name is torn by the same kills', async () => {
  await using scratch = new Scratch()
  const objects = join(scratch.path, 'cache', 'objects')
  let torn = 0
  for (let round = 0; round < 60 && torn === 0; round++) {
    await killSometime(naive, [join(scratch.path, 'cache'), '1000'], 60)
    torn += readdirSync(objects).filter((name) => sha(readFileSync(join(objects, name))) !== name).length
  }
  assert.ok(torn > 0)
})

const straced = spawnSync('strace', ['-qq', '-e', 'trace=none', 'true']).status === 0

interface Injected {
  readonly hit: boolean
  readonly said: string
}

/** Runs one commit with a fault at the `when`-th call of `call`; one thread does all file work, so that counting holds. */
function inject(root: string, call: string, fault: string, when: string, log: string): Injected {
  rmSync(log, { force: true })
  const argv = ['-f', '-qq', '-o', log, '-e', `trace=${call}`, '-e', `inject=${call}:${fault}:when=${when}`]
  const { stdout } = spawnSync(
    'strace',
    [...argv, process.execPath, '--input-type=module-typescript', '-e', commit, '--', root, '1'],
    {
      encoding: 'utf8',
      env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
    },
  )
  const trace = readFileSync(log, 'utf8')
  return { hit: /INJECTED|killed by SIGKILL/.test(trace), said: stdout }
}

const calls = ['mkdir', 'rename', 'fdatasync', 'fsync', 'chmod', 'unlink', 'ftruncate']

test('A2 store: killed at every call of one commit', { skip: !straced && 'strace can not trace here' }, async (t) => {
  await using scratch = new Scratch()
  const log = join(scratch.path, 'trace')
  let points = 0
  for (const call of [...calls, 'write']) {
    for (let when = 1; ; when++) {
      const root = join(scratch.path, 'cache')
      rmSync(root, { recursive: true, force: true })
      const { hit, said } = inject(root, call, 'signal=KILL', `${when}`, log)
      if (!hit) {
        assert.match(said, /done/)
        break
      }
      points++
      await checkCache(root)
      if (points % 5 === 0) {
        inject(root, 'none', 'error=EIO', '1', log)
        assert.deepEqual(await checkCache(root), { objects: 1, units: 1 }, 'the next run ends as an undisturbed one')
      }
    }
  }
  t.diagnostic(`${points} points`)
  assert.ok(points > 15)
})

/** How often `call` is made before the commit itself begins: loading programs is not what is tested. */
function callsBefore(root: string, call: string, log: string): number {
  const argv = ['-f', '-qq', '-o', log, '-e', `trace=${call},write`]
  const script = [process.execPath, '--input-type=module-typescript', '-e', commit, '--', root, '1']
  spawnSync('strace', [...argv, ...script], { env: { ...process.env, UV_THREADPOOL_SIZE: '1' } })
  const lines = readFileSync(log, 'utf8').split('\n')
  const ready = lines.findIndex((line) => line.includes('write(1, "ready'))
  return lines.slice(0, ready).filter((line) => line.includes(`${call}(`)).length
}

/** What a system answers to each call when a disk is bad, full, over quota or read-only, or too much is open. */
const faults: readonly { readonly calls: readonly string[]; readonly errors: readonly string[] }[] = [
  { calls, errors: ['EIO', 'ENOSPC', 'EROFS'] },
  { calls: ['pwrite64'], errors: ['EIO', 'ENOSPC', 'EDQUOT'] },
  { calls: ['mkdir', 'rename'], errors: ['EDQUOT'] },
  { calls: ['openat'], errors: ['EMFILE', 'EROFS', 'EIO'] },
]

test('A3 store: every call of one commit fails, once and from then on', {
  skip: !straced && 'strace can not trace here',
}, async (t) => {
  await using scratch = new Scratch()
  const log = join(scratch.path, 'trace')
  let points = 0
  for (const { calls: some, errors } of faults)
    for (const call of some) {
      const root = join(scratch.path, 'cache')
      const first = call === 'openat' ? callsBefore(root, call, log) : 0
      for (const error of errors)
        for (const more of ['', '+'])
          for (let when = first + 1; ; when++) {
            rmSync(root, { recursive: true, force: true })
            const { hit, said } = inject(root, call, `error=${error}`, `${when}${more}`, log)
            if (!hit) break
            points++
            const where = `${call} ${when}${more} ${error}: ${said}`
            // Where not even programs can be loaded any more, nobody is left to say it well.
            if (call !== 'openat' || said !== '')
              assert.match(said, /done|told (DISK_FULL|PERMISSION|STORE_DAMAGED|TOOL_MISSING)/, where)
            assert.doesNotMatch(said, /BUG/, where)
            const { units } = await checkCache(root)
            if (/done/.test(said)) assert.equal(units, 1, where)
          }
    }
  t.diagnostic(`${points} points`)
  assert.ok(points > 50)
})
