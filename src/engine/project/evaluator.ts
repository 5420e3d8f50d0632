import type { BuiltinCall, Environment, StarlarkInput } from 'starlark-wasm'
import { StarlarkError, StarlarkSession, standard } from 'starlark-wasm'
import type { Position } from '../errors.ts'
import { YoeError, YoeErrors } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import type { TaskActions } from './actions.ts'
import type { Builtin } from './builtins/builtin.ts'
import { contextOf } from './context.ts'
import type { Phase } from './declarations.ts'
import { Declarations } from './declarations.ts'
import type { DeclaredNames } from './declared-names.ts'
import { ProjectFiles } from './files.ts'
import type { Machine, Place } from './model.ts'
import { parametersOf } from './parameters.ts'
import { commandsFolder, follow, parseLabel, placeLabel } from './place.ts'
import { quoted } from './readers.ts'
import { Consequence, toYoeErrors } from './star-errors.ts'

/** An interpreter for the files of one project: what they load, which builtins they call, and what those declare. */
export class Evaluator {
  readonly files = new ProjectFiles()
  readonly declarations = new Declarations()
  /** What files of every phase see. */
  readonly base: Environment
  /** Every `load` that was followed: file to files, by label. */
  readonly loads = new Map<string, Set<string>>()
  /** What names mean as far as it is known, for `ctx.provides`. */
  names: DeclaredNames | undefined
  /** What feeds of the module under evaluation are named after. */
  moduleName = ''
  /** What the function that is running can do; undefined while files are evaluated. */
  task: TaskActions | undefined
  /** Modules that can't be had, which was told. */
  unavailable: ReadonlySet<string> = new Set()
  readonly #session: StarlarkSession
  readonly #known: readonly string[]

  private constructor(builtins: Readonly<Record<string, Builtin>>, open: (evaluator: Evaluator) => StarlarkSession) {
    this.#session = open(this)
    const predeclared = new Map<string, StarlarkInput>([
      ['struct', standard.struct],
      ['json', standard.json],
    ])
    for (const [name, builtin] of Object.entries(builtins)) {
      predeclared.set(name, (call: BuiltinCall) => this.#call(name, builtin, call))
    }
    this.base = this.#session.environment({ predeclared })
    this.#known = [...predeclared.keys(), 'ctx']
  }

  /** @param builtins what files may call */
  static async open(builtins: Readonly<Record<string, Builtin>>): Promise<Evaluator> {
    const printing: { by?: Evaluator } = {}
    const session = await StarlarkSession.open({
      limits: { steps: 50_000_000 },
      // Files that declare have nobody to talk to; a task has its log.
      print: (text) => printing.by?.task?.log(text),
    })
    return new Evaluator(builtins, (evaluator) => {
      printing.by = evaluator
      return session
    })
  }

  /** What files under containers/, units/ and images/ see. */
  withContext(version: string, machine: Machine | undefined): Environment {
    const ctx = contextOf(version, machine, () => this.#knownNames())
    return this.#session.environment({ extends: this.base, predeclared: { ctx } })
  }

  /** Evaluates files; what is wrong with them is among the errors of the declarations. */
  async evaluate(phase: Phase, entries: readonly Place[], environment: Environment): Promise<void> {
    this.declarations.phase = phase
    try {
      const ids = entries.map((entry) => placeLabel(this.files.canonical(entry)))
      await this.#session.evaluate([...new Set(ids)], {
        environment,
        resolve: (reference, from) => this.#resolve(reference, parseLabel(from)),
        read: (id) => this.files.read(parseLabel(id)),
        keepGoing: true,
      })
    } catch (failure) {
      if (!(failure instanceof StarlarkError)) throw failure
      this.declarations.errors.push(...toYoeErrors(failure, this.#known))
      if (this.#session.lost !== undefined) this.throwErrors()
    }
  }

  throwErrors(): void {
    const { errors } = this.declarations
    if (errors.length > 0) throw new YoeErrors(errors)
  }

  #knownNames(): DeclaredNames {
    if (this.names !== undefined) return this.names
    throw new YoeError('BAD_FIELD', 'ctx.provides is not known while a task runs', {
      hint: 'ask it outside of the function, and use the answer in there',
    })
  }

  #resolve(reference: string, from: Place): string {
    const place = follow(reference, from)
    if (place === undefined) {
      throw new YoeError('LOAD_OUTSIDE', `load(${quoted(reference)}) leads out of the project or module`, {
        hint: 'use "@module//path.star", "//path.star" from the root, or a path relative to this file',
      })
    }
    if (place.path.startsWith(`${commandsFolder}/`)) {
      throw new YoeError('LOAD_OUTSIDE', `load(${quoted(reference)}): commands act, so nothing else loads them`, {
        hint: 'put what both need into classes/',
      })
    }
    if (this.unavailable.has(place.module))
      throw new Consequence('MODULE_NOT_FOUND', `module "${place.module}" can't be had`)
    if (!this.files.hasRoot(place.module)) {
      const names = this.declarations.project?.modules.map((known) => known.name) ?? []
      throw new YoeError('MODULE_NOT_FOUND', `this project has no module "${place.module}"`, {
        hint: didYouMean(place.module, names) ?? `list it in PROJECT.star; there are: ${names.join(', ') || 'none'}`,
      })
    }
    // One file is one instance, whatever links it is reached by.
    const target = placeLabel(this.files.canonical(place))
    const loaded = this.loads.get(placeLabel(from))
    if (loaded === undefined) this.loads.set(placeLabel(from), new Set([target]))
    else loaded.add(target)
    return target
  }

  /** One call of a builtin, with the declaration's position: where the outermost file makes the call, not a class in between. */
  #call(
    name: string,
    builtin: Builtin,
    call: BuiltinCall,
  ): StarlarkInput | undefined | Promise<StarlarkInput | undefined> {
    const placed = call.frames.filter((frame) => frame.position !== undefined)
    const [inner, outer] = [placed[0]?.position, placed.at(-1)?.position]
    const at: Position = outer ?? { file: 'PROJECT.star', line: 1, column: 1 }
    const { declarations, files, task } = this
    const result = builtin(
      {
        builtin: name,
        positional: call.args,
        keywords: call.kwargs,
        at,
        calledFrom: parseLabel(inner?.file ?? at.file),
        file: parseLabel(at.file),
        callers: [...new Set(placed.map((frame) => frame.position?.file ?? at.file).reverse())].map(parseLabel),
        via: placed
          .slice(0, -1)
          .map((frame) => frame.name)
          .reverse(),
        parameters: () =>
          placed
            .slice(0, -1)
            .flatMap(({ name: called, position }) =>
              position === undefined
                ? []
                : parametersOf(new TextDecoder().decode(files.read(parseLabel(position.file))), called),
            ),
        moduleName: this.moduleName,
      },
      { declarations, files, task },
    )
    // Files are read to their end, for all errors at once; a function ends at the first.
    const [wrong] = task === undefined ? [] : declarations.errors.splice(0)
    if (wrong !== undefined) throw wrong
    return result
  }
}
