import type { StarlarkInput } from 'starlark-wasm'
import { StarlarkError, StarlarkFunction, StarlarkSession, standard } from 'starlark-wasm'
import { YoeError, YoeErrors } from '#engine/errors.ts'
import type { Facts } from '#engine/project/facts.ts'
import { ProjectFiles } from '#engine/project/files.ts'
import type { Place, Project } from '#engine/project/model.ts'
import { follow, parseLabel, placeLabel } from '#engine/project/place.ts'
import { toYoeErrors } from '#engine/project/star-errors.ts'
import type { CommandDeclaration } from './declaration.ts'
import { Declaring } from './declaration.ts'
import type { CommandFile } from './files.ts'

/** A command that can be run. */
export interface OpenCommand {
  readonly declaration: CommandDeclaration
  /** `def run(ctx)` of its file. */
  readonly run: StarlarkFunction
}

/** An interpreter for command files. They see `command`, `arg`, `struct`, `json` and what they load: nothing declares units. */
export class CommandFiles {
  readonly #session: StarlarkSession
  readonly #files = new ProjectFiles()

  private constructor(session: StarlarkSession, { root, modules }: Pick<Project, 'root' | 'modules'>) {
    this.#session = session
    this.#files.addRoot('', root)
    for (const module of modules) this.#files.addRoot(module.name, module.root)
  }

  /** @param print takes what `print` of Starlark prints */
  static async open(project: Pick<Project, 'root' | 'modules'>, print: (text: string) => void): Promise<CommandFiles> {
    return new CommandFiles(await StarlarkSession.open({ limits: { steps: 50_000_000 }, print }), project)
  }

  /** The state of all that was looked at. */
  get facts(): Facts {
    return this.#files.facts
  }

  /** No file can be evaluated any more: one used up the interpreter. */
  get lost(): boolean {
    return this.#session.lost !== undefined
  }

  /** @throws {YoeErrors} all that is wrong with the file */
  async evaluate({ name, place }: CommandFile): Promise<OpenCommand> {
    const label = placeLabel(place)
    const declaring = new Declaring(label, name)
    const predeclared = new Map<string, StarlarkInput>([
      ['struct', standard.struct],
      ['json', standard.json],
      ['command', (call) => declaring.command(call)],
      ['arg', (call) => declaring.arg(call)],
    ])
    const { errors } = declaring
    let run: unknown
    try {
      const modules = await this.#session.evaluate([label], {
        environment: this.#session.environment({ predeclared }),
        resolve: (reference, from) => this.#resolve(reference, parseLabel(from)),
        read: (id) => this.#files.read(parseLabel(id)),
      })
      run = modules.get(label)?.get('run')
    } catch (failure) {
      if (!(failure instanceof StarlarkError)) throw failure
      throw new YoeErrors([...errors, ...toYoeErrors(failure, [...predeclared.keys()])])
    }
    if (errors.length > 0) throw new YoeErrors(errors)
    return this.#whole(label, name, declaring.declaration, run)
  }

  #whole(file: string, name: string, declaration: CommandDeclaration | undefined, run: unknown): OpenCommand {
    if (declaration === undefined) {
      throw new YoeError('PROJECT_INVALID', `${file} calls no command(…)`, {
        at: { file, line: 1, column: 1 },
        hint: `write command(name = "${name}", description = "…"), or move what commands load into a subfolder`,
      })
    }
    if (run instanceof StarlarkFunction) return { declaration, run }
    throw new YoeError('PROJECT_INVALID', `${file} has no function run(ctx)`, {
      at: declaration.at,
      hint: 'write def run(ctx): …',
    })
  }

  #resolve(reference: string, from: Place): string {
    const place = follow(reference, from)
    if (place !== undefined && this.#files.hasRoot(place.module)) return placeLabel(place)
    throw new YoeError(
      place === undefined ? 'LOAD_OUTSIDE' : 'MODULE_NOT_FOUND',
      `load(${JSON.stringify(reference)}) leads to no file of the project or its modules`,
      { hint: 'use "@module//path.star", "//path.star" from the root, or a path relative to this file' },
    )
  }
}
