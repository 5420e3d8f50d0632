import { execFile } from 'node:child_process'
import { chmod, copyFile, mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { bwrapWorker } from '#engine/build/bwrap.ts'
import { dockerWorker } from '#engine/build/docker.ts'
import { removeTree } from '#engine/build/tree.ts'
import { defaultLimits, type Run, type RunResult, type Worker } from '#engine/build/worker.ts'

export const run = promisify(execFile)

/** The worker under test: bubblewrap, or the daemon at this socket (docker.slow.test.ts runs the same tests there). */
const socketPath = process.env['YOE_TEST_DOCKER']
export const freshWorker = (): Worker =>
  socketPath === undefined
    ? bwrapWorker()
    : dockerWorker({ socketPath, records: process.env['YOE_TEST_RECORDS'] ?? dirname(socketPath) })
export const worker = freshWorker()
export const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** What a root has to bring for the worker under test. */
export const entryPrograms = socketPath === undefined ? [] : ['sh', 'env', 'unshare', 'setpriv', 'mount', 'chmod']

/** Why runs of this kind can't be tested here; false when they can. */
export async function unusable(): Promise<string | false> {
  const usable = await worker.probe()
  return usable.ok ? false : `${usable.reason} (${usable.hint})`
}

export async function scratch(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'yoe-test-'))
  await chmod(folder, 0o755)
  t.after(() => removeTree(folder))
  return folder
}

/** A folder of the host that runs may write to. */
export async function writableFolder(t: TestContext): Promise<string> {
  const folder = join(await scratch(t), 'out')
  await mkdir(folder)
  await worker.prepareWritable(folder)
  return folder
}

/** Runs a script of bash in the host's root, and collects what it says. */
export async function bash(script: string, more: Partial<Run> = {}): Promise<{ result: RunResult; said: string }> {
  let said = ''
  const result = await worker.run({
    root: 'host',
    argv: ['bash', '-c', script],
    env: { PATH: path },
    cwd: '/',
    mounts: [],
    network: false,
    identity: 'user',
    limits: { ...defaultLimits, wallSeconds: 60 },
    output: (chunk) => {
      said += Buffer.from(chunk).toString()
    },
    ...more,
  })
  return { result, said }
}

/** A root folder with a few of the host's programs and their libraries: small, and without any of the usual folders. */
export async function smallRoot(folder: string, programs: readonly string[]): Promise<void> {
  const copied = new Set<string>()
  const take = async (file: string): Promise<void> => {
    if (copied.has(file)) return
    copied.add(file)
    await mkdir(join(folder, 'usr', dirname(file)), { recursive: true })
    await copyFile(file, join(folder, 'usr', file))
  }
  await mkdir(join(folder, 'usr'), { recursive: true })
  for (const program of programs) {
    const { stdout: which } = await run('sh', ['-c', `command -v ${program}`], { env: { PATH: '/usr/bin:/bin' } })
    const { stdout } = await run('ldd', [which.trim()])
    await mkdir(join(folder, 'usr/bin'), { recursive: true })
    await copyFile(which.trim(), join(folder, 'usr/bin', program))
    for (const [, library] of stdout.matchAll(/(\/[^\s:]+\.so[^\s:]*)/g))
      if (library !== undefined) await take(library.replace(/^\/usr\//, '/'))
  }
  for (const name of ['bin', 'lib', 'lib64']) await symlink(`usr/${name}`, join(folder, name))
}

/** A Linux program for x86_64 of nothing but `code`. */
function elf(code: readonly number[]): Uint8Array {
  const base = 0x400000
  const head = Buffer.alloc(120)
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(head)
  head.writeUInt16LE(2, 16)
  head.writeUInt16LE(62, 18)
  head.writeUInt32LE(1, 20)
  head.writeBigUInt64LE(BigInt(base + 120), 24)
  head.writeBigUInt64LE(64n, 32)
  head.writeUInt16LE(64, 52)
  head.writeUInt16LE(56, 54)
  head.writeUInt16LE(1, 56)
  head.writeUInt32LE(1, 64)
  head.writeUInt32LE(5, 68)
  head.writeBigUInt64LE(BigInt(base), 80)
  head.writeBigUInt64LE(BigInt(base), 88)
  head.writeBigUInt64LE(BigInt(120 + code.length), 96)
  head.writeBigUInt64LE(BigInt(120 + code.length), 104)
  head.writeBigUInt64LE(0x1000n, 112)
  return Buffer.concat([head, Buffer.from(code)])
}

/** Exits with 0 when the system call was answered, with 1 when it failed: shr eax,31; mov edi,eax; mov eax,60; syscall. */
const exitBySign = [0xc1, 0xe8, 0x1f, 0x89, 0xc7, 0xb8, 60, 0, 0, 0, 0x0f, 0x05]

/** Programs that enter the kernel by tables other than x86_64's own; their names, to be told to the probe. */
export async function foreignEntries(folder: string): Promise<string> {
  if (process.arch !== 'x64') return ''
  const programs = {
    'int-80': [0xb8, 20, 0, 0, 0, 0xcd, 0x80, ...exitBySign],
    x32: [0xb8, 0x27, 0, 0, 0x40, 0x0f, 0x05, ...exitBySign],
  }
  for (const [name, code] of Object.entries(programs)) await writeFile(join(folder, name), elf(code), { mode: 0o755 })
  return Object.keys(programs).join(' ')
}
