import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Event } from '#engine/events.ts'
import type { Machine, QemuConfig } from '#engine/project/model.ts'
import { machineOf as plainMachine } from '../support/units.ts'

export const at = { file: 'images/demo.star', line: 7, column: 3 }

export const qemuOf = (some: Partial<QemuConfig> = {}): QemuConfig => ({
  machine: 'q35',
  cpu: 'host',
  memory: 2 ** 30,
  display: 'none',
  ports: [],
  ...some,
})

export const machineOf = (some: Partial<Machine> = {}): Machine =>
  plainMachine({
    name: 'demo-machine',
    at: { file: 'machines/demo.star', line: 1, column: 1 },
    kernel: { unit: 'linux', cmdline: 'console=ttyS0 root=/dev/vda rw', deviceTrees: [] },
    qemu: qemuOf(),
    ...some,
  })

/** A folder that is gone after the test. */
export async function scratch(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'yoe-bsp-test-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A disk, a kernel and an initrd that no fake looks into. */
export async function fakeFiles(folder: string) {
  const files = { disk: join(folder, 'disk.img'), kernel: join(folder, 'vmlinuz'), initrd: join(folder, 'initrd.img') }
  for (const path of Object.values(files)) await writeFile(path, 'x'.repeat(512))
  return files
}

/** Puts a shell script first in PATH as a program of that name, for the rest of the test. */
export async function fakeProgram(t: TestContext, name: string, script: string): Promise<string> {
  const bin = join(await scratch(t), 'bin')
  await mkdir(bin)
  const path = join(bin, name)
  await writeFile(path, `#!/bin/sh\n${script}\n`)
  await chmod(path, 0o755)
  setPath(t, `${bin}${delimiter}${process.env['PATH'] ?? ''}`)
  return path
}

export function setPath(t: TestContext, path: string): void {
  const before = process.env['PATH']
  process.env['PATH'] = path
  t.after(() => {
    process.env['PATH'] = before
  })
}

/**
 * A QEMU of a few lines of shell.
 *
 * @returns what the command line of its `sleep 60` holds, and no other process's
 */
export async function fakeQemu(t: TestContext, script: string): Promise<string> {
  const mark = `60.${String(process.pid)}${Math.random().toString().slice(2, 10)}`
  await fakeProgram(t, 'qemu-system-x86_64', script.replaceAll('sleep 60', `sleep ${mark}`))
  return mark
}

/** Collects events. */
export function recorder() {
  const events: Event[] = []
  return {
    events,
    report: (event: Event): void => {
      events.push(event)
    },
    text: (): string => events.map((event) => ('message' in event ? event.message : '')).join('\n'),
  }
}

/** Processes of this machine whose command line holds `mark`. */
export async function processesWith(mark: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')))
  return lines.filter((line) => line.includes(mark))
}

/** Addresses (hex, as the kernel prints them) on which somebody listens on a TCP port. */
export async function listeners(port: number): Promise<string[]> {
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')))
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return tables
    .flatMap((table) => table.split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => state === '0A' && local?.endsWith(suffix) === true)
    .map(([, local = '']) => local.slice(0, -suffix.length))
}

export async function until(condition: () => Promise<boolean>, ms = 5000): Promise<boolean> {
  const end = performance.now() + ms
  while (performance.now() < end) {
    if (await condition()) return true
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  return condition()
}

/** A disk whose boot sector writes a text to the serial line and stops: a guest that SeaBIOS boots in a blink. */
export function bootSector(text: string): Buffer {
  const sector = Buffer.alloc(2 ** 20)
  // ds = 0; si = text; for each byte: out 0x3f8; then hlt for ever
  sector.write('31c08ed8be157cac84c07406baf803eeebf5f4ebfd', 'hex')
  sector.write(`${text}\0`, 0x15, 'latin1')
  sector.writeUInt16LE(0xaa55, 510)
  return sector
}
