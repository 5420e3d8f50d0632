import { StarlarkError } from './errors.ts'
import { wasiImports } from './wasi.ts'
import { WireReader, WireWriter } from './wire.ts'

/** Operations of the interpreter; go/main.go has the same list. */
export const Op = {
  configure: 0,
  environment: 1,
  compile: 2,
  loadBytecode: 3,
  execute: 4,
  resume: 5,
  call: 6,
  global: 7,
  release: 8,
  template: 9,
  discardProgram: 10,
  identity: 11,
} as const
export type Op = (typeof Op)[keyof typeof Op]

const answerSize = 1 << 16 // go/host.go
const answerPending = -1n

/** What the interpreter asks its host for while it runs. None of these may throw. */
export interface InterpreterHost {
  /** A builtin is called: the answer, or undefined when it comes later, by Op.resume. */
  call(run: number, builtin: number, args: WireReader): Uint8Array | undefined
  print(run: number, text: string): void
}

/**
 * One running interpreter. A stack overflow, a lack of memory or a panic leaves it in an unknown state: it is then lost,
 * and every later request throws the error that says so.
 */
export class Instance {
  readonly #memory: WebAssembly.Memory
  readonly #reserve: (size: number) => number
  readonly #request: (op: number, size: number) => bigint
  readonly #answersAt: number
  readonly #report: () => string
  readonly #writer = new WireWriter()
  readonly #names: string[] = []
  #longAnswer: Uint8Array | undefined
  #bytes: Buffer = Buffer.alloc(0)
  #messageAt = 0
  #messageRoom = 0
  #inside = false
  #lost: StarlarkError | undefined

  private constructor(module: WebAssembly.Module, host: InterpreterHost) {
    const wasi = wasiImports(() => this.#memory)
    this.#report = wasi.report
    const own: Readonly<Record<string, WebAssembly.ImportValue>> = {
      call: (run: number, builtin: number, at: number) => this.#answer(host.call(run, builtin, this.#readerAt(at))),
      take: (at: number) => {
        if (this.#longAnswer !== undefined) this.#view().set(this.#longAnswer, at)
        this.#longAnswer = undefined
        return undefined
      },
      pages: () => this.#memory.buffer.byteLength / 65_536,
      print: (run: number, at: number, size: number) => {
        host.print(run, this.#view().toString('utf8', at, at + size))
        return undefined
      },
    }
    const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {}
    for (const { module: from, name } of WebAssembly.Module.imports(module)) {
      const value = from === 'starlark' ? own[name] : wasi.import(name)
      if (value === undefined) throw new TypeError(`the interpreter asks for an unknown import ${name}`)
      imports[from] = { ...imports[from], [name]: value }
    }
    const { exports } = new WebAssembly.Instance(module, imports)
    const { memory } = exports
    if (!(memory instanceof WebAssembly.Memory)) throw new TypeError('the interpreter exports no memory')
    this.#memory = memory
    exportedFunction(exports, '_initialize')()
    this.#reserve = (size) => Number(exportedFunction(exports, 'reserve')(size)) >>> 0
    const request = exportedFunction(exports, 'request')
    this.#request = (op, size) => BigInt(request(op, size))
    this.#answersAt = Number(exportedFunction(exports, 'answers')()) >>> 0
  }

  static start(module: WebAssembly.Module, host: InterpreterHost): Instance {
    return new Instance(module, host)
  }

  /** Why this instance can't be used any more. */
  get lost(): StarlarkError | undefined {
    return this.#lost
  }

  /** Resolves when no request is under way: a synchronous builtin is called in the middle of one. */
  async idle(): Promise<void> {
    while (this.#inside) await null
  }

  /**
   * Sends a message and gives the reply, which must be read before anything is awaited.
   *
   * @throws {StarlarkError} when the instance is lost, or is lost by this request
   */
  request(op: Op, write: (out: WireWriter) => void): WireReader {
    if (this.#lost !== undefined) {
      throw new StarlarkError('internal', `the session is lost: ${this.#lost.message}`, { cause: this.#lost })
    }
    if (this.#inside) throw new Error("a synchronous builtin can't use the session it is called from: await first")
    const out = this.#writer.reset()
    write(out)
    this.#inside = true
    try {
      if (out.size > this.#messageRoom) {
        this.#messageRoom = Math.max(out.size, answerSize)
        this.#messageAt = this.#reserve(this.#messageRoom)
      }
      this.#view().set(out.bytes, this.#messageAt)
      const reply = this.#request(op, out.size)
      return this.#readerAt(Number(BigInt.asUintN(32, reply >> 32n)))
    } catch (fault) {
      this.#lost = describeLoss(fault, this.#report())
      throw this.#lost
    } finally {
      this.#inside = false
    }
  }

  /** Gives the instance up after a panic that the interpreter itself reported. */
  abandon(reason: StarlarkError): void {
    this.#lost ??= reason
  }

  get memoryBytes(): number {
    return this.#memory.buffer.byteLength
  }

  #answer(answer: Uint8Array | undefined): bigint {
    if (answer === undefined) return answerPending
    if (answer.length <= answerSize) this.#view().set(answer, this.#answersAt)
    else this.#longAnswer = answer.slice()
    return BigInt(answer.length)
  }

  #readerAt(at: number): WireReader {
    return new WireReader(this.#view(), at >>> 0, this.#names)
  }

  /** The memory, as it is now: growing detaches the old buffer. */
  #view(): Buffer {
    if (this.#bytes.buffer !== this.#memory.buffer) this.#bytes = Buffer.from(this.#memory.buffer)
    return this.#bytes
  }
}

function exportedFunction(exports: WebAssembly.Exports, name: string): (...args: number[]) => number | bigint {
  const value = exports[name]
  if (typeof value !== 'function') throw new TypeError(`the interpreter exports no ${name}`)
  return (...args) => value(...args)
}

/** @param report what the interpreter wrote before it ended */
function describeLoss(fault: unknown, report: string): StarlarkError {
  if (fault instanceof RangeError) {
    return new StarlarkError('limit', 'the stack is exhausted: values or calls are nested too deeply', { cause: fault })
  }
  if (/out of memory|cannot allocate/.test(report)) {
    return new StarlarkError('limit', 'memory limit exceeded', { cause: fault })
  }
  const message = report.split('\n', 1)[0] || (fault instanceof Error ? fault.message : String(fault))
  return new StarlarkError('internal', `the interpreter failed: ${message}`, { cause: fault })
}
