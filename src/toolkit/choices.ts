import type { Position } from '#engine/errors.ts'
import { userErrors, YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { Project } from '#engine/project/model.ts'
import type { Local } from './local/settings.ts'

/** Something that was chosen, and who said so: `--distro`, `local.star:3`, `PROJECT.star`. */
export interface Choice {
  readonly value: string
  readonly from: string
  /** Where a file says so. */
  readonly at?: Position | undefined
}

/** What a setting of local.star says. */
export function localChoice({ settings, at }: Local, key: 'machine' | 'image' | 'default_distro_override') {
  const value = settings[key]
  const place = at.get(key)
  return value === undefined ? undefined : { value, from: `local.star:${place?.line ?? 1}`, at: place }
}

function projectChoice(project: Project, value: string | undefined): Choice | undefined {
  return value === undefined ? undefined : { value, from: project.at.file, at: project.at }
}

/**
 * The image that a command is about when it names none: local.star's, else the project's default.
 * @throws {YoeError} UNIT_NOT_FOUND when there is none of that name
 */
export function imageChoice(project: Project, local: Local): Choice | undefined {
  const chosen = localChoice(local, 'image') ?? projectChoice(project, project.defaults.image)
  if (chosen === undefined || project.units.some(({ name }) => name === chosen.value)) return chosen
  const images = project.units.filter(({ kind }) => kind === 'image').map(({ name }) => name)
  throw new YoeError('UNIT_NOT_FOUND', `there is no image "${chosen.value}"`, {
    at: chosen.at,
    hint: didYouMean(chosen.value, images) ?? `there are: ${images.join(', ') || 'none'}`,
  })
}

/**
 * The distro that things are built for: that of the image itself (of several, the first of these when the usual one is
 * none of them), then `asked`, then that of the unit itself, then
 * local.star's `default_distro_override`, then the project's default, then the only one that has feeds.
 *
 * @param asked `--distro`
 * @param names what the command is about
 * @throws {YoeError} PROJECT_INVALID when nothing says one, or no feed has it
 * @see seed, Setting the distro
 */
export function distroChoice(
  project: Project,
  local: Local,
  asked: string | undefined,
  names: readonly string[],
): Choice {
  const known = [...new Set(project.feeds.map((feed) => feed.distro))]
  const [only, ...others] = known
  const chosen =
    own(project, names, true) ??
    allowed(project, names, asked ?? localChoice(local, 'default_distro_override')?.value ?? project.defaults.distro) ??
    (asked === undefined ? undefined : { value: asked, from: '--distro' }) ??
    own(project, names, false) ??
    localChoice(local, 'default_distro_override') ??
    projectChoice(project, project.defaults.distro) ??
    (only === undefined || others.length > 0 ? undefined : { value: only, from: 'the only one with feeds' })
  if (chosen === undefined) {
    throw new YoeError('PROJECT_INVALID', 'this project names no distro', {
      at: project.at,
      hint: `add defaults = defaults(distro = "…"), or say --distro; there are feeds for: ${known.join(', ') || 'none'}`,
    })
  }
  if (known.includes(chosen.value)) return chosen
  throw new YoeError('PROJECT_INVALID', `no module of this project has a feed for distro "${chosen.value}"`, {
    at: chosen.from === '--distro' ? undefined : (chosen.at ?? project.at),
    hint: didYouMean(chosen.value, known) ?? `there are feeds for: ${known.join(', ') || 'none'}`,
  })
}

/** The first distro of a named image that leaves a choice between several, none of which is the usual one. */
function allowed(project: Project, names: readonly string[], usual: string | undefined): Choice | undefined {
  const fed = new Set(project.feeds.map(({ distro }) => distro))
  const image = project.units.find(
    ({ kind, name, distros = [] }) => kind === 'image' && names.includes(name) && distros.length > 1,
  )
  const [first] = image?.distros?.filter((distro) => fed.has(distro)) ?? []
  if (image === undefined || first === undefined || (usual !== undefined && image.distros?.includes(usual)))
    return undefined
  return { value: first, from: `${image.at.file}:${image.at.line}`, at: image.at }
}

/** The one distro that the named images (or other units) are declared for; undefined when they leave it open. */
function own(project: Project, names: readonly string[], images: boolean): Choice | undefined {
  const declared = project.units.filter((unit) => names.includes(unit.name) && (unit.kind === 'image') === images)
  const [first, ...rest] = new Set(declared.flatMap(({ distros }) => (distros?.length === 1 ? distros : [])))
  const unit = declared.find(({ distros }) => distros?.length === 1)
  if (first === undefined || unit === undefined || rest.length > 0) return undefined
  return { value: first, from: `${unit.at.file}:${unit.at.line}`, at: unit.at }
}

/** A choice where there is one: that there is none is told by the commands that need it. */
export function ifAny<T>(choose: () => T): T | undefined {
  try {
    return choose()
  } catch (failure) {
    if (userErrors(failure) === undefined) throw failure
    return undefined
  }
}
