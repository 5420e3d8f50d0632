import { YoeError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import type { ImageUnit } from '../project/model.ts'

/** What is known of the image's unit files: name (`ssh.service`) to where it lies and what it says. */
export type UnitFiles = ReadonlyMap<string, { readonly path: string; readonly text: string }>

/** A symbolic link to make. Paths without leading `/`; targets as they are written. */
export interface Link {
  readonly path: string
  readonly target: string
}

const folder = 'etc/systemd/system'

/** Where systemd looks for unit files that packages and projects bring, weakest first. */
export const unitFolders = ['usr/lib/systemd/system', 'lib/systemd/system', folder] as const

/**
 * The links that `systemctl enable` would make for the image's services.
 *
 * @throws {YoeError} BAD_FIELD when the image has no such unit file
 * @see systemd.unit(5), [Install]
 */
export function enableServices(units: UnitFiles, image: Pick<ImageUnit, 'services' | 'name' | 'at'>): readonly Link[] {
  const links = new Map<string, string>()
  const done = new Set<string>()
  const enable = (wanted: string, required: boolean): void => {
    const name = /\.[a-z]+$/.test(wanted) ? wanted : `${wanted}.service`
    if (done.has(name)) return
    done.add(name)
    const [, stem, instance, suffix] = /^([^@]+)@([^@.]*)(\..+)$/.exec(name) ?? []
    const unit = units.get(name) ?? (stem === undefined ? undefined : units.get(`${stem}@${suffix}`))
    if (unit === undefined) {
      if (!required) return
      const known = [...units.keys()].flatMap((each) => [each, each.replace(/\.service$/, '')])
      throw new YoeError('BAD_FIELD', `image "${image.name}": services: nothing in the image brings ${name}`, {
        at: image.at,
        hint: didYouMean(wanted, known) ?? 'add the package that brings it to artifacts',
      })
    }
    const install = installSection(unit.text)
    const target = `/${unit.path}`
    const shown =
      instance === '' && install.DefaultInstance[0] !== undefined
        ? `${stem}@${install.DefaultInstance[0]}${suffix}`
        : name
    for (const [kind, dir] of [
      ['WantedBy', 'wants'],
      ['RequiredBy', 'requires'],
      ['UpheldBy', 'upholds'],
    ] as const)
      for (const by of install[kind]) links.set(`${folder}/${by}.${dir}/${shown}`, target)
    for (const alias of install.Alias) links.set(`${folder}/${alias}`, target)
    for (const also of install.Also) enable(also, false)
  }
  for (const service of image.services) enable(service, true)
  return [...links].map(([path, target]) => ({ path, target }))
}

const keys = ['WantedBy', 'RequiredBy', 'UpheldBy', 'Alias', 'Also', 'DefaultInstance'] as const

function installSection(text: string): Record<(typeof keys)[number], string[]> {
  const found = { WantedBy: [], RequiredBy: [], UpheldBy: [], Alias: [], Also: [], DefaultInstance: [] } as Record<
    (typeof keys)[number],
    string[]
  >
  let section = ''
  for (const line of text.replaceAll(/\\\n/g, ' ').split('\n')) {
    section = /^\[(.+)\]\s*$/.exec(line)?.[1] ?? section
    const [, key, value] = /^([A-Za-z]+)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    const known = keys.find((each) => each === key)
    if (section !== 'Install' || known === undefined || value === undefined) continue
    // Specifiers are systemd's to fill in; the one that unit files use here is the instance.
    if (value === '') found[known].length = 0
    else found[known].push(...value.split(/\s+/).filter((name) => !name.includes('%') && !name.includes('/')))
  }
  return found
}
