import { readFile } from 'node:fs/promises'
import { type Limits, maximumPages } from './limits.ts'

/** The interpreter, built by scripts/build.sh from go/. */
const wasmFile = new URL('../starlark.wasm', import.meta.url)

const compiled = new Map<number, Promise<WebAssembly.Module>>()

/**
 * The interpreter with the memory bound of these limits, compiled once per bound and process. It can be passed to worker
 * threads and given to `StarlarkSession.open` there.
 */
export function interpreterModule(limits: Limits): Promise<WebAssembly.Module> {
  const pages = maximumPages(limits)
  const known = compiled.get(pages)
  if (known !== undefined) return known
  const compiling = readFile(wasmFile).then((wasm) => compileInterpreter(wasm, limits))
  compiled.set(pages, compiling)
  return compiling
}

/** Compiles another build of the interpreter, with the memory bound of these limits. */
export async function compileInterpreter(wasm: Uint8Array, limits: Limits): Promise<WebAssembly.Module> {
  return WebAssembly.compile(withMaximumMemory(wasm, maximumPages(limits)))
}

/**
 * The module with a maximum for its only memory. Go declares none, and V8 would let it grow to 4 GiB.
 *
 * @param pages of 64 KiB, at least the declared minimum
 * @throws {RangeError} when the module is smaller than its own memory needs, or has no memory of its own
 * @see https://webassembly.github.io/spec/core/binary/modules.html#memory-section
 */
export function withMaximumMemory(wasm: Uint8Array, pages: number): Uint8Array<ArrayBuffer> {
  for (let at = 8; at < wasm.length; ) {
    const section = wasm[at]
    const [size, start] = readLeb(wasm, at + 1)
    if (section === 5) {
      const [count, limitsAt] = readLeb(wasm, start)
      const [minimum] = readLeb(wasm, limitsAt + 1)
      if (count !== 1 || pages < minimum)
        throw new RangeError(`memory limit is below the ${minimum} pages that are needed`)
      const body = Buffer.from([...leb(1), 1, ...leb(minimum), ...leb(pages)])
      return concat([wasm.subarray(0, at), Buffer.from([5, ...leb(body.length)]), body, wasm.subarray(start + size)])
    }
    at = start + size
  }
  throw new RangeError('the module has no memory section')
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
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
