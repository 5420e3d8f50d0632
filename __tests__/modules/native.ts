/** Real programs, built from their releases by classes of module-core in the real sandbox. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { debianProject, type Ran, scratch, type TestProject, type Texts, testProject } from '../support/project.ts'
import { sharedCache } from '../support/shared-cache.ts'

/** A project on Debian with these files, whose units are built for this kind of machine. */
export function nativeProject(t: TestContext, texts: Texts): TestProject {
  return testProject(t, { 'PROJECT.star': debianProject, ...texts }, sharedCache())
}

/** A `source` and `sha256` of a release: where its makers have it, and Debian's copy, the same bytes. */
export function release(upstream: string, pool: string, sha256: string): string {
  return `source = ["${upstream}", "http://ftp.debian.org/debian/pool/main/${pool}"], sha256 = "${sha256}"`
}

export const told = ({ code, stdout, stderr }: Ran): string => `exit ${code}\n${stdout}\n${stderr.slice(-4000)}`

/** Builds, and tells the packages by name: their paths. */
export async function build(project: TestProject, ...args: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const ran = await project.yoe(['build', ...args])
  assert.equal(ran.code, 0, told(ran))
  const debs = ran.stdout
    .trim()
    .split('\n')
    .filter((path) => path.endsWith('.deb'))
  return new Map(debs.map((path) => [path.replace(/^.*\/([^/_]+)_[^/]*$/, '$1'), path]))
}

/** The unit's own tests pass, as many as there are. */
export async function passes(project: TestProject, unit: string, count = 1): Promise<void> {
  const ran = await project.yoe(['test', unit])
  assert.equal(ran.code, 0, told(ran))
  assert.match(ran.stdout, new RegExp(`^ok ${count} of ${count} tests$`, 'm'))
}

/** Built anew without network a unit is the same, byte for byte. Takes options before the unit. */
export async function sameOffline(project: TestProject, ...unit: readonly string[]): Promise<void> {
  const before = [...(await build(project, ...unit)).values()].map((path) => readFileSync(path))
  const after = [...(await build(project, '--force', '--offline', ...unit)).values()].map((path) => readFileSync(path))
  assert.deepEqual(
    after.map((bytes, index) => before[index]?.equals(bytes)),
    before.map(() => true),
  )
}

/** What a package has: paths of its files and links below `/`, sorted; and the folder that it is unpacked in. */
export function unpacked(t: TestContext, deb: string | undefined): { root: string; paths: readonly string[] } {
  const root = scratch(t)
  execFileSync('dpkg-deb', ['--extract', deb ?? '', root])
  const paths = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
  return { root, paths: paths.sort() }
}

export const machines = { x86_64: 62, arm64: 183, riscv64: 243 } as const

/** A program or library for that machine, without symbols, that says nothing of where it was built. */
export function assertFinished(file: string, arch: keyof typeof machines = 'x86_64'): void {
  const bytes = readFileSync(file)
  assert.equal(bytes.toString('latin1', 1, 4), 'ELF', file)
  assert.equal(bytes.readUInt16LE(18), machines[arch], file)
  const symbols = sections(bytes).filter((name) => name === '.symtab' || name.startsWith('.debug_'))
  assert.deepEqual(symbols, [], file)
  for (const place of ['/build/src', '/build/home', '/build/destdir'])
    assert.ok(!bytes.includes(place), `${file}: ${place}`)
}

/** Names of the sections of a 64-bit little-endian ELF file. @see elf(5) */
function sections(elf: Buffer): readonly string[] {
  const at = Number(elf.readBigUInt64LE(0x28))
  const header = (index: number): Buffer => elf.subarray(at + index * elf.readUInt16LE(0x3a))
  const names = Number(header(elf.readUInt16LE(0x3e)).readBigUInt64LE(0x18))
  return Array.from({ length: elf.readUInt16LE(0x3c) }, (_, index) => {
    const name = elf.subarray(names + header(index).readUInt32LE(0))
    return name.toString('latin1', 0, name.indexOf(0))
  })
}

/** A build that has to fail: what it says. */
export async function fails(project: TestProject, ...args: readonly string[]): Promise<string> {
  const ran = await project.yoe(['build', ...args])
  assert.equal(ran.code, 1, told(ran))
  return ran.stderr
}
