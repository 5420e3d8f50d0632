import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, lstat, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { rootRange } from '#engine/build/identity.ts'
import type { LimitName } from '#engine/build/limits.ts'
import { removeTree } from '#engine/build/tree.ts'
import { defaultLimits, type Limits } from '#engine/build/worker.ts'
import { bash, entryPrograms, freshWorker, scratch, smallRoot, unusable, worker, writableFolder } from './helpers.ts'

let reason: string | false = false
before(async () => {
  reason = await unusable()
})

/** A test that needs a sandbox. */
const sandboxed = (name: string, body: (t: TestContext) => Promise<void>): void => {
  test(name, (t) => (reason === false ? body(t) : t.skip(reason)))
}

const limits = (some: Partial<Limits>): Limits => ({ ...defaultLimits, wallSeconds: 60, ...some })

/** Processes of this machine whose command line holds `mark`. */
async function marked(mark: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')))
  return lines.filter((line) => line.includes(mark))
}

const markOf = (): string => `yoe-mark-${process.pid}-${Math.random().toString(36).slice(2)}`

for (const identity of ['user', 'install'] as const) {
  sandboxed(
    `exit code, both outputs in order, environment, folder and input are the run's own (${identity})`,
    async () => {
      const script = 'echo one; echo two >&2; echo three >/dev/stderr; pwd; env; cat; exit 7'
      const { result, said } = await bash(script, {
        identity,
        cwd: '/usr',
        env: { PATH: '/usr/bin:/bin', 'ODD.NAME': 'a=b c\nd' },
        stdin: Buffer.from('typed'),
      })
      assert.deepEqual(result, { kind: 'exited', code: 7 })
      assert.match(said, /^one\ntwo\nthree\n\/usr\n/)
      assert.match(said, /^ODD.NAME=a=b c\nd$/m)
      assert.match(said, /\ntyped$/)
      const names = [...said.matchAll(/^([A-Za-z_.]+)=/gm)].flatMap(([, name]) => name ?? [])
      const bashOwn = ['OLDPWD', 'PWD', 'SHLVL', '_']
      assert.deepEqual(names.filter((name) => !bashOwn.includes(name)).toSorted(), ['ODD.NAME', 'PATH'])
    },
  )

  sandboxed(`what a run writes belongs outside to nobody but it (${identity})`, async (t) => {
    const folder = await writableFolder(t)
    const { result } = await bash('touch /out/file && mkdir /out/dir && chown 0:0 /out/file', {
      identity,
      mounts: [{ source: folder, target: '/out', writable: true }],
    })
    assert.deepEqual(result, { kind: 'exited', code: 0 })
    const { uid } = await lstat(join(folder, 'file'))
    assert.equal(uid, process.getuid?.() === 0 ? rootRange.first : process.getuid?.())
  })

  sandboxed(`no process outlives the run, and none writes after it (${identity})`, async (t) => {
    const folder = await writableFolder(t)
    const mark = markOf()
    const daemon = `exec -a ${mark} bash -c "while :; do date +%N >/out/late; sleep 0.02; done" </dev/null >/dev/null 2>&1 &`
    const { result } = await bash(
      `(setsid bash -c '${daemon}' &); (${daemon}); until test -s /out/late; do sleep 0.02; done`,
      {
        identity,
        mounts: [{ source: folder, target: '/out', writable: true }],
      },
    )
    assert.deepEqual(result, { kind: 'exited', code: 0 })
    assert.deepEqual(await marked(mark), [])
    const first = await readFile(join(folder, 'late'), 'utf8')
    await sleep(300)
    assert.equal(await readFile(join(folder, 'late'), 'utf8'), first)
  })

  sandboxed(`hostile modes and owners neither stop reading nor removing (${identity})`, async (t) => {
    const folder = join(await scratch(t), 'out')
    await mkdir(folder)
    await worker.prepareWritable(folder)
    const own = identity === 'install' ? 'chown -R 1234:1234 /out/foreign; chmod -R 0 /out/foreign;' : ''
    const script = `cd /out; mkdir -p a/b foreign/x; echo secret >a/b/file; touch foreign/x/y; ln -s /etc/passwd a/link
      ${own} chmod 4755 a/b/file; chmod 0 a/b/file; chmod 0 a/b; chmod 0 a
      deep=/tmp; cd /out; mkdir deep; cd deep; for i in {1..400}; do mkdir dddddddddd; cd dddddddddd; done`
    const { result, said } = await bash(script, {
      identity,
      mounts: [{ source: folder, target: '/out', writable: true }],
    })
    assert.deepEqual({ result, said }, { result: { kind: 'exited', code: 0 }, said: '' })
    await worker.prepareWritable(folder)
    assert.equal(await readFile(join(folder, 'a/b/file'), 'utf8'), 'secret\n')
    await removeTree(folder)
    await assert.rejects(lstat(folder), { code: 'ENOENT' })
  })

  sandboxed(`cancelling asks first, ends what does not listen, and leaves nothing (${identity})`, async () => {
    const mark = markOf()
    const cancel = new AbortController()
    let said = ''
    const script = `trap 'echo asked' TERM; exec -a ${mark} sleep 1000 & echo started; while :; do wait; sleep 0.1; done`
    const running = bash(script, {
      identity,
      signal: cancel.signal,
      output: (chunk) => {
        said += Buffer.from(chunk).toString()
        if (said === 'started\n') cancel.abort()
      },
    })
    const start = performance.now()
    await assert.rejects(running, { code: 'CANCELLED' })
    assert.ok(performance.now() - start < 7000)
    assert.match(said, /asked/)
    assert.deepEqual(await marked(mark), [])
  })

  sandboxed(`killing yoe outright takes its runs along (${identity})`, async (t) => {
    const mark = markOf()
    const program = `
      import { bash } from ${JSON.stringify(new URL('./helpers.ts', import.meta.url).href)}
      await bash('echo up; exec -a ${mark} sleep 1000', { identity: '${identity}', output: (chunk) => process.stdout.write(chunk) })`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => child.kill('SIGKILL'))
    if (child.stdout) await once(child.stdout, 'data')
    const own = (line: string): boolean => !line.includes('--input-type')
    assert.ok((await marked(mark)).some(own))
    child.kill('SIGKILL')
    await once(child, 'exit')
    // Containers are the daemon's, not yoe's: the next yoe removes them before anything else.
    if (worker.name === 'docker') assert.deepEqual(await freshWorker().probe(), { ok: true })
    for (let tries = 0; tries < 50 && (await marked(mark)).some(own); tries++) await sleep(20)
    assert.deepEqual((await marked(mark)).filter(own), [])
  })
}

