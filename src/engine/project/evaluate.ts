import { YoeError } from '../errors.ts'
import type { PresentModule } from '../modules/gather.ts'
import { gatherModules } from '../modules/gather.ts'
import type { ModuleReference } from '../modules/reference.ts'
import { shownPlace } from '../modules/reference.ts'
import type { ResolvedModule } from '../modules/resolve.ts'
import type { ModuleSource } from '../modules/source.ts'
import { didYouMean } from '../nearest.ts'
import { builtins } from './builtins/all.ts'
import type { Builtin } from './builtins/builtin.ts'
import { impliedContainers } from './builtins/container.ts'
import type { Declarations, ProjectDeclaration } from './declarations.ts'
import { DeclaredNames } from './declared-names.ts'
import { decidingProject } from './delegation.ts'
import { Evaluator } from './evaluator.ts'
import { extendUnits } from './extensions.ts'
import type { Facts } from './facts.ts'
import { ProjectFiles } from './files.ts'
import { identifyFunctions } from './functions.ts'
import type { Machine, ModuleInfo, ModuleOrigin, Place, Project, Unit } from './model.ts'

export interface EvaluateRequest {
  /** Absolute folder that units/, machines/ and `//` lie in: as a rule, that of PROJECT.star. */
  readonly root: string
  /** The file that declares the project, relative to `root`. Default: `PROJECT.star`. */
  readonly entry?: string
  /** Overrides the project's default machine. */
  readonly machine: string | undefined
  /** Absolute folder of the modules that ship with this tool. */
  readonly shippedModules: string
  /** Brings modules of repositories, for a project that says where its cache and its mirrors are. */
  readonly modules: (project: Pick<ProjectDeclaration, 'cache' | 'sources'>) => ModuleSource
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
  return new Evaluation(request, await openEvaluator(request)).run()
}

/** Evaluates PROJECT.star and MODULE.star of the modules only. @throws {YoeErrors} everything that is wrong with them */
export async function evaluateModules(request: EvaluateRequest): Promise<readonly ModuleInfo[]> {
  return new Evaluation(request, await openEvaluator(request)).modules()
}

/** Evaluates PROJECT.star alone: what it says of itself, whatever its modules are. @throws {YoeErrors} */
export async function evaluateDeclaration(request: EvaluateRequest): Promise<ProjectDeclaration> {
  return new Evaluation(request, await openEvaluator(request)).declaration()
}

class Evaluation {
  readonly #request: EvaluateRequest
  readonly #star: Evaluator
  readonly #declarations: Declarations

  constructor(request: EvaluateRequest, star: Evaluator) {
    this.#request = request
    this.#star = star
    this.#declarations = star.declarations
  }

