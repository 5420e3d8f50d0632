import { existsSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { BuiltinCall, Environment, StarlarkInput } from 'starlark-wasm'
import { StarlarkError, StarlarkSession, StarlarkStruct, standard } from 'starlark-wasm'
import type { Position } from '../errors.ts'
import { YoeError, YoeErrors } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import type { Builtin } from './builtins/builtin.ts'
import { container, image, user } from './builtins/image.ts'
import { kernel, machine, partition, qemuConfig, uboot } from './builtins/machine.ts'
import { defaults, module, moduleInfo, project } from './builtins/project.ts'
import { files, installFile, installTemplate, path, task, test } from './builtins/task.ts'
import { unit } from './builtins/unit.ts'
import type { ModuleReference, Phase, ProjectDeclaration } from './declarations.ts'
import { Declarations } from './declarations.ts'
import type { Facts } from './files.ts'
import { ProjectFiles } from './files.ts'
import type { Machine, ModuleInfo, Place, Project } from './model.ts'
import { follow, parseLabel, placeLabel } from './place.ts'
import { toYoeErrors } from './star-errors.ts'

/** Everything that `.star` files may call, beside what package formats add. */
export const builtins: Readonly<Record<string, Builtin>> = {
  container,
  defaults,
  files,
  image,
  install_file: installFile,
  install_template: installTemplate,
  kernel,
  machine,
  module,
  module_info: moduleInfo,
  partition,
  path,
  project,
  qemu_config: qemuConfig,
  task,
  test,
  uboot,
  unit,
  user,
}

export interface EvaluateRequest {
  /** Absolute folder that units/, machines/ and `//` lie in: as a rule, that of PROJECT.star. */
  readonly root: string
  /** The file that declares the project, relative to `root`. Default: `PROJECT.star`. */
  readonly entry?: string
  /** Overrides the project's default machine. */
  readonly machine: string | undefined
  /** Absolute folder of the modules that ship with this tool. */
  readonly shippedModules: string
  /** Builtins of registered package formats: `apt_feed`. */
  readonly formatBuiltins: Readonly<Record<string, Builtin>>
}

export interface Evaluated {
  readonly project: Project
  /** The machine that `ctx` was about; undefined when the project has none. */
  readonly machine: Machine | undefined
  readonly facts: Facts
}

/**
 * Evaluates PROJECT.star, the modules it lists, their machines, then their units and images, and checks all of it.
 * @throws {YoeErrors} everything that is wrong, in the order of evaluation
 * @see seed, Naming and Resolution, Evaluation order
 */
export async function evaluateProject(request: EvaluateRequest): Promise<Evaluated> {
  return new Evaluation(request, await StarlarkSession.open({ limits: { steps: 50_000_000 } })).run()
}

class Evaluation {
  readonly #request: EvaluateRequest
  readonly #session: StarlarkSession
  readonly #files = new ProjectFiles()
  readonly #declarations = new Declarations()
  readonly #base: Environment
  #moduleName = ''

  constructor(request: EvaluateRequest, session: StarlarkSession) {
    this.#request = request
    this.#session = session
    const predeclared = new Map<string, StarlarkInput>([
      ['struct', standard.struct],
      ['json', standard.json],
    ])
    for (const [name, builtin] of Object.entries({ ...builtins, ...request.formatBuiltins })) {
      predeclared.set(name, (call: BuiltinCall) => this.#call(name, builtin, call))
    }
    this.#base = session.environment({ predeclared })
  }

  async run(): Promise<Evaluated> {
    const { root, entry = 'PROJECT.star' } = this.#request
    this.#files.addRoot('', root)
    await this.#evaluate('project', [{ module: '', path: entry }], this.#base)
    const declared = this.#declarations.project
    if (declared === undefined) {
      this.#throwErrors()
      throw new YoeError('PROJECT_INVALID', `${entry} calls no project(…)`, {
        at: { file: entry, line: 1, column: 1 },
        hint: 'write project(name = "my-product", …)',
      })
    }
    const modules = await this.#modules(declared)
    const owners = [...modules.map((info) => info.name), '']
    await this.#evaluate(
      'machines',
      owners.flatMap((owner) => this.#files.starFiles({ module: owner, path: 'machines' })),
      this.#base,
    )
    const chosen = this.#machine(declared)
    // What units say depends on it: without the machine that is meant, their errors would be noise.
    if (chosen === undefined && (this.#request.machine ?? declared.defaults.machine) !== undefined) this.#throwErrors()
    const folders = ['containers', 'units', 'images']
    const files = owners.flatMap((owner) => folders.flatMap((path) => this.#files.starFiles({ module: owner, path })))
    await this.#evaluate('units', files, this.#withContext(declared, chosen))
    this.#throwErrors()
    const { machines, units, feeds } = this.#declarations
    return {
      project: { ...declared, root, modules, machines, units, feeds },
      machine: chosen,
      facts: this.#files.facts,
    }
  }

  async #evaluate(phase: Phase, entries: readonly Place[], environment: Environment): Promise<void> {
    this.#declarations.phase = phase
    try {
      await this.#session.evaluate(entries.map(placeLabel), {
        environment,
        resolve: (reference, from) => this.#resolve(reference, parseLabel(from)),
        read: (id) => this.#files.read(parseLabel(id)),
        keepGoing: true,
      })
    } catch (failure) {
      if (!(failure instanceof StarlarkError)) throw failure
      const names = [...Object.keys({ ...builtins, ...this.#request.formatBuiltins }), 'ctx', 'struct', 'json']
      this.#declarations.errors.push(...toYoeErrors(failure, names))
      if (this.#session.lost !== undefined) this.#throwErrors()
    }
  }

  #resolve(reference: string, from: Place): string {
    const place = follow(reference, from)
    if (place === undefined) {
      throw new YoeError('LOAD_OUTSIDE', `load(${JSON.stringify(reference)}) leads out of the project or module`, {
        hint: 'use "@module//path.star", "//path.star" from the root, or a path relative to this file',
      })
    }
    if (!this.#files.hasRoot(place.module)) {
      const names = this.#declarations.project?.modules.map((known) => known.name) ?? []
      throw new YoeError('MODULE_NOT_FOUND', `this project has no module "${place.module}"`, {
        hint: didYouMean(place.module, names) ?? `list it in PROJECT.star; there are: ${names.join(', ') || 'none'}`,
      })
    }
    return placeLabel(place)
  }

  /** One call of a builtin, with the declaration's position: where the outermost file makes the call, not a class in between. */
  #call(name: string, builtin: Builtin, call: BuiltinCall): StarlarkInput | undefined {
    const placed = call.frames.filter((frame) => frame.position !== undefined)
    const [inner, outer] = [placed[0]?.position, placed.at(-1)?.position]
    const at: Position = outer ?? { file: 'PROJECT.star', line: 1, column: 1 }
    return builtin(
      {
        builtin: name,
        positional: call.args,
        keywords: call.kwargs,
        at,
        calledFrom: parseLabel(inner?.file ?? at.file),
        file: parseLabel(at.file),
        via: placed
          .slice(0, -1)
          .map((frame) => frame.name)
          .reverse(),
        moduleName: this.#moduleName,
      },
      { declarations: this.#declarations, files: this.#files },
    )
  }

  async #modules(declared: ProjectDeclaration): Promise<readonly ModuleInfo[]> {
    const found: ModuleInfo[] = []
    for (const reference of declared.modules) {
      const root = this.#moduleRoot(reference)
      if (root === undefined) continue
      this.#files.addRoot(reference.name, root)
      this.#declarations.moduleInfo = undefined
      this.#moduleName = reference.name.replace(/^module-/, '')
      const manifest: Place = { module: reference.name, path: 'MODULE.star' }
      if (this.#files.kindOf(manifest) === 'file') await this.#evaluate('module', [manifest], this.#base)
      const info = this.#declarations.moduleInfo
      found.push({ name: reference.name, description: moduleDescription(info), root, at: reference.at })
    }
    return found
  }

  #moduleRoot(reference: ModuleReference): string | undefined {
    const { root, shippedModules } = this.#request
    const folder =
      reference.from.kind === 'shipped' ? join(shippedModules, reference.name) : resolve(root, reference.from.folder)
    if (existsSync(folder) && statSync(folder).isDirectory()) return folder
    const what =
      reference.from.kind === 'shipped'
        ? `yoe ships no module "${reference.name}"`
        : `module "${reference.name}": there is no folder ${reference.from.folder}`
    this.#declarations.fail('MODULE_NOT_FOUND', what, { at: reference.at })
    return undefined
  }

  #machine(declared: ProjectDeclaration): Machine | undefined {
    const wanted = this.#request.machine ?? declared.defaults.machine
    const { machines } = this.#declarations
    if (wanted === undefined) return machines.length === 1 ? machines[0] : undefined
    const rank = (candidate: Machine): number =>
      candidate.module === ''
        ? declared.modules.length
        : declared.modules.findIndex((known) => known.name === candidate.module)
    const [chosen] = machines.filter((candidate) => candidate.name === wanted).sort((a, b) => rank(b) - rank(a))
    if (chosen === undefined) {
      const names = machines.map((candidate) => candidate.name)
      this.#declarations.fail('MACHINE_NOT_FOUND', `there is no machine "${wanted}"`, {
        at: this.#request.machine === undefined ? declared.at : undefined,
        hint: didYouMean(wanted, names) ?? `there are: ${names.join(', ') || 'none'}`,
      })
    }
    return chosen
  }

  /** What units see of the build they are declared for. @see seed, Naming and Resolution: `ctx` */
  #withContext(declared: ProjectDeclaration, chosen: Machine | undefined): Environment {
    const provides = new Map<StarlarkInput, StarlarkInput>()
    if (chosen?.kernel?.provides !== undefined) provides.set(chosen.kernel.provides, chosen.kernel.unit)
    const ctx = new StarlarkStruct<StarlarkInput>(
      new Map<string, StarlarkInput>([
        ['arch', chosen?.arch ?? null],
        ['machine', chosen?.name ?? null],
        ['machine_config', machineStruct(chosen)],
        ['project_version', declared.version],
        ['provides', provides],
      ]),
    )
    return this.#session.environment({ extends: this.#base, predeclared: { ctx } })
  }

  #throwErrors(): void {
    const { errors } = this.#declarations
    if (errors.length > 0) throw new YoeErrors(errors)
  }
}

function moduleDescription(info: { readonly description: string } | undefined): string {
  return info?.description ?? ''
}

function machineStruct(chosen: Machine | undefined): StarlarkInput {
  if (chosen === undefined) return null
  return new StarlarkStruct<StarlarkInput>(
    new Map<string, StarlarkInput>([
      ['name', chosen.name],
      ['arch', chosen.arch],
      ['packages', [...chosen.packages]],
      ['cmdline', chosen.kernel?.cmdline ?? ''],
    ]),
  )
}
