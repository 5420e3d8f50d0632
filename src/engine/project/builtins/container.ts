import { posix } from 'node:path'
import { basesOf } from '../../containers/dockerfile.ts'
import { parseImage } from '../../containers/reference.ts'
import { defaulting, optional } from '../arguments.ts'
import type { ContainerImage, Dockerfile, ToolchainUnit, Unit } from '../model.ts'
import { imageName, packageName } from '../names.ts'
import { placeLabel } from '../place.ts'
import { flag, named, quoted, set, text } from '../readers.ts'
import type { Builtin, Context, Invocation } from './builtin.ts'
import { declaring, defined } from './builtin.ts'
import { existing } from './task.ts'
import { distrosOf, identityFields } from './unit.ts'

const names = set(named(packageName))

/**
 * `container(name, packages | image | dockerfile, provides)`: a root file system that tasks run in. Of packages it is
 * one distro's; `dockerfile` lies in the folder beside this file that is called like the container.
 *
 * @see seed, Build Environment
 */
export const container: Builtin = declaring(
  'units',
  {
    fields: {
      ...identityFields,
      packages: optional(names),
      image: optional(named(imageName)),
      dockerfile: optional(text),
      network: defaulting(flag, false),
      provides: defaulting(names, []),
    },
  },
  (fields, invocation, context) => {
    const { at, file, via } = invocation
    const { name, packages, image, dockerfile, network, provides, version, release, description, license } = fields
    const fail = (message: string, hint: string): void =>
      context.declarations.fail('BAD_FIELD', `container "${name}" ${message}`, { at, unit: name, hint })
    if ([packages, image, dockerfile].filter((each) => each !== undefined).length !== 1) {
      fail('needs packages or image or dockerfile, and only one of them', 'packages = ["gcc", "make"]')
      return
    }
    const distros = distrosOf(fields, invocation, context)
    if (packages !== undefined && distros?.length !== 1) {
      fail('is made of packages, and does not say of which distro', 'distro = "debian"')
      return
    }
    if (network && dockerfile === undefined) {
      fail('has network = True, which is for a dockerfile', 'take it out')
      return
    }
    const built = dockerfile === undefined ? undefined : dockerfileOf(name, dockerfile, network, invocation, context)
    if (dockerfile !== undefined && built === undefined) return
    context.declarations.addUnit(
      defined<ToolchainUnit>({
        ...{ name, version, release, description, license },
        kind: 'toolchain',
        module: file.module,
        at,
        builtVia: via,
        distros,
        packages: packages ?? [],
        image: image === undefined ? undefined : imageOf(image, at),
        dockerfile: built,
        provides,
      }),
    )
  },
)

function imageOf(reference: string, at: Invocation['at']): ContainerImage | undefined {
  const parsed = parseImage(reference)
  return parsed === undefined ? undefined : { ...parsed, at }
}

/** The folder called like the container is what Docker gets to see. */
function dockerfileOf(
  name: string,
  file: string,
  network: boolean,
  invocation: Invocation,
  context: Context,
): Dockerfile | undefined {
  const { declarations, files } = context
  const { at } = invocation
  const folder = { ...invocation.file, path: posix.join(posix.dirname(invocation.file.path), name) }
  const place = existing(file, { ...folder, path: `${folder.path}/x` }, 'file', invocation, context)
  if (place === undefined) return undefined
  const path = posix.relative(folder.path, place.path)
  if (place.module !== folder.module || path.startsWith('../')) {
    declarations.fail('BAD_FIELD', `container "${name}": ${quoted(file)} must lie in ${placeLabel(folder)}/`, { at })
    return undefined
  }
  const { bases, faults } = basesOf(Buffer.from(files.read(place)).toString('utf8'))
  for (const { line, message, hint } of faults)
    declarations.fail('BAD_FIELD', `container "${name}": ${message}`, {
      at: { file: placeLabel(place), line, column: 1 },
      unit: name,
      hint,
    })
  return faults.length > 0 ? undefined : { context: folder, file: path, network, bases }
}

/**
 * Containers that nothing declares, since units and Dockerfiles name images of registries directly.
 * @param units all that are declared
 */
export function impliedContainers(units: Iterable<Unit>): readonly ToolchainUnit[] {
  const found = new Map<string, ToolchainUnit>()
  const add = (name: string, at: Invocation['at'], module: string): void => {
    const image = imageOf(name, at)
    if (image === undefined || found.has(name)) return
    found.set(name, {
      kind: 'toolchain',
      ...{ name, version: '0.0.0', release: 0, description: '', license: '' },
      ...{ module, at, builtVia: [], packages: [], image, provides: [] },
    })
  }
  for (const unit of units) {
    if (unit.kind === 'package') {
      if (unit.tasks.some((task) => task.container === undefined)) add(unit.container, unit.at, unit.module)
      for (const { container: name = '', at } of unit.tasks) add(name, at, unit.module)
    } else if (unit.kind === 'toolchain')
      for (const base of unit.dockerfile?.bases ?? []) add(base.container, unit.at, unit.module)
  }
  return [...found.values()]
}
