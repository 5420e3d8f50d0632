import { crc32, inflateRawSync } from 'node:zlib'

/** One gzip member at the beginning of some bytes. */
export interface GzipMember {
  /** Bytes of it, with header and trailer. */
  readonly length: number
  readonly content: Buffer
}

/**
 * Unpacks the first gzip member of `bytes`; what follows it is left alone.
 *
 * @param limit most bytes that may come out
 * @returns what is wrong with it instead: a damaged member, one that is cut off, or one that is larger
 */
export function firstMember(bytes: Buffer, limit: number): GzipMember | string {
  const start = headerLength(bytes)
  if (start === undefined) return 'no gzip'
  let consumed: number
  let content: Buffer
  try {
    // The types of Node leave out what `info` adds.
    const result: unknown = inflateRawSync(bytes.subarray(start), { maxOutputLength: limit, info: true })
    const found = resultOf(result)
    if (found === undefined) return 'no gzip'
    content = found.buffer
    consumed = found.bytesWritten
  } catch (failure) {
    const code = failure instanceof Error && 'code' in failure ? failure.code : undefined
    return code === 'ERR_BUFFER_TOO_LARGE' ? `unpacks to more than ${limit} bytes` : 'damaged or cut off'
  }
  const trailer = bytes.subarray(start + consumed, start + consumed + 8)
  if (
    trailer.length < 8 ||
    trailer.readUInt32LE(4) !== content.length % 2 ** 32 ||
    trailer.readUInt32LE(0) !== crc32(content)
  )
    return 'damaged or cut off'
  return { length: start + consumed + 8, content }
}

function resultOf(value: unknown): { readonly buffer: Buffer; readonly bytesWritten: number } | undefined {
  if (typeof value !== 'object' || value === null || !('buffer' in value) || !('engine' in value)) return undefined
  const { buffer, engine } = value
  if (!Buffer.isBuffer(buffer) || typeof engine !== 'object' || engine === null || !('bytesWritten' in engine))
    return undefined
  return typeof engine.bytesWritten === 'number' ? { buffer, bytesWritten: engine.bytesWritten } : undefined
}

/** @see RFC 1952, 2.3 */
function headerLength(bytes: Buffer): number | undefined {
  if (bytes.length < 18 || bytes[0] !== 0x1f || bytes[1] !== 0x8b || bytes[2] !== 8) return undefined
  const flags = bytes[3] ?? 0
  if ((flags & 0xe0) !== 0) return undefined
  let at = 10
  if ((flags & 4) !== 0) at += 2 + bytes.readUInt16LE(at)
  for (const flag of [8, 16]) {
    if ((flags & flag) === 0) continue
    const end = bytes.indexOf(0, at)
    if (end < 0 || end - at > 4096) return undefined
    at = end + 1
  }
  if ((flags & 2) !== 0) at += 2
  return at < bytes.length ? at : undefined
}
