import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { YoeError } from '#engine/errors.ts'
import { freePort } from '../../src/bsp/qemu/ports.ts'
import { connectQmp } from '../../src/bsp/qemu/qmp.ts'
import { type RunOptions, runDaemon, runImage } from '../../src/bsp/run.ts'
import {
  bootSector,
  fakeQemu,
  listeners,
  machineOf,
  processesWith,
  qemuOf,
  recorder,
  scratch,
  setPath,
  until,
} from './support.ts'

/** A guest that SeaBIOS boots: it says hello and waits. */
async function optionsOf(t: TestContext, some: Partial<RunOptions> = {}) {
  const folder = await scratch(t)
  const disk = join(folder, 'disk.img')
  await writeFile(disk, bootSector('hello from the guest\r\n'))
  const told = recorder()
  const options: RunOptions = {
    image: 'demo',
    machine: machineOf({ qemu: qemuOf({ firmware: 'seabios', memory: 64 * 2 ** 20 }) }),
    files: { disk },
    disk: 'discard',
    ports: [],
    report: told.report,
    ...some,
  }
  return { options, told, folder }
}

/** Runs an image in a process of its own, whose terminal is what it prints. */
async function inProcess(options: RunOptions) {
  const module = pathToFileURL(join(import.meta.dirname, '../../src/bsp/run.ts')).href
  const script = `import { runImage } from ${JSON.stringify(module)}
    const stop = new AbortController()
    process.on('SIGTERM', () => stop.abort())
    try { await runImage({ ...JSON.parse(process.argv[1]), signal: stop.signal, report: () => {} }); console.log('ENDED') }
    catch (error) { console.log('ERROR', error.code) }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const said = { text: '' }
  child.stdout.on('data', (chunk) => {
    said.text += String(chunk)
  })
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  return { child, said, ended }
}

test('run: the console is on the terminal, and ctrl-a x ends it', async (t) => {
  const { options } = await optionsOf(t)
  const { child, said, ended } = await inProcess(options)
  t.after(() => child.kill('SIGKILL'))
  assert.ok(await until(async () => said.text.includes('hello from the guest'), 20_000), said.text)
  child.stdin.write('\x01x')
  await ended
  assert.match(said.text, /ENDED/)
})

test('run: ended from outside, it takes QEMU along', async (t) => {
  const { options, folder } = await optionsOf(t)
  const { child, said, ended } = await inProcess(options)
  t.after(() => child.kill('SIGKILL'))
  assert.ok(await until(async () => said.text.includes('hello from the guest'), 20_000), said.text)
  child.kill('SIGTERM')
  await ended
  assert.match(said.text, /ERROR CANCELLED/)
  assert.deepEqual(await processesWith(folder), [])
})

test('run: in the background it is reached from this machine alone', async (t) => {
  const ports = [{ host: await freePort(), guest: 22 }]
  const { options, folder, told } = await optionsOf(t, { ports })
  const guest = await runDaemon({ ...options, runDir: join(folder, 'run') })
  t.after(() => {
    try {
      process.kill(guest.pid, 'SIGKILL')
    } catch {
      // It ended as it should.
    }
  })
  assert.deepEqual(guest.ports, ports)
  assert.deepEqual(await listeners(ports[0]?.host ?? 0), ['0100007F'])
  assert.match(told.text(), new RegExp(`ssh -p ${ports[0]?.host} root@127.0.0.1`))
  assert.ok(await until(async () => (await readFile(guest.serialLog, 'utf8')).includes('hello from the guest'), 20_000))

  // Its port is taken now.
  await assert.rejects(
    runDaemon({ ...options, runDir: join(folder, 'second') }),
    (error) => error instanceof YoeError && error.code === 'PORT_IN_USE',
  )

  const qmp = await connectQmp(guest.control, 5000)
  const status = await qmp?.request('query-status')
  assert.ok(typeof status === 'object' && status !== null && 'running' in status && status.running === true)
  await qmp?.request('quit')
  await qmp?.ended
  assert.ok(await until(async () => (await processesWith(folder)).length === 0))
})

test('run: a taken port is told before QEMU starts', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.after(() => server.close())
  const address = server.address()
  const host = address !== null && typeof address === 'object' ? address.port : 0
  const { options, folder } = await optionsOf(t, { ports: [{ host, guest: 22 }] })
  await fakeQemu(t, `touch ${folder}/started`)
  await assert.rejects(
    runImage(options),
    (error) => error instanceof YoeError && error.code === 'PORT_IN_USE' && error.message.includes(String(host)),
  )
  await assert.rejects(readFile(join(folder, 'started')))
})

test('run: a missing QEMU names its package', async (t) => {
  const { options } = await optionsOf(t, { machine: machineOf({ arch: 'arm64' }) })
  setPath(t, '/nowhere')
  await assert.rejects(
    runImage(options),
    (error) =>
      error instanceof YoeError &&
      error.code === 'TOOL_MISSING' &&
      error.hint === 'sudo apt-get install qemu-system-arm',
  )
})

test('run: what QEMU says when it does not start is the error', async (t) => {
  const { options, folder } = await optionsOf(t)
  await fakeQemu(
    t,
    "echo 'qemu-system-x86_64: warning: x' >&2; echo 'qemu-system-x86_64: cannot set up guest memory' >&2; exit 1",
  )
  for (const work of [() => runImage(options), () => runDaemon({ ...options, runDir: folder })])
    await assert.rejects(work, (error) => {
      assert.ok(error instanceof YoeError && error.code === 'BOOT_FAILED')
      assert.match(error.hint ?? '', /--memory/)
      return true
    })
})
