import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { checkout, type TestProject, type Texts, testProject } from '../project.ts'
import { sharedCache } from '../shared-cache.ts'
import { alpineMirror } from './mirror.ts'
import { testKeyFolder } from './replica.ts'

/** What mirrors have of module-alpine's containers: the rest of its toolchain is on none. */
export const smallToolchain = `container(
    name = "toolchain-small",
    version = "1",
    distro = "alpine",
    provides = ["toolchain"],
    packages = ["alpine-baselayout", "busybox", "build-base"],
)
`

/** What tests of Alpine need of the outside. */
export interface AlpineProject extends TestProject {
  /** For commands that fetch. */
  readonly env: Readonly<Record<string, string>>
}

/** What stands in a PROJECT.star of tests instead of `module("yoe:module-alpine")`. */
export const testModule =
  'module("https://example.com/alpine.git", ref = "v1", path = "module-alpine", local = "modules")'

/** PROJECT.star of {@link alpineProject}. */
export const alpineProjectText = (arch: 'x86_64' | 'arm64' = 'x86_64'): string => `project(
    name = "demo",
    version = "1.0",
    defaults = defaults(distro = "alpine", machine = "qemu-${arch}"),
    modules = [
        module("yoe:module-core"),
        module("yoe:module-debian"),
        ${testModule},
    ],
)
`

/**
 * A project with module-alpine, whose packages come from a mirror of this machine: 3.23 as tests have it, and what that lacks
 * (an SSH server, mdev) from the genuine 3.19. PROJECT.star is made; its caches are those of all tests.
 *
 * @param arch of its machine; arm64 has what 3.23 lacks from `v3.23/extras`
 */
export async function alpineProject(
  t: TestContext,
  texts: Texts,
  arch: 'x86_64' | 'arm64' = 'x86_64',
): Promise<AlpineProject> {
  const arm = ['v3.23/main/aarch64', 'v3.23/community/aarch64', 'v3.23/extras/aarch64'] as const
  const mirror = await alpineMirror(t, [
    ...(['v3.23/main/x86_64', 'v3.23/community/x86_64'] as const),
    ...(arch === 'arm64' ? arm : []),
  ])
  const project = testProject(
    t,
    {
      'PROJECT.star': alpineProjectText(arch),
      'containers/toolchain.star': smallToolchain,
      ...texts,
    },
    sharedCache(),
  )
  await writeTestModule(project.root)
  return { ...project, env: { YOE_MIRRORS: mirror.yoeMirrors } }
}

/** Writes {@link testModule}. Mirrors are signed by tests' own key; else it is the module as it is. */
export async function writeTestModule(root: string): Promise<void> {
  const module = join(root, 'modules/module-alpine')
  cpSync(join(checkout, 'modules/module-alpine'), module, { recursive: true })
  const key = 'yoe-tests.rsa.pub'
  cpSync(join(await testKeyFolder(), key), join(module, 'keys', key))
  const file = join(module, 'MODULE.star')
  const text = readFileSync(file, 'utf8').replace('    keys = [\n', `    keys = [\n        "keys/${key}",\n`)
  const [, keys = ''] = /( {4}keys = \[[^\]]*\],)/.exec(text) ?? []
  const feed = (name: string, branch: string, more: string): string =>
    `alpine_feed(\n    name = "${name}",\n    branch = "${branch}",\n    ${more},\n${keys}\n)\n`
  const older = feed('older', 'v3.19', 'arches = ["x86_64"]')
  const extras = feed('extras', 'v3.23', 'section = "extras",\n    arches = ["aarch64"]')
  writeFileSync(file, `${text}\n${older}${extras}`)
}
