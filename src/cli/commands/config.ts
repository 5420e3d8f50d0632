import { YoeError } from '#engine/errors.ts'
import type { Json } from '#engine/project/model.ts'
import { configuration, dashed } from '#toolkit/configuration.ts'
import { localKeyNames } from '#toolkit/local/settings.ts'
import type { Invocation } from '../command.ts'
import { command, projectOptions } from '../command.ts'
import { table } from '../output.ts'
import { projectOf, workspaceOf } from '../project.ts'

const options = {
  ...projectOptions,
  image: {
    type: 'string',
    value: 'NAME',
    completes: 'image',
    help: 'resolve: for this image instead of the default one',
  },
} as const

type ConfigInvocation = Invocation<typeof options>

export const config = command({
  usage: 'config show|set|resolve [KEY VALUE]',
  summary: 'show and set what commands use',
  details: `show      every setting in effect, and who says so
set       keeps a setting of this machine in local.star; "" as the value takes it out
resolve   what a build of an image on a machine would use: distro, kernel, partitions, services, toolchain

  yoe config show
  yoe config set parallel-builds 12
  yoe config set qemu-memory ""
  yoe config resolve --machine qemu-arm64 --image dev-image`,
  options,
  positionals: [1, 3],
  completes: [['show', 'set', 'resolve'], localKeyNames.map(dashed)],
  async run(invocation) {
    const [verb = '', key, value, ...rest] = invocation.positionals
    if (verb === 'set') {
      if (key === undefined || value === undefined || rest.length > 0) {
        throw new YoeError('USAGE', 'yoe config set takes a key and a value', {
          hint: 'such as: yoe config set parallel-builds 12; yoe config show lists the keys',
        })
      }
      return set(invocation, key, value)
    }
    const shows = { show, resolve }
    if (verb !== 'show' && verb !== 'resolve') {
      throw new YoeError('USAGE', `yoe config has no "${verb}"`, { hint: 'yoe config show, set or resolve' })
    }
    if (key !== undefined) {
      throw new YoeError('USAGE', `yoe config ${verb} takes no more arguments`, { hint: `yoe config ${verb}` })
    }
    return shows[verb](invocation)
  },
})

async function show(invocation: ConfigInvocation): Promise<number> {
  const { output, values } = invocation
  const settings = configuration(await projectOf(invocation), values)
  if (output.json) {
    output.printJson(Object.fromEntries(settings.map(({ name, value, from }) => [name, { value, from }])))
    return 0
  }
  for (const line of table(settings.map(({ name, value, from }) => [name, text(value), output.paint('dim', from)])))
    output.print(line)
  return 0
}

async function set({ values, env, cwd, signal, output, report }: ConfigInvocation, key: string, value: string) {
  const { setLocal } = await import('#toolkit/local/set.ts')
  const done = await setLocal({ project: values.project, env, cwd, signal, report }, key, value)
  if (output.json) output.printJson(done)
  else {
    const what = done.value === null ? `${done.key} is not set` : `${done.key} = ${text(done.value)}`
    output.print(`${what} in ${done.file}${done.changed ? '' : ', as before'}`)
  }
  return 0
}

async function resolve(invocation: ConfigInvocation): Promise<number> {
  const { values, output } = invocation
  const [{ openCatalog }, { targetNames }, { resolvedConfiguration }] = await Promise.all([
    import('#toolkit/catalog-view.ts'),
    import('#toolkit/planning.ts'),
    import('#toolkit/resolved.ts'),
  ])
  const targets = values.image === undefined ? [] : [values.image]
  const catalog = await openCatalog(workspaceOf(invocation), { ...values, targets })
  const [image = ''] = targetNames(catalog, targets)
  const resolved = resolvedConfiguration(catalog, image)
  if (output.json) {
    output.printJson(resolved)
    return 0
  }
  const {
    image: name,
    machine,
    arch,
    distro,
    format,
    kernel,
    bootloader,
    partitions,
    publicConfig,
    ...facts
  } = resolved
  const rows: (readonly [string, string])[] = [
    ...Object.entries({ image: name, machine, arch, distro, format }),
    ['kernel', kernel === null ? 'none' : kernel.unit],
    ...(kernel === null || kernel.cmdline === '' ? [] : ([['cmdline', kernel.cmdline]] as const)),
    ['bootloader', text(bootloader)],
    ...partitions.map(
      ({ label, type, size, root }) => ['partition', `${label}, ${type}, ${size}${root ? ', root' : ''}`] as const,
    ),
    ...Object.entries(facts).map(([fact, value]): [string, string] => [fact, text(value)]),
    ...Object.entries(publicConfig ?? {}).flatMap(([field, value]): [string, string][] =>
      isEmpty(value) ? [] : [[`public ${field}`, text(value)]],
    ),
  ]
  for (const line of table(rows.map(([fact, value]) => [output.paint('bold', fact), value]))) output.print(line)
  return 0
}

function isEmpty(value: Json): boolean {
  return value !== null && typeof value === 'object' && Object.keys(value).length === 0
}

/** On one line, as people write it. */
function text(value: Json): string {
  if (value === null || isEmpty(value)) return 'none'
  if (isList(value)) return value.map(text).join(', ')
  if (typeof value === 'object') {
    return Object.entries(value)
      .map(([name, item]) => `${name}=${text(item)}`)
      .join(', ')
  }
  return String(value)
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
