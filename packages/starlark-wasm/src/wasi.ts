import { getRandomValues } from 'node:crypto'

/** The imports of one instance. */
export interface Wasi {
  readonly import: (name: string) => WebAssembly.ImportValue
  /** What the interpreter wrote to its standard error, such as "fatal error: out of memory": its last words, as a rule. */
  readonly report: () => string
}

const errno = { success: 0, badf: 8, inval: 28, nosys: 52 } as const
const maxReport = 4096

/**
 * The little of WASI preview 1 that a Go program needs to compute: clocks, random seeds, a place for its last words,
 * and an end. There are no files, no environment and no arguments: every other call answers ENOSYS.
 *
 * @param memory the memory of the instance, which exists only after the imports do
 * @see https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md
 */
export function wasiImports(memory: () => WebAssembly.Memory): Wasi {
  const view = (): DataView => new DataView(memory().buffer)
  let report = ''

  const zeroes = (countAt: number, sizeAt: number): number => {
    const data = view()
    data.setUint32(countAt, 0, true)
    data.setUint32(sizeAt, 0, true)
    return errno.success
  }

  const calls: Readonly<Record<string, WebAssembly.ImportValue>> = {
    args_get: () => errno.success,
    args_sizes_get: zeroes,
    environ_get: () => errno.success,
    environ_sizes_get: zeroes,
    sched_yield: () => errno.success,
    fd_prestat_get: () => errno.badf,
    clock_time_get(clock: number, _precision: bigint, timeAt: number) {
      const milliseconds = clock === 0 ? Date.now() : performance.now()
      view().setBigUint64(timeAt, BigInt(Math.round(milliseconds * 1e6)), true)
      return errno.success
    },
    // Seeds the hashing of Go's maps. Starlark's dicts keep their order, so results never depend on it.
    random_get(at: number, size: number) {
      getRandomValues(new Uint8Array(memory().buffer, at, size))
      return errno.success
    },
    fd_write(_file: number, vectorsAt: number, count: number, writtenAt: number) {
      const data = view()
      let written = 0
      for (let i = 0; i < count; i++) {
        const at = data.getUint32(vectorsAt + i * 8, true)
        const size = data.getUint32(vectorsAt + i * 8 + 4, true)
        if (report.length < maxReport) report += Buffer.from(memory().buffer, at, size).toString('utf8')
        written += size
      }
      data.setUint32(writtenAt, written, true)
      return errno.success
    },
    // Go sleeps here when every goroutine waits for a timer; saying that the first one fired makes it look again.
    poll_oneoff(inAt: number, outAt: number, count: number, eventsAt: number) {
      if (count === 0) return errno.inval
      const data = view()
      data.setBigUint64(outAt, data.getBigUint64(inAt, true), true)
      data.setUint16(outAt + 8, 0, true)
      data.setUint8(outAt + 10, data.getUint8(inAt + 8))
      data.setUint32(eventsAt, 1, true)
      return errno.success
    },
    proc_exit(code: number) {
      throw new Error(`the interpreter exited with ${code}`)
    },
  }
  return { import: (name) => calls[name] ?? (() => errno.nosys), report: () => report }
}