sandboxed('modes do not depend on the umask of whoever starts yoe', async () => {
  const before = process.umask(0o077)
  const { said } = await bash('umask; stat -c %a /tmp / /dev/shm; touch /tmp/x; stat -c %a /tmp/x').finally(() =>
    process.umask(before),
  )
  assert.equal(said, '0022\n1777\n755\n1777\n644\n')
})

sandboxed('a run that was cancelled before it began does not begin', async () => {
  await assert.rejects(bash('true', { signal: AbortSignal.abort() }), { code: 'CANCELLED' })
})

const crossings: {
  name: string
  script: string
  some: Partial<Limits>
  why: RegExp
  limit: LimitName | readonly LimitName[]
}[] = [
  {
    name: 'time',
    script: 'while :; do echo .; sleep 0.1; done',
    some: { wallSeconds: 1 },
    why: /longer than 1 s/,
    limit: 'time',
  },
  { name: 'silence', script: 'sleep 60', some: { silenceSeconds: 1 }, why: /nothing for 1 s/, limit: 'silence' },
  {
    name: 'processes',
    script: 'bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 60',
    some: { processes: 100 },
    why: /100 processes/,
    limit: 'processes',
  },
  {
    name: 'memory of several processes',
    script: `for i in 1 2 3 4; do perl -e 'my @a = map { "x" x 1e6 } 1..60; sleep 60' & done; wait`,
    some: { memoryBytes: 150 * 2 ** 20 },
    why: /150 MiB of memory/,
    limit: 'memory',
  },
  {
    name: 'file size',
    script: 'exec head -c 3M /dev/zero >/tmp/file',
    some: { fileBytes: 2 ** 20 },
    why: /file of more than 1 MiB/,
    limit: 'file',
  },
  {
    name: 'one process that allocates all there is',
    script: `perl -e 'my @all; push @all, "x" x 1e7 while 1'; sleep 60`,
    some: { memoryBytes: 150 * 2 ** 20, silenceSeconds: 10 },
    why: /150 MiB of memory|nothing for 10 s/,
    limit: ['memory', 'silence'],
  },
  {
    name: 'a file of a terabyte without content',
    script: 'exec truncate -s 1T /tmp/sparse',
    some: { fileBytes: 2 ** 30 },
    why: /file of more than 1024 MiB/,
    limit: 'file',
  },
  { name: 'output', script: 'yes', some: { outputBytes: 2 ** 20 }, why: /more than 1 MiB/, limit: 'output' },
  ...['/tmp', '/dev/shm'].map((folder) => ({
    name: `F6: files without end in ${folder}`,
    script: `cd ${folder}; n=0; while :; do : >$n || break; n=$((n + 1)); done 2>/dev/null; sleep 60`,
    some: { scratchEntries: 2000 },
    why: /more than 2000 files in \/tmp or \/dev\/shm/,
    limit: 'tmp_files' as const,
  })),
]
for (const { name, script, some, why, limit } of crossings)
  sandboxed(`a run that crosses its limit is ended, and told which: ${name}`, async () => {
    let lastBeat = performance.now()
    let longest = 0
    const heart = setInterval(() => {
      longest = Math.max(longest, performance.now() - lastBeat)
      lastBeat = performance.now()
    }, 50)
    const { result } = await bash(script, { limits: limits(some) }).finally(() => clearInterval(heart))
    assert.equal(result.kind, 'killed')
    assert.match(result.kind === 'killed' ? result.why : '', why)
    const crossed = result.kind === 'killed' ? result.limit : undefined
    assert.ok(crossed !== undefined && [limit].flat().includes(crossed), `it is told of ${crossed}`)
    assert.ok(longest < 1000, `nothing else ran for ${longest} ms`)
  })

