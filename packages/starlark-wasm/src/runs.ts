import { type Codec, readFailure, readFrames } from './codec.ts'
import { StarlarkError } from './errors.ts'
import { type Instance, type InterpreterHost, Op } from './instance.ts'
import type { References } from './references.ts'
import type { StarlarkInput } from './values.ts'
import { type WireReader, WireWriter } from './wire.ts'

/** Status of a reply; go/run.go has the same list. */
const Reply = { done: 0, failed: 1, parked: 2 } as const
/** What a builtin came to; go/host.go has the same list. */
const Answer = { value: 0, error: 1, cancelled: 2 } as const

/** One evaluation under way. */
interface Run {
  readonly signal: AbortSignal | undefined
  /** What builtins threw, by the number that crossed. */
  readonly thrown: Map<number, unknown>
  /** The promise of the builtin for which the run parked. */
  awaited: Promise<StarlarkInput | undefined> | undefined
}

/**
 * Carries evaluations through: calls builtins for them, lets them park while a builtin's promise is pending, and resumes
 * them with its outcome.
 */
export class Runs implements InterpreterHost {
  readonly #codec: Codec
  readonly #references: References
  readonly #print: (text: string) => void
  readonly #runs = new Map<number, Run>()
  readonly #answer = new WireWriter()
  #runCount = 0
  #thrownCount = 0

  constructor(codec: Codec, references: References, print: (text: string) => void) {
    this.#codec = codec
    this.#references = references
    this.#print = print
  }

  /** Sends a request that is answered at once. */
  ask<T>(instance: Instance, op: Op, write: (out: WireWriter) => void, read: (reply: WireReader) => T): T {
    const reply = this.#send(instance, op, write)
    if (reply.byte() === Reply.done) return read(reply)
    throw this.#failure(instance, reply, undefined)
  }

  /**
   * Sends a request that evaluates, and sees it through to its end.
   *
   * @param write the message behind the number of the run
   * @param read the result; the reply is gone when it returns
   */
  async evaluate<T>(
    instance: Instance,
    op: Op,
    write: (out: WireWriter) => void,
    read: (reply: WireReader) => T,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    await instance.idle()
    throwIfAborted(signal)
    const id = ++this.#runCount
    const run: Run = { signal, thrown: new Map(), awaited: undefined }
    this.#runs.set(id, run)
    try {
      let reply = this.#send(instance, op, (out) => write(out.uint(id)))
      for (;;) {
        const status = reply.byte()
        if (status === Reply.done) return read(reply)
        if (status === Reply.failed) throw this.#failure(instance, reply, run)
        const encode = await this.#outcome(run)
        await instance.idle()
        const answer = encode()
        reply = this.#send(instance, Op.resume, (out) => out.uint(id).raw(answer))
      }
    } finally {
      this.#runs.delete(id)
    }
  }

  call(runId: number, builtinId: number, args: WireReader): Uint8Array | undefined {
    const run = this.#runs.get(runId)
    try {
      const { name, run: builtin } = this.#references.builtin(builtinId)
      const frames = readFrames(args)
      const result = builtin({
        name,
        frames,
        position: frames.find((frame) => frame.position !== undefined)?.position,
        args: this.#codec.readItems(args),
        kwargs: this.#codec.readFields(args),
        signal: run?.signal,
      })
      if (!(result instanceof Promise)) return this.#encodeValue(result)
      if (run !== undefined) run.awaited = result
      return undefined
    } catch (thrown) {
      return this.#encodeThrown(run, thrown)
    }
  }

  print(_run: number, text: string): void {
    this.#print(text)
  }

  #send(instance: Instance, op: Op, write: (out: WireWriter) => void): WireReader {
    const released = this.#references.takeReleased()
    if (released.length > 0) {
      this.#request(instance, Op.release, (out) => {
        out.uint(released.length)
        for (const { id, sends } of released) out.uint(id).uint(sends)
      })
    }
    return this.#request(instance, op, write)
  }

  #request(instance: Instance, op: Op, write: (out: WireWriter) => void): WireReader {
    const reply = instance.request(op, write)
    for (let left = reply.uint(); left > 0; left--) this.#references.dropHostValue(reply.uint())
    return reply
  }

  /** Waits for the builtin or for an abort. The answer is encoded later, when the interpreter is about to read it. */
  async #outcome(run: Run): Promise<() => Uint8Array> {
    const { awaited, signal } = run
    run.awaited = undefined
    try {
      const value = await (signal === undefined ? awaited : abortable(signal, awaited))
      return () => {
        try {
          return this.#encodeValue(value)
        } catch (thrown) {
          return this.#encodeThrown(run, thrown)
        }
      }
    } catch (thrown) {
      return () => this.#encodeThrown(run, thrown)
    }
  }

  #encodeValue(value: StarlarkInput | undefined): Uint8Array {
    const out = this.#answer.reset().byte(Answer.value)
    this.#codec.write(out, value === undefined ? null : value)
    return out.bytes
  }

  #encodeThrown(run: Run | undefined, thrown: unknown): Uint8Array {
    const id = ++this.#thrownCount
    const isCancelled = run?.signal?.aborted === true
    run?.thrown.set(id, isCancelled ? run.signal?.reason : thrown)
    const message = isCancelled ? 'evaluation was aborted' : thrown instanceof Error ? thrown.message : String(thrown)
    const out = this.#answer.reset().byte(isCancelled ? Answer.cancelled : Answer.error)
    return out.uint(id).string(message.toWellFormed()).bytes
  }

  #failure(instance: Instance, reply: WireReader, run: Run | undefined): StarlarkError {
    const error = readFailure(reply, (id) => run?.thrown.get(id))
    if (error.kind === 'internal') instance.abandon(error)
    return error
  }
}

/** @throws {StarlarkError} `cancelled`, with the reason as its cause */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw cancelled(signal)
}

function cancelled(signal: AbortSignal): StarlarkError {
  return new StarlarkError('cancelled', 'evaluation was aborted', { cause: signal.reason })
}

/** The work's outcome, or a rejection as soon as the signal is aborted. */
export async function abortable<T>(signal: AbortSignal, work: T | Promise<T>): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = (): void => reject(cancelled(signal))
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([aborted, work])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