  async run(): Promise<Evaluated> {
    const { root } = this.#request
    const declared = await this.#project()
    const modules = await this.#modules(declared)
    const owners = [...modules.map((info) => info.name), '']
    await this.#star.evaluate(
      'machines',
      owners.flatMap((owner) => this.#star.files.starFiles({ module: owner, path: 'machines' })),
      this.#star.base,
    )
    const chosen = this.#machine(declared, modules)
    // What units say depends on it: without the machine that is meant, their errors would be noise.
    if (chosen === undefined && (this.#request.machine ?? declared.defaults.machine) !== undefined)
      this.#star.throwErrors()
    const files = (folders: readonly string[]): readonly Place[] =>
      owners.flatMap((owner) => folders.flatMap((path) => this.#star.files.starFiles({ module: owner, path })))
    const { machines, feeds } = this.#declarations
    const projectOf = (units: readonly Unit[]): Project => ({ ...declared, root, modules, machines, units, feeds })
    this.#star.names = new DeclaredNames(projectOf([]), chosen)
    const environment = this.#star.withContext(declared.version, chosen)
    await this.#star.evaluate('units', files(['containers', 'units']), environment)
    const { units, additions, spoilt } = this.#declarations
    const { distros } = new DeclaredNames(projectOf(units), chosen)
    this.#star.names = new DeclaredNames(projectOf(extendUnits(units, additions, distros).units), chosen)
    this.#declarations.names = this.#star.names
    await this.#star.evaluate('units', files(['images']), environment)
    const extended = extendUnits(units, additions, distros, spoilt)
    this.#declarations.errors.push(...extended.errors)
    this.#star.throwErrors()
    const identified = await identifyFunctions(extended.units, this.#declarations, this.#star.files)
    this.#star.throwErrors()
    return {
      project: projectOf([...identified, ...impliedContainers(identified)]),
      machine: chosen,
      facts: this.#star.files.facts,
    }
  }

  async declaration(): Promise<ProjectDeclaration> {
    const declared = await this.#project()
    this.#star.throwErrors()
    return declared
  }

  async modules(): Promise<readonly ModuleInfo[]> {
    const modules = await this.#modules(await this.#project())
    this.#star.throwErrors()
    return modules
  }

  async #project(): Promise<ProjectDeclaration> {
    const { root, entry = 'PROJECT.star' } = this.#request
    this.#star.files.addRoot('', root)
    await this.#star.evaluate('project', [{ module: '', path: entry }], this.#star.base)
    const declared = decidingProject(this.#declarations.projects, this.#star.loads)
    if (declared instanceof YoeError) this.#declarations.errors.push(declared)
    else if (declared !== undefined) {
      this.#declarations.project = declared
      return declared
    }
    this.#star.throwErrors()
    throw new YoeError('PROJECT_INVALID', `${entry} calls no project(…)`, {
      at: { file: entry, line: 1, column: 1 },
      hint: 'write project(name = "my-product", …)',
    })
  }

  async #modules(declared: ProjectDeclaration): Promise<readonly ModuleInfo[]> {
    const broken = new Set<string>()
    const asked = new Set(declared.modules.map(({ name }) => name))
    const resolved = await gatherModules(declared.modules, {
      root: this.#request.root,
      shippedModules: this.#request.shippedModules,
      source: this.#request.modules(declared),
      fail: (failure) => this.#declarations.errors.push(failure),
      readDeps: async (name, root) => {
        const { deps, errors } = await this.#peek(name, root)
        if (errors.length > 0) broken.add(name)
        for (const dep of deps) asked.add(dep.name)
        this.#declarations.errors.push(...errors)
        return deps
      },
    })
    for (const { reference, opened } of resolved) {
      this.#star.files.addRoot(reference.name, opened.root)
      asked.delete(reference.name)
    }
    this.#star.unavailable = asked
    const modules: ModuleInfo[] = []
    for (const module of resolved) {
      const { name } = module.reference
      if (!broken.has(name)) await this.#manifest(name)
      modules.push(moduleInfoOf(module, this.#declarations.moduleInfo?.description ?? ''))
    }
    return modules
  }

  /**
   * What a MODULE.star asks for, read by itself: which of a module's versions counts, and what it may load from, is not
   * known yet.
   */
  async #peek(
    name: string,
    root: string,
  ): Promise<Pick<Declarations, 'errors'> & { deps: readonly ModuleReference[] }> {
    const files = new ProjectFiles()
    files.addRoot(name, root)
    const manifest: Place = { module: name, path: 'MODULE.star' }
    const says = files.kindOf(manifest) === 'file' ? Buffer.from(files.read(manifest)).toString() : ''
    // Most ask for nothing: then there is nothing to evaluate.
    if (!/\bdeps\b|\bload\b/.test(says)) return { deps: [], errors: [] }
    const alone = new Evaluation(this.#request, await openEvaluator(this.#request))
    alone.#star.files.addRoot(name, root)
    await alone.#manifest(name)
    const { errors, moduleInfo } = alone.#declarations
    return { errors, deps: moduleInfo?.deps ?? [] }
  }

  async #manifest(name: string): Promise<void> {
    this.#declarations.moduleInfo = undefined
    this.#star.moduleName = name.replace(/^module-/, '')
    const manifest: Place = { module: name, path: 'MODULE.star' }
    if (this.#star.files.kindOf(manifest) === 'file') await this.#star.evaluate('module', [manifest], this.#star.base)
  }

  #machine(declared: ProjectDeclaration, modules: readonly ModuleInfo[]): Machine | undefined {
    const wanted = this.#request.machine ?? declared.defaults.machine
    const { machines } = this.#declarations
    if (wanted === undefined) return machines.length === 1 ? machines[0] : undefined
    const rank = (candidate: Machine): number =>
      candidate.module === '' ? modules.length : modules.findIndex((known) => known.name === candidate.module)
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
}

function openEvaluator({ formatBuiltins }: EvaluateRequest): Promise<Evaluator> {
  return Evaluator.open({ ...builtins, ...formatBuiltins })
}

function moduleInfoOf(module: ResolvedModule<PresentModule>, description: string): ModuleInfo {
  const { reference, listed, opened, requires } = module
  const { name, from, at } = reference
  const origin: ModuleOrigin = from.kind === 'git' ? { ...from, commit: opened.commit ?? from.ref } : from
  return {
    name,
    description,
    root: opened.root,
    at,
    origin,
    listed,
    requires: requires.map(({ reference: dep, met }) => ({
      name: dep.name,
      wanted: shownPlace(dep.name, dep.from),
      met,
      at: dep.at,
    })),
  }
}
