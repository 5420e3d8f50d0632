import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { globSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

export interface AptRoot {
  /** For the environment of apt programs. */
  readonly env: NodeJS.ProcessEnv
  /** Where apt keeps its parsed index. */
  readonly folder: string
}

export interface AptSource {
  readonly site: string
  readonly suite: string
  readonly components: readonly string[]
}

/**
 * An apt of its own below `folder`: no packages installed, these sources, nothing of the host's settings. Works without
 * root.
 */
export function makeAptRoot(
  folder: string,
  sources: readonly AptSource[],
  keyring: string,
  architecture = 'amd64',
): AptRoot {
  for (const name of ['lists/partial', 'archives/partial', 'sources', 'empty']) {
    mkdirSync(join(folder, name), { recursive: true })
  }
  writeFileSync(join(folder, 'status'), '')
  const stanzas = sources.map(
    ({ site, suite, components }) =>
      `Types: deb\nURIs: ${site}\nSuites: ${suite}\nComponents: ${components.join(' ')}\nSigned-By: ${keyring}\n`,
  )
  writeFileSync(join(folder, 'sources/debian.sources'), stanzas.join('\n'))
  const settings = {
    'Dir::Etc::SourceList': '/dev/null',
    'Dir::Etc::SourceParts': join(folder, 'sources'),
    'Dir::Etc::Preferences': '/dev/null',
    'Dir::Etc::PreferencesParts': join(folder, 'empty'),
    'Dir::State': folder,
    'Dir::State::Lists': join(folder, 'lists'),
    'Dir::State::status': join(folder, 'status'),
    'Dir::Cache': folder,
    'APT::Architecture': architecture,
    'APT::Sandbox::User': '',
    'Acquire::Languages': 'none',
    'Debug::NoLocking': 'true',
  }
  const text = Object.entries(settings).map(([name, value]) => `${name} "${value}";\n`)
  writeFileSync(
    join(folder, 'apt.conf'),
    `#clear APT::Architectures;\n${text.join('')}APT::Architectures { "${architecture}"; };\n`,
  )
  const env = { ...process.env, APT_CONFIG: join(folder, 'apt.conf'), LC_ALL: 'C' }
  execFileSync('apt-get', ['update', '-qq'], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  return { env, folder }
}

/**
 * What apt on a device gets of a package when it has done what a feed's `install` says, but for the last line: the path of
 * the package file. The server of the feed may be this very process.
 */
export async function downloadAsDevice(
  folder: string,
  { install, name, architecture }: { readonly install: string; readonly name: string; readonly architecture: string },
): Promise<string> {
  const { env } = makeAptRoot(folder, [], '', architecture)
  mkdirSync(join(folder, 'keyrings'))
  const said = install
    .replace(/\napt-get install .*/, '')
    .replaceAll('/etc/apt/keyrings', join(folder, 'keyrings'))
    .replaceAll('/etc/apt/sources.list.d', join(folder, 'sources'))
  await promisify(execFile)('sh', ['-euc', `${said}\napt-get download -qq ${name}`], { cwd: folder, env })
  const [file = ''] = globSync(`${name}_*.deb`, { cwd: folder })
  return join(folder, file)
}

/**
 * `name version` of everything that apt would install for `roots`, sorted.
 *
 * @param how simulating means to find an order too, which takes apt minutes for large sets; printing addresses resolves in
 *   the same way and skips that
 */
export function aptPlan(
  { env }: AptRoot,
  roots: readonly string[],
  how: 'simulated' | 'printed' = 'printed',
): readonly string[] {
  // apt 3 has a second solver with other preferences; apt-get's own default is the one that is documented and old.
  const solver = spawnSync('apt-get', ['--solver', 'internal', '--version'], { env }).status === 0
  const chosen = solver ? ['--solver', 'internal'] : []
  const run = (...options: string[]): string =>
    execFileSync('apt-get', [...chosen, ...options, 'install', '--no-install-recommends', ...roots], {
      env,
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    })
  const found =
    how === 'simulated'
      ? run('-s').matchAll(/^Inst (\S+) \((\S+) /gm)
      : run('--print-uris', '-y', '-qq').matchAll(/^'[^']+' ([^\s_]+)_([^\s_]+)_[a-z0-9]+\.deb /gm)
  return [...found].map(([, name, version]) => `${name} ${decodeURIComponent(version ?? '')}`).sort()
}
