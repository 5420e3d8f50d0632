import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

export const sectorSize = 512

/** Partitions start at multiples of this: 1 MiB, in sectors. */
export const alignment = 2048

/** Sectors at the end of a disk: 32 of entries and a header. */
const backupSectors = 33

const partitionTypes = {
  linux: '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
  efi: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
  data: 'EBD0A0A2-B9E5-4433-87C0-68B6B72699C7',
  biosBoot: '21686148-6449-6E6F-744E-656564454649',
} as const

export interface GptPartition {
  readonly type: keyof typeof partitionTypes
  /** At most 36 characters. */
  readonly name: string
  readonly uuid: string
  /** Sectors, both included. */
  readonly first: number
  readonly last: number
}

/**
 * The partition tables of a disk: a protective MBR, the GPT, and its copy for the end.
 *
 * @param sectors of the whole disk
 * @param partitions in the order of their numbers; they may lie in any other on the disk
 * @param bootCode at most 440 bytes for the MBR
 * @see UEFI specification 2.10, chapter 5
 */
export function gptTables(
  sectors: number,
  diskUuid: string,
  partitions: readonly GptPartition[],
  bootCode: Buffer = Buffer.alloc(0),
): { readonly head: Buffer; readonly tail: Buffer; readonly tailSector: number } {
  const entries = Buffer.alloc(128 * 128)
  for (const [index, { type, name, uuid, first, last }] of partitions.entries()) {
    const at = index * 128
    guidBytes(partitionTypes[type]).copy(entries, at)
    guidBytes(uuid).copy(entries, at + 16)
    entries.writeBigUInt64LE(BigInt(first), at + 32)
    entries.writeBigUInt64LE(BigInt(last), at + 40)
    entries.write(name.slice(0, 36), at + 56, 'utf16le')
  }
  const header = (self: number, other: number, entriesAt: number): Buffer => {
    const block = Buffer.alloc(sectorSize)
    block.write('EFI PART', 0, 'latin1')
    block.writeUInt32LE(0x0001_0000, 8)
    block.writeUInt32LE(92, 12)
    block.writeBigUInt64LE(BigInt(self), 24)
    block.writeBigUInt64LE(BigInt(other), 32)
    block.writeBigUInt64LE(34n, 40)
    block.writeBigUInt64LE(BigInt(sectors - backupSectors - 1), 48)
    guidBytes(diskUuid).copy(block, 56)
    block.writeBigUInt64LE(BigInt(entriesAt), 72)
    block.writeUInt32LE(128, 80)
    block.writeUInt32LE(128, 84)
    block.writeUInt32LE(crc32(entries), 88)
    block.writeUInt32LE(crc32(block.subarray(0, 92)), 16)
    return block
  }
  const head = Buffer.concat([protectiveMbr(sectors, bootCode), header(1, sectors - 1, 2), entries])
  const tailSector = sectors - backupSectors
  return { head, tail: Buffer.concat([entries, header(sectors - 1, 1, tailSector)]), tailSector }
}

function protectiveMbr(sectors: number, bootCode: Buffer): Buffer {
  const mbr = Buffer.alloc(sectorSize)
  bootCode.copy(mbr, 0, 0, 440)
  mbr.writeUInt32LE(0x0002_0000, 446) // starts at CHS 0/0/2
  mbr.writeUInt32LE(0xffff_ffee, 450) // type 0xEE, ends at the largest CHS
  mbr.writeUInt32LE(1, 454)
  mbr.writeUInt32LE(Math.min(sectors - 1, 0xffff_ffff), 458)
  mbr.writeUInt16LE(0xaa55, 510)
  return mbr
}

/** The first three fields of a GUID are little-endian on disk. */
function guidBytes(uuid: string): Buffer {
  const hex = Buffer.from(uuid.replaceAll('-', ''), 'hex')
  return Buffer.concat(
    [
      hex.subarray(0, 4).toReversed(),
      hex.subarray(4, 6).toReversed(),
      hex.subarray(6, 8).toReversed(),
      hex.subarray(8),
    ].map((part) => Buffer.from(part)),
  )
}

/** A UUID that is always the same for the same words. */
export function uuidOf(...words: readonly string[]): string {
  const hash = createHash('sha256').update(JSON.stringify(words)).digest().subarray(0, 16)
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x40
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80
  return hash.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
