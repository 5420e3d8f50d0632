/**
 * A5: the power goes while a cache on ext4 is written. The disk is a file; what has reached it at that moment is what a
 * machine finds after its next start, so the file is copied while the writer is stopped, and the copy mounted.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Store } from '#engine/store/store.ts'

const engine = new URL('../../../src/engine/', import.meta.url).href

/** Records units without end; says each one's key once it counts as built. */
const writer = `
  import { createHash } from 'node:crypto'
  import { Store } from '${engine}store/store.ts'
  const store = await Store.open(process.argv[1])
  for (let turn = 0; ; turn++) {
    const put = await store.objects.put((async function* () { yield Buffer.alloc(30000, 'a' + turn) })())
    const hash = createHash('sha256').update('unit ' + turn).digest('hex')
    await store.record({ scope: 'trusted', manifest: { unit: 'app', arch: 'x86_64', distro: 'debian', hash, inputs: null,
      files: [{ name: 'put', ...put }], facts: { builtAt: 0, ms: 0, builder: 'me' } } })
    console.log(hash)
  }`

/** The same with renames and without syncs: what is in memory is gone. */
const naive = writer.replace(
  'import { Store }',
  `import fs from 'node:fs/promises'
  const probe = await fs.open('/dev/null')
  const { constructor: { prototype } } = probe
  prototype.sync = prototype.datasync = async () => {}
  await probe.close()
  import { Store }`,
)

const usable = process.getuid?.() === 0 && spawnSync('sh', ['-c', 'losetup -f && command -v mkfs.ext4']).status === 0

class Disk implements Disposable {
  readonly #folder: string
  readonly image: string
  readonly mounted: string

  constructor(t: TestContext) {
    // In memory where there is some: its own file system's syncs are no part of this.
    const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
    this.#folder = mkdtempSync(join(base, 'yoe-disk-'))
    this.image = join(this.#folder, 'image')
    this.mounted = join(mkdtempSync(join(tmpdir(), 'yoe-cut-')), 'disk')
    mkdirSync(this.mounted)
    execFileSync('truncate', ['-s', '96M', this.image])
    execFileSync('mkfs.ext4', ['-q', this.image])
    t.after(() => this[Symbol.dispose]())
  }

  /** A journal that is written when somebody asks for it, and not because five seconds are over. */
  mount(image = this.image): void {
    execFileSync('mount', ['-o', 'loop,commit=300', image, this.mounted])
  }

  unmount(): void {
    execFileSync('umount', [this.mounted])
  }

  [Symbol.dispose](): void {
    if (!existsSync(this.#folder)) return
    spawnSync('umount', [this.mounted], { stdio: 'ignore' })
    rmdirSync(this.mounted)
    rmdirSync(join(this.mounted, '..'))
    rmSync(this.#folder, { recursive: true })
  }
}

/** Cuts the power at a random moment; of the units that counted as built, says how many there are and how many are whole. */
async function cut(t: TestContext, script: string): Promise<{ readonly told: number; readonly whole: number }> {
  using disk = new Disk(t)
  disk.mount()
  const child = spawn(
    process.execPath,
    ['--input-type=module-typescript', '-e', script, '--', join(disk.mounted, 'cache')],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  while (!said.includes('\n')) await pause(5)
  await pause(Math.random() * 400)
  child.kill('SIGSTOP')
  const told = said.split('\n').slice(0, -1)
  const copy = `${disk.image}.cut`
  copyFileSync(disk.image, copy)
  child.kill('SIGKILL')
  await ended
  disk.unmount()
  disk.mount(copy)
  const root = join(disk.mounted, 'cache')
  let whole = 0
  if (existsSync(root)) {
    const store = await Store.open(root)
    for (const hash of told) {
      const sealed = await store.manifest('x86_64', hash)
      const [file] = sealed?.manifest.files ?? []
      if (file !== undefined && (await store.objects.path(file.sha256)) !== undefined) whole++
    }
  }
  disk.unmount()
  return { told: told.length, whole }
}

test('A5: after a power cut everything that counted as built is whole', {
  skip: !usable && 'needs root, a loop device and mkfs.ext4',
}, async (t) => {
  let all = 0
  for (let round = 0; round < 12; round++) {
    const { told, whole } = await cut(t, writer)
    assert.equal(whole, told, `round ${round}: ${whole} of ${told}`)
    all += told
  }
  t.diagnostic(`${all} units`)
  assert.ok(all > 12)
})

test('I8: without syncs units are lost', {
  skip: !usable && 'needs root, a loop device and mkfs.ext4',
}, async (t) => {
  const { told, whole } = await cut(t, naive)
  assert.ok(whole < told, `${whole} of ${told}`)
})
