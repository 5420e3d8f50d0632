import type { TarEntry } from './tar-read.ts'

const blockSize = 4096
const inodeSize = 256

/** Adds up what a root file system takes in ext4. */
export class Ext4Usage {
  #blocks = 0
  #inodes = 11 // those that ext4 has for itself

  add({ type, size, link, path, xattrs }: Pick<TarEntry, 'type' | 'size' | 'link' | 'path' | 'xattrs'>): void {
    // The name in its folder: 8 bytes and the name, to a multiple of 4; folders are rarely quite full.
    this.#entryBytes += (8 + Math.ceil(path.length - path.lastIndexOf('/')) + 4) * 1.3
    if (type === 'hardlink') return
    this.#inodes++
    if (type === 'file') {
      const blocks = Math.ceil(size / blockSize)
      // An extent reaches 128 MiB; more than four need a block to list them.
      this.#blocks += blocks + (blocks > 4 * 32_768 ? 1 : 0)
    } else if (type === 'directory') this.#blocks++
    else if (type === 'symlink' && link.length >= 60) this.#blocks++
    if (xattrs.size > 2) this.#blocks++
  }

  #entryBytes = 0

  /** Inodes to make room for: what is there, and half as many again for what the device adds. */
  get inodes(): number {
    return Math.ceil(this.#inodes * 1.5) + 1024
  }

  /** Bytes of the smallest file system that holds it all and leaves a little to live with. */
  get bytes(): number {
    const content = this.#blocks + Math.ceil(this.#entryBytes / blockSize)
    const inodeTable = Math.ceil((this.inodes * inodeSize) / blockSize)
    const bare = content + inodeTable
    const groups = Math.ceil(bare / 32_768) + 1
    // Bitmaps and descriptors of each group, the tables kept to grow into, 2 % that writers can't use.
    const frame = groups * 4 + 1024
    return Math.ceil((bare + frame + journalBlocks(bare)) * 1.02) * blockSize
  }
}

/** @see e2fsprogs lib/ext2fs/mkjournal.c, ext2fs_default_journal_size */
function journalBlocks(blocks: number): number {
  if (blocks < 32_768) return 1024
  if (blocks < 262_144) return 4096
  if (blocks < 524_288) return 8192
  if (blocks < 4_194_304) return 16_384
  if (blocks < 8_388_608) return 32_768
  return 65_536
}
