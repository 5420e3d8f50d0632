import { open } from 'node:fs/promises'
import { type Limits, maximumPages } from './limits.ts'

/** The interpreter, built by scripts/build.sh from go/. */
const wasmFile = new URL('../starlark.wasm', import.meta.url)

const compiled = new Map<number, Promise<WebAssembly.Module>>()

/** Room for the memory section to grow, so that bounding the memory of a module doesn't copy the module. */
const headroom = 16

/**
 * The interpreter with the memory bound of these limits, compiled once per bound and process. It can be passed to worker
 * threads and given to `StarlarkSession.open` there.
 */
export function interpreterModule(limits: Limits): Promise<WebAssembly.Module> {
  const pages = maximumPages(limits)
  const known = compiled.get(pages)
  if (known !== undefined) return known
  const compiling = readWithHeadroom(wasmFile).then((buffer) => WebAssembly.compile(boundMemory(buffer, pages)))
  compiled.set(pages, compiling)
  return compiling
}

/** Compiles another build of the interpreter, with the memory bound of these limits. */
export function compileInterpreter(wasm: Uint8Array, limits: Limits): Promise<WebAssembly.Module> {
  const buffer = new Uint8Array(headroom + wasm.length)
  buffer.set(wasm, headroom)
  return WebAssembly.compile(boundMemory(buffer, maximumPages(limits)))
}

async function readWithHeadroom(file: URL): Promise<Uint8Array<ArrayBuffer>> {
  await using handle = await open(file)
  const { size } = await handle.stat()
  const buffer = new Uint8Array(headroom + size)
  for (let at = headroom; at < buffer.length; ) {
    const { bytesRead } = await handle.read(buffer, at)
    if (bytesRead === 0) throw new RangeError('the interpreter was cut off while it was read')
    at += bytesRead
  }
  return buffer
}

/**
 * Gives the only memory of a module a maximum. Go declares none, and V8 would let the memory grow to 4 GiB.
 *
 * @param buffer the module behind the headroom; what stands before the memory section moves into the headroom
 * @param pages of 64 KiB, at least the declared minimum
 * @returns the module, within the buffer
 * @throws {RangeError} when the module needs more memory at its start, or has no memory of its own
 * @see https://webassembly.github.io/spec/core/binary/modules.html#memory-section
 */
function boundMemory(buffer: Uint8Array<ArrayBuffer>, pages: number): Uint8Array<ArrayBuffer> {
  for (let at = headroom + 8; at < buffer.length; ) {
    const section = buffer[at]
    const [size, start] = readLeb(buffer, at + 1)
    const end = start + size
    if (section === 5) {
      const [count, limitsAt] = readLeb(buffer, start)
      const [minimum] = readLeb(buffer, limitsAt + 1)
      if (count !== 1 || pages < minimum)
        throw new RangeError(`memory limit is below the ${minimum} pages that are needed`)
      const body = [1, 1, ...leb(minimum), ...leb(pages)]
      const bounded = [5, ...leb(body.length), ...body]
      const newAt = end - bounded.length
      buffer.copyWithin(headroom + newAt - at, headroom, at)
      buffer.set(bounded, newAt)
      return buffer.subarray(headroom + newAt - at)
    }
    at = end
  }
  throw new RangeError('the module has no memory section')
}

/** An unsigned LEB128 number and the offset behind it. */
function readLeb(bytes: Uint8Array, offset: number): [value: number, end: number] {
  let value = 0
  for (let at = offset, scale = 1; ; at++, scale *= 0x80) {
    const byte = bytes[at]
    if (byte === undefined) throw new RangeError('the module ends early')
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return [value, at + 1]
  }
}

function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...leb(Math.floor(value / 0x80))]
}
