import { createHash } from 'node:crypto'
import { interpreterModule } from './binary.ts'
import { asMap, Codec, readPosition } from './codec.ts'
import { defaultDialect, dialectBits, Environment, type EnvironmentOptions } from './environment.ts'
import { StarlarkError } from './errors.ts'
import { type EvaluateOptions, evaluateGraph } from './graph.ts'
import { Instance, Op } from './instance.ts'
import { completeLimits, type Limits } from './limits.ts'
import { type LoadStatement, type Program, StarlarkModule } from './module.ts'
import { References } from './references.ts'
import { Runs } from './runs.ts'
import { locateInTemplate, type TemplateOptions, writeTemplate } from './template.ts'
import { type CallOptions, type FunctionIdentity, StarlarkFunction, type StarlarkInput } from './values.ts'
import type { WireReader } from './wire.ts'

export interface SessionOptions {
  readonly limits?: Partial<Limits>
  /** Takes each text that Starlark code prints. Default: the text is dropped. */
  readonly print?: (text: string) => void
  /** The interpreter, where it was compiled before, such as in another thread. */
  readonly module?: WebAssembly.Module
}

export interface ExecuteOptions extends CallOptions {
  /** The module for each `load` statement of the program, by the text that is written there. */
  readonly loads?: ReadonlyMap<string, StarlarkModule>
}

/**
 * A Starlark interpreter with its modules, functions and values. Evaluations of one session interleave wherever a builtin
 * awaits something; they share one thread and one memory.
 *
 * Stack overflow, lack of memory and a fault of the interpreter cost the session: the error says so, `lost` tells why, and
 * every later request fails. Open another session then; values and functions of this one are gone.
 */
export class StarlarkSession {
  readonly limits: Limits
  /** Changes whenever bytecode of one version means nothing to another. */
  readonly version: string
  readonly #instance: Instance
  readonly #references = new References()
  readonly #codec: Codec
  readonly #runs: Runs
  readonly #discarded = new FinalizationRegistry<number>((id) => this.#discardedPrograms.push(id))
  #discardedPrograms: number[] = []
  #environmentCount = 0
  #programCount = 0
  #moduleCount = 0