sandboxed('one process can not allocate more than the limit, nor the memory file systems hold more', async () => {
  const script = `perl -e 'my $x = "x" x 400_000_000; print "got it\\n"'; head -c 1G /dev/zero >/tmp/full; stat -c %s /tmp/full; head -c 1G /dev/zero >/dev/x`
  const { said } = await bash(script, { limits: limits({ memoryBytes: 200 * 2 ** 20 }) })
  assert.doesNotMatch(said, /got it/)
  assert.match(said, /^104857600$/m)
  assert.match(said, /\/dev\/x: (Read-only file system|Permission denied)/)
})

sandboxed('a folder is the root, read-only, whatever it lacks and wherever it lies', async (t) => {
  const hidden = await scratch(t)
  const root = join(hidden, 'private', 'root')
  const source = join(hidden, 'private', 'source')
  await mkdir(root, { recursive: true })
  await mkdir(source)
  await writeFile(join(source, 'file'), 'content')
  await smallRoot(root, ['bash', 'ls', 'cat', 'id', 'touch', 'stat', 'mkdir', ...entryPrograms])
  await mkdir(join(root, 'usr/share/deep'), { recursive: true })
  await writeFile(join(root, 'usr/share/kept'), 'kept')
  await writeFile(join(root, 'marker'), 'marker')
  await chmod(join(hidden, 'private'), 0o700)
  const out = await writableFolder(t)
  for (const identity of ['user', 'install'] as const) {
    const script = `ls /; cat /marker /usr/share/kept /usr/share/deep/new/place/file /lib/made/file; touch /usr/x /marker /src/x /x; touch /build/fine; touch /scratch/fine; ls /usr/share /build /scratch; id -u`
    const { result, said } = await bash(script, {
      root,
      identity,
      mounts: [
        { source, target: '/src', writable: false },
        { source, target: '/usr/share/deep/new/place', writable: false },
        { source, target: '/lib/made', writable: false },
        { source: out, target: '/build', writable: true },
      ],
      tmpfs: [{ target: '/scratch', size: 2 ** 20 }],
    })
    assert.deepEqual(result, { kind: 'exited', code: 0 })
    const entries = said
      .slice(0, said.indexOf('markerkept'))
      .split('\n')
      .filter((name) => name !== '' && name !== 'etc')
    assert.deepEqual(entries, 'bin build dev lib lib64 marker proc scratch src sys tmp usr'.split(' '))
    assert.match(said, /markerkeptcontentcontent/)
    for (const name of ['/usr/x', '/marker', '/src/x', '/x'])
      assert.match(said, new RegExp(`'${name}': (Read-only|Permission)`))
    assert.match(said, /\/build:\nfine\n\n\/scratch:\nfine\n\n\/usr\/share:\ndeep\nkept\n0\n$/)
  }
})

sandboxed('installing can neither make read-only folders writable nor uncover what lies below', async (t) => {
  const source = await scratch(t)
  await writeFile(join(source, 'file'), 'content')
  await chmod(source, 0o777)
  const script = `mount -o remount,bind,rw /shown; mount --bind /shown /tmp && mount -o remount,bind,rw /tmp; touch /shown/x /tmp/x
    umount -l /shown; umount -l /usr/share; ls /shown 2>/dev/null | grep x; mount -t proc proc /proc && echo mounted`
  const { said } = await bash(script, { identity: 'install', mounts: [{ source, target: '/shown', writable: false }] })
  assert.match(said, /mounted/)
  assert.deepEqual(await readdir(source), ['file'])
})

sandboxed('a link in the place of a folder to be shown is refused', async (t) => {
  const folder = await scratch(t)
  await symlink('/etc', join(folder, 'link'))
  await assert.rejects(bash('true', { mounts: [{ source: join(folder, 'link'), target: '/out', writable: true }] }), {
    code: 'PERMISSION',
  })
})

sandboxed('a command that is not there fails like in a shell', async () => {
  const { result, said } = await bash('', { argv: ['/usr/bin/no-such-command'] })
  assert.deepEqual(result, { kind: 'exited', code: 127 })
  assert.match(said, /no-such-command/)
})

sandboxed('runs side by side do not disturb each other', async () => {
  const runs = Array.from({ length: 6 }, (_, index) => bash(`sleep 0.1; echo ${index}; exit ${index}`))
  for (const [index, { result, said }] of (await Promise.all(runs)).entries())
    assert.deepEqual({ result, said }, { result: { kind: 'exited', code: index }, said: `${index}\n` })
})
