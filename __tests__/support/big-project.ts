/** Projects as large as asked for, in the shape of real ones: modules, classes, templates, machines, images. */
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { checkout, type Texts, writeTexts } from './project.ts'

export interface BigProjectOptions {
  readonly units: number
  readonly modules: number
  /** Adds Debian's contrib and its security suite to module-debian's feed, from a module of their own. */
  readonly moreFeeds?: boolean
  /** Files of a local module `distro` that takes the place of module-debian: for tests without network. */
  readonly distro?: Texts
}

const count = (number: number): string => String(number).padStart(5, '0')

/** The name of unit `number`, from 0. */
export const unitName = (number: number): string => `lib${count(number)}`

/**
 * Writes a project whose unit n is built with units n/2, n/3 and n/5, so that a unit needs some forty others however
 * many there are, in local modules of equal size. Images: `one`, `ten`, `hundred` with so many of the last units, `all`.
 */
export function writeBigProject(root: string, options: BigProjectOptions): void {
  const { units, modules, moreFeeds = false, distro } = options
  const names = Array.from({ length: modules }, (_, index) => `vendor${String(index).padStart(2, '0')}`)
  const first = distro === undefined ? 'module("yoe:module-debian")' : 'module(local = "modules/distro")'
  const texts: Record<string, string> = { 'PROJECT.star': projectText(first, moreFeeds ? ['feeds', ...names] : names) }
  for (const [path, text] of Object.entries(distro ?? {})) texts[`modules/distro/${path}`] = text
  for (const name of names) {
    const folder = `modules/${name}`
    texts[`${folder}/MODULE.star`] = `module_info(name = "${name}", description = "Units of ${name}")\n`
    texts[`${folder}/classes/library.star`] = classText
  }
  const perModule = Math.ceil(units / modules)
  for (let number = 0; number < units; number++) {
    const module = names[Math.floor(number / perModule)] ?? ''
    const name = unitName(number)
    texts[`modules/${module}/units/${name}.star`] = unitText(number)
    texts[`modules/${module}/units/${name}/settings.conf.tmpl`] = `name={{.name}}\nlevel={{.level}}\n`
  }
  for (const [index, arch] of ['x86_64', 'arm64', 'x86_64', 'arm64'].entries()) {
    texts[`machines/board${index}.star`] = machineText(`board${index}`, arch)
  }
  const last = (length: number): string[] =>
    Array.from({ length: Math.min(length, units) }, (_, index) => unitName(units - 1 - index))
  for (const [name, size] of Object.entries({ one: 1, ten: 10, hundred: 100, all: units })) {
    texts[`images/${name}.star`] = imageText(name, ['base', 'ssh-server', ...last(size)])
  }
  if (moreFeeds) {
    texts['modules/feeds/MODULE.star'] = feedsText
    mkdirSync(join(root, 'modules/feeds/keys'), { recursive: true })
    copyFileSync(
      join(checkout, 'modules/module-debian/keys/debian-archive-keyring.gpg'),
      join(root, 'modules/feeds/keys/archive.gpg'),
    )
  }
  writeTexts(root, texts)
}

function projectText(first: string, local: readonly string[]): string {
  return `project(
    name = "big",
    version = "1.0",
    defaults = defaults(machine = "board0", image = "hundred", distro = "debian"),
    modules = [
        ${first},
        module("yoe:module-core"),
${local.map((name) => `        module(local = "modules/${name}"),\n`).join('')}    ],
)
`
}

const feedsText = `module_info(name = "feeds", description = "What Debian publishes beside its main feed")

apt_feed(name = "contrib", suite = "trixie", component = "contrib", arches = ["amd64", "arm64"], keyring = "keys/archive.gpg")
apt_feed(
    name = "security",
    url = "http://security.debian.org/debian-security",
    suite = "trixie-security",
    components = ["main", "contrib"],
    arches = ["amd64", "arm64"],
    keyring = "keys/archive.gpg",
)
`

const classText = `load("@module-core//classes/cmake.star", "cmake")

def library(name, version, level, settings, **kwargs):
    """A library with its settings."""
    cmake(
        name = name,
        version = version,
        license = "MIT",
        level = level,
        tasks = [task("settings", steps = [settings])],
        **kwargs
    )
`

function unitText(number: number): string {
  const name = unitName(number)
  const deps = [...new Set([2, 3, 5].map((by) => Math.floor(number / by)))].filter((other) => other < number)
  const version = `${number % 7}.${number % 11}.${number % 13}`
  return `load("//classes/library.star", "library")

library(
    name = "${name}",
    version = "${version}",
    description = "Library ${number} of a product with very many",
    source = "https://vendor.example/releases/${name}-${version}.tar.gz",
    sha256 = "${number.toString(16).padStart(64, '0')}",
    deps = [${[...deps.map((other) => `"${unitName(other)}"`), '"zlib1g-dev"'].join(', ')}],
    runtime_deps = [${[...deps.map((other) => `"${unitName(other)}"`), '"zlib1g"'].join(', ')}],
    conffiles = ["/etc/${name}.conf"],
    settings = install_template("settings.conf.tmpl", "$DESTDIR/etc/${name}.conf", mode = 0o640),
    level = ${number % 5},
)
`
}

function machineText(name: string, arch: string): string {
  return `machine(
    name = "${name}",
    arch = "${arch}",
    description = "A board",
    kernel = kernel(unit = "linux", cmdline = "root=PARTLABEL=rootfs rw"),
    partitions = [partition(label = "rootfs", type = "ext4", size = "1G", root = True)],
)
`
}

function imageText(name: string, artifacts: readonly string[]): string {
  return `image(
    name = "${name}",
    version = "1.0",
    description = "A system with ${artifacts.length} artifacts",
    artifacts = [
${artifacts.map((artifact) => `        "${artifact}",\n`).join('')}    ],
)
`
}