  private constructor(module: WebAssembly.Module, limits: Limits, print: (text: string) => void) {
    this.limits = limits
    this.#codec = new Codec(this.#references, (id, name) => this.#receiveFunction(id, name))
    this.#runs = new Runs(this.#codec, this.#references, print)
    this.#instance = Instance.start(module, this.#runs)
    this.version = this.#runs.ask(
      this.#instance,
      Op.configure,
      (out) => {
        out.uint(limits.steps).uint(limits.callDepth).uint(limits.nesting).uint(limits.sourceBytes)
        out
          .uint(limits.memoryMiB * 2 ** 20)
          .uint(limits.milliseconds)
          .uint(limits.messageBytes)
      },
      (reply) => reply.string(),
    )
  }

  /** Starts an interpreter. The first one of a process also compiles it, about 15 ms. */
  static async open(options: SessionOptions = {}): Promise<StarlarkSession> {
    const limits = completeLimits(options.limits ?? {})
    const module = options.module ?? (await interpreterModule(limits))
    return new StarlarkSession(module, limits, options.print ?? (() => {}))
  }

  /** Why the session can't be used any more, or undefined while it can. */
  get lost(): StarlarkError | undefined {
    return this.#instance.lost
  }

  /** Bytes of WebAssembly memory, and how many objects each side keeps for the other. */
  get usage(): { readonly memoryBytes: number; readonly hostValues: number; readonly functions: number } {
    return { memoryBytes: this.#instance.memoryBytes, ...this.#references.counts }
  }

  /** @throws {TypeError} when a value has no counterpart in Starlark */
  environment(options: EnvironmentOptions = {}): Environment {
    const { extends: base } = options
    const predeclared = asMap(options.predeclared ?? {})
    const dialect = { ...defaultDialect, ...base?.dialect, ...options.dialect }
    const id = ++this.#environmentCount
    return this.#runs.ask(
      this.#instance,
      Op.environment,
      (out) => {
        out
          .uint(id)
          .uint(dialectBits(dialect))
          .uint(base?.id ?? 0)
        this.#codec.writeFields(out, predeclared)
      },
      () => new Environment(id, this.version, dialect, predeclared.keys(), base),
    )
  }

  /**
   * Evaluates files and all that they load: reads the files of the load graph in parallel, then executes them one after
   * another, loaded ones first, otherwise in the order of the entries. No file is executed before every file was
   * read and compiled; one that can't be keeps all others from being executed, unless `keepGoing` is set.
   *
   * @param entries canonical ids of the files
   * @returns the modules of the entries, by id
   * @throws {StarlarkError} the first error, with the others that were found among its `others`
   */
  evaluate(entries: readonly string[], options: EvaluateOptions): Promise<ReadonlyMap<string, StarlarkModule>> {
    return evaluateGraph(this, entries, options)
  }

  /**
   * @param file what positions call the file
   * @throws {StarlarkError} `syntax` or `resolve`, with all errors of the file, or `limit`
   */
  async compile(file: string, source: string | Uint8Array, environment: Environment): Promise<Program> {
    await this.#instance.idle()
    const id = this.#nextProgram()
    const bytes = typeof source === 'string' ? Buffer.from(source) : source
    return this.#runs.ask(
      this.#instance,
      Op.compile,
      (out) => out.uint(id).uint(environment.id).string(file).blob(bytes),
      (reply) => {
        const loads = readLoads(reply)
        return this.#register({ id, file, environment, loads, bytecode: seal(reply.blob(), environment) })
      },
    )
  }

  /**
   * Makes a program from the bytecode of one that was compiled earlier.
   *
   * @param source what it was compiled from; without it, its functions have no identity
   * @returns undefined for bytecode that is damaged, or of another version, dialect or set of predeclared names
   */
  async restore(
    file: string,
    bytecode: Uint8Array,
    environment: Environment,
    source: string | Uint8Array = '',
  ): Promise<Program | undefined> {
    const payload = unseal(bytecode, environment)
    if (payload === undefined) return undefined
    await this.#instance.idle()
    const id = this.#nextProgram()
    return this.#runs.ask(
      this.#instance,
      Op.loadBytecode,
      (out) => out.uint(id).blob(payload).uint(environment.id).string(file).blob(Buffer.from(source)),
      (reply) => this.#register({ id, file, environment, loads: readLoads(reply), bytecode }),
    )
  }

  /**
   * Runs a program's top level and freezes its globals. `evaluate` does this for whole load graphs, each file once.
   *
   * @throws {StarlarkError} `eval`, `limit` or `cancelled`
   */
  execute(program: Program, options: ExecuteOptions = {}): Promise<StarlarkModule> {
    const moduleId = ++this.#moduleCount
    const loads = options.loads ?? new Map<string, StarlarkModule>()
    return this.#runs.evaluate(
      this.#instance,
      Op.execute,
      (out) => {
        out.uint(moduleId).uint(program.id).uint(program.environment.id).uint(loads.size)
        for (const [name, module] of loads) out.string(name).uint(module.id)
      },
      (reply) => new StarlarkModule(moduleId, program.file, readStrings(reply), (name) => this.#global(moduleId, name)),
      options.signal,
    )
  }

  /**
   * Renders a Go `text/template`, with Go's own functions and no others.
   *
   * @param name what errors call the template
   * @param context what `.` is: a Map or a StarlarkStruct as a rule
   * @throws {StarlarkError} `template` with the position in the template, or `limit`
   * @see https://pkg.go.dev/text/template
   */
  async renderTemplate(
    name: string,
    text: string,
    context: StarlarkInput,
    options: TemplateOptions = {},
  ): Promise<string> {
    await this.#instance.idle()
    try {
      return this.#runs.ask(
        this.#instance,
        Op.template,
        (out) => {
          writeTemplate(out, name, text, options)
          this.#codec.write(out, context)
        },
        (reply) => reply.string(),
      )
    } catch (thrown) {
      throw thrown instanceof StarlarkError && this.lost === undefined ? locateInTemplate(thrown, name) : thrown
    }
  }

  #global(moduleId: number, name: string) {
    return this.#runs.ask(
      this.#instance,
      Op.global,
      (out) => out.uint(moduleId).string(name),
      (reply) => this.#codec.read(reply),
    )
  }

  #receiveFunction(id: number, name: string): StarlarkFunction {
    return new StarlarkFunction(
      name,
      (args, kwargs, { signal }) =>
        this.#runs.evaluate(
          this.#instance,
          Op.call,
          (out) => this.#codec.writeArguments(out.uint(id), args, kwargs),
          (reply) => this.#codec.read(reply),
          signal,
        ),
      () => this.#identify(id),
    )
  }

  async #identify(id: number): Promise<FunctionIdentity> {
    await this.#instance.idle()
    return this.#runs.ask(
      this.#instance,
      Op.identity,
      (out) => out.uint(id),
      (reply) => ({
        digest: reply.string(),
        required: readStrings(reply),
        files: readStrings(reply),
        builtins: readStrings(reply),
      }),
    )
  }

  /** A number for a program; programs that nobody holds any more are dropped first. */
  #nextProgram(): number {
    for (const id of this.#discardedPrograms) {
      this.#runs.ask(
        this.#instance,
        Op.discardProgram,
        (out) => out.uint(id),
        () => undefined,
      )
    }
    this.#discardedPrograms = []
    return ++this.#programCount
  }

  #register(program: Program): Program {
    this.#discarded.register(program, program.id)
    return program
  }
}

function readLoads(reply: WireReader): LoadStatement[] {
  const loads: LoadStatement[] = []
  for (let left = reply.uint(); left > 0; left--) {
    const module = reply.string()
    loads.push({ module, position: readPosition(reply) })
  }
  return loads
}

function readStrings(reply: WireReader): string[] {
  const strings: string[] = []
  for (let left = reply.uint(); left > 0; left--) strings.push(reply.string())
  return strings
}

const digestSize = 32

// The interpreter trusts bytecode, so a digest in front of it finds damage, and bytecode that another version, dialect or
// set of predeclared names made.
function seal(payload: Uint8Array, environment: Environment): Uint8Array {
  return Buffer.concat([digest(payload, environment), payload])
}

function unseal(bytecode: Uint8Array, environment: Environment): Uint8Array | undefined {
  const payload = bytecode.subarray(digestSize)
  return digest(payload, environment).equals(bytecode.subarray(0, digestSize)) ? payload : undefined
}

function digest(payload: Uint8Array, environment: Environment): Buffer {
  return createHash('sha256').update(environment.fingerprint).update(payload).digest()
}
