import type { BuiltinCall, StarlarkInput } from 'starlark-wasm'
import { StarlarkStruct } from 'starlark-wasm'
import { YoeErrors } from '../errors.ts'
import { Handle } from '../starlark/value.ts'
import type { DeclaredNames } from './declared-names.ts'
import type { Bootloader, Kernel, Machine, PublicConfig } from './model.ts'

/**
 * `ctx`: what files under containers/, units/ and images/ see of the build that they are evaluated for.
 * @param names what virtual names mean at the time of the call: units are known once all of them are declared
 * @see seed, Naming and Resolution
 */
export function contextOf(
  version: string,
  machine: Machine | undefined,
  names: () => DeclaredNames,
): StarlarkStruct<StarlarkInput> {
  return struct({
    arch: machine?.arch ?? null,
    machine: machine?.name ?? null,
    machine_config: machine === undefined ? null : machineStruct(machine),
    project_version: version,
    provides: new Handle('provides', undefined, '', new Map([['get', (call: BuiltinCall) => lookUp(call, names())]])),
  })
}

/** `ctx.provides.get(name, default = None)`. */
function lookUp({ args, kwargs }: BuiltinCall, names: DeclaredNames): StarlarkInput {
  const [name, fallback = null, ...more] = args
  if (typeof name !== 'string' || more.length > 0 || kwargs.size > 0) {
    throw new TypeError('ctx.provides.get() takes a name, and what to give where nothing provides it')
  }
  let providers: ReadonlyMap<string, string>
  try {
    providers = names.providers(name)
  } catch (failure) {
    throw failure instanceof YoeErrors ? (failure.errors[0] ?? failure) : failure
  }
  const [first, ...others] = new Set(providers.values())
  if (first === undefined) return fallback
  if (others.length === 0) return first
  const meanings = [...providers].map(([distro, unit]) => `${unit} for ${distro}`).join(', ')
  throw new TypeError(`ctx.provides: what "${name}" means depends on the distro (${meanings}); use the distro_… fields`)
}

function machineStruct(machine: Machine): StarlarkInput {
  const { name, arch, description, packages, kernel, distroKernels, bootloader, publicConfig } = machine
  return struct({
    name,
    arch,
    description,
    packages: [...packages],
    kernel: kernel === undefined ? null : kernelStruct(kernel),
    distro_kernels: new Map(Object.entries(distroKernels).map(([distro, own]) => [distro, kernelStruct(own)])),
    bootloader: bootloader === undefined ? null : bootloaderStruct(bootloader),
    public_config: publicConfig === undefined ? null : publicConfigDict(publicConfig),
  })
}

function kernelStruct({ unit, provides, cmdline, deviceTrees, ...build }: Kernel): StarlarkInput {
  return struct({
    unit,
    provides: provides ?? null,
    cmdline,
    device_trees: [...deviceTrees],
    ...buildFields(build),
  })
}

function bootloaderStruct({ kind, unit, ...build }: Bootloader): StarlarkInput {
  return struct({ kind, unit: unit ?? null, ...buildFields(build) })
}

type BuildFields = Pick<Kernel, 'repo' | 'branch' | 'tag' | 'defconfig'>

function buildFields({ repo, branch, tag, defconfig }: BuildFields): Readonly<Record<string, StarlarkInput>> {
  return { repo: repo ?? null, branch: branch ?? null, tag: tag ?? null, defconfig: defconfig ?? null }
}

/** As it is declared. */
function publicConfigDict(config: PublicConfig): StarlarkInput {
  return new Map<StarlarkInput, StarlarkInput>([
    ['CFLAGS', [...config.cflags]],
    ['CXXFLAGS', [...config.cxxflags]],
    ['CPPFLAGS', [...config.cppflags]],
    ['LDFLAGS', [...config.ldflags]],
    ['include_paths', [...config.includePaths]],
    ['environment', new Map(Object.entries(config.environment))],
  ])
}

function struct(fields: Readonly<Record<string, StarlarkInput>>): StarlarkStruct<StarlarkInput> {
  return new StarlarkStruct<StarlarkInput>(new Map(Object.entries(fields)))
}
