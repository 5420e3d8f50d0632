import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { namesPath } from '../path-pattern.ts'
import { Ext4Usage } from './ext4-size.ts'
import { moduleRelease } from './kernel-release.ts'
import { readTar } from './tar-read.ts'
import { readZstd } from './zstd.ts'

/** What making a disk needs to know of a root file system. */
export interface RootFacts {
  readonly usage: Ext4Usage
  /** Paths in the root file system, without leading `/`; undefined when it has none. */
  readonly kernel: string | undefined
  readonly initrd: string | undefined
  /** Files of /boot that were asked for: path below /boot to the host's file. */
  readonly files: ReadonlyMap<string, string>
  /** Releases of Linux that it has modules for. */
  readonly modules: ReadonlySet<string>
}

const kernelFile = /^boot\/(vmlinuz|vmlinux|Image|zImage)(-.+)?$/
const initrdFile = /^boot\/(initrd\.img|initrd|initramfs)(-.+)?$/

/**
 * Reads a root file system once: its size in ext4, its kernel and initial RAM disk, and the files of /boot that `patterns`
 * name, copied below `folder`.
 *
 * @param tar zstd
 */
export async function scanRoot(tar: string, patterns: readonly string[], folder: string): Promise<RootFacts> {
  const usage = new Ext4Usage()
  const files = new Map<string, string>()
  const links = new Map<string, string>()
  const modules = new Set<string>()
  for await (const { entry, body } of readTar(readZstd(tar), tar)) {
    usage.add(entry)
    const { path, type } = entry
    if (type === 'symlink') links.set(path, entry.link)
    const release = type === 'file' ? moduleRelease(path) : undefined
    if (release !== undefined) modules.add(release)
    if (type !== 'file' || !path.startsWith('boot/')) continue
    const below = path.slice('boot/'.length)
    const asked = patterns.some((pattern) => namesPath(pattern, below))
    if (!asked && !kernelFile.test(path) && !initrdFile.test(path)) continue
    const place = join(folder, below)
    await mkdir(dirname(place), { recursive: true })
    await pipeline(Readable.from(body()), createWriteStream(place, { mode: 0o644 }))
    files.set(below, place)
  }
  const boot = [...files.keys()].map((name) => `boot/${name}`)
  const kernel =
    linked(links, boot, ['vmlinuz', 'boot/vmlinuz']) ?? newest(boot.filter((path) => kernelFile.test(path)))
  const version = kernel === undefined ? undefined : (kernelFile.exec(kernel)?.[2] ?? '')
  const initrd = boot.find((path) => initrdFile.exec(path)?.[2] === (version === '' ? undefined : version))
  return { usage, kernel, initrd, files, modules }
}

/** What one of Debian's links to the kernel in use leads to. */
function linked(
  links: ReadonlyMap<string, string>,
  files: readonly string[],
  names: readonly string[],
): string | undefined {
  for (const name of names) {
    const target = links.get(name)
    if (target === undefined) continue
    const path = target.startsWith('/') ? target.slice(1) : join(dirname(name), target)
    if (files.includes(path)) return path
  }
  return undefined
}

const newest = (paths: readonly string[]): string | undefined =>
  paths.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1)
