import { mergePorts } from '#bsp/qemu/ports.ts'
import { defaultMemory } from '#bsp/qemu/tables.ts'
import { limitTexts } from '#engine/build/limits.ts'
import type { Json } from '#engine/project/model.ts'
import { distroChoice, ifAny, imageChoice, localChoice } from './choices.ts'
import type { LocalKey } from './local/settings.ts'
import { defaultJobs } from './planning.ts'
import type { Loaded } from './workspace.ts'

/** A setting in effect, and who says so. */
export interface Setting {
  readonly name: string
  /** Null: nothing is set. */
  readonly value: Json
  /** `--machine`, `YOE_JOBS`, `local.star:3`, `PROJECT.star`, `machine qemu-arm64`, `default`. */
  readonly from: string
}

/** What the command line said. */
export interface Given {
  readonly machine: string | undefined
  readonly distro: string | undefined
}

/**
 * Every setting, in the order in which people read them: flags, then the environment, then local.star, then PROJECT.star,
 * then what is built in.
 */
export function configuration(loaded: Loaded, given: Given): readonly Setting[] {
  const { project, machine, workspace } = loaded
  const { local, env, root, entry } = workspace
  const { file } = project.at
  const { settings } = local
  const set = (name: string, value: Json | undefined, from: string): Setting => ({
    name,
    value: value ?? null,
    from: value === undefined ? 'not set' : from,
  })
  const ofLocal = (key: LocalKey, value: Json | undefined): Setting =>
    set(dashed(key), value, `local.star:${local.at.get(key)?.line ?? 1}`)
  /** The environment's, else local.star's, else what is given last. */
  const layered = (
    variable: string,
    value: (text: string) => Json,
    key: 'cache' | 'parallel_builds' | 'worker',
    last: Setting,
  ): Setting => {
    const text = env[variable] ?? ''
    if (text !== '') return set(last.name, value(text), variable)
    return settings[key] === undefined ? last : ofLocal(key, last.name === 'cache' ? last.value : settings[key])
  }
  const machineFrom =
    given.machine !== undefined
      ? '--machine'
      : (localChoice(local, 'machine')?.from ?? (project.defaults.machine === undefined ? 'the only one' : file))
  const image = ifAny(() => imageChoice(project, local))
  const distro = ifAny(() => distroChoice(project, local, given.distro, image === undefined ? [] : [image.value]))
  const memory = machine?.qemu?.memory
  return [
    set('project', project.name, `${root}/${entry}`),
    set('version', project.version, file),
    set('machine', machine?.name, machineFrom),
    set('arch', machine?.arch, `machine ${machine?.name ?? ''}`),
    set('image', image?.value, image?.from ?? ''),
    set('distro', distro?.value, distro?.from ?? ''),
    layered('YOE_CACHE', () => workspace.cacheRoot, 'cache', set('cache', workspace.cacheRoot, cacheFrom(loaded))),
    layered('YOE_JOBS', Number, 'parallel_builds', set('parallel-builds', defaultJobs, 'default')),
    layered('YOE_WORKER', String, 'worker', set('worker', 'bwrap', 'default')),
    ofLocal('limits', settings.limits === undefined ? undefined : limitTexts(settings.limits)),
    settings.qemu_memory === undefined
      ? set('qemu-memory', sizeText(memory ?? defaultMemory), memory === undefined ? 'default' : ofMachine(loaded))
      : ofLocal('qemu_memory', sizeText(settings.qemu_memory)),
    settings.qemu_display === undefined
      ? set('qemu-display', machine?.qemu?.display === 'gtk' ? 'on' : 'off', ofMachine(loaded))
      : ofLocal('qemu_display', settings.qemu_display),
    forwarded(loaded),
    ofLocal('flash_device', settings.flash_device),
    ofLocal('deploy_host', settings.deploy_host),
    ofLocal('query', settings.query),
    mirrored(loaded),
  ]
}

/** The machine's ports with those of local.star over them, as `yoe run` forwards them. */
function forwarded(loaded: Loaded): Setting {
  const { local } = loaded.workspace
  const { ports = [] } = loaded.machine?.qemu ?? {}
  const { qemu_ports: own = [] } = local.settings
  const value = mergePorts(ports, own).map(({ host, guest }) => `${host}:${guest}`)
  const from = [
    ...(ports.length === 0 ? [] : [ofMachine(loaded)]),
    ...(own.length === 0 ? [] : [`local.star:${local.at.get('qemu_ports')?.line ?? 1}`]),
  ]
  return from.length === 0
    ? { name: 'qemu-ports', value: null, from: 'not set' }
    : { name: 'qemu-ports', value, from: from.join(', ') }
}

/** All mirrors that somebody named: for an address that several name, the first counts. */
function mirrored({ project, workspace }: Loaded): Setting {
  const { local, env } = workspace
  const text = env['YOE_MIRRORS'] ?? ''
  const layers: readonly (readonly [string, Readonly<Record<string, string>> | undefined])[] = [
    [`local.star:${local.at.get('mirrors')?.line ?? 1}`, local.settings.mirrors],
    [project.at.file, project.sources.mirrors],
  ]
  const said = layers.filter(([, mirrors]) => Object.keys(mirrors ?? {}).length > 0)
  const from = [...(text === '' ? [] : ['YOE_MIRRORS']), ...said.map(([who]) => who)]
  if (from.length === 0) return { name: 'mirrors', value: null, from: 'not set' }
  const rules = said.flatMap(([, mirrors]) => Object.entries(mirrors ?? {}))
  const merged = Object.fromEntries(rules.toReversed())
  const value = text === '' ? merged : [text, ...rules.map(([there, here]) => `${there}=${here}`)].join(',')
  return { name: 'mirrors', value, from: from.join(', ') }
}

/** `parallel-builds`, as the command line writes `parallel_builds`. */
export function dashed(key: string): string {
  return key.replaceAll('_', '-')
}

function ofMachine({ machine }: Loaded): string {
  return machine?.qemu === undefined ? 'default' : `machine ${machine.name}`
}

function cacheFrom({ workspace }: Loaded): string {
  return workspace.cacheRoot === `${workspace.root}/cache` ? 'default' : workspace.entry
}

/** `2G`, as local.star writes it. */
export function sizeText(bytes: number): string {
  const units = ['', 'K', 'M', 'G', 'T']
  let unit = 0
  let count = bytes
  for (; unit < units.length - 1 && count % 1024 === 0; unit++) count /= 1024
  return `${count}${units[unit]}`
}
