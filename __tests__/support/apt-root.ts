import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface AptRoot {
  /** For the environment of apt programs. */
  readonly env: NodeJS.ProcessEnv
  /** Where apt keeps its parsed index. */
  readonly folder: string
}

/**
 * An apt of its own below `folder`: no packages installed, one suite of one archive, nothing of the host's settings.
 * Works without root.
 */
export function makeAptRoot(
  folder: string,
  source: { readonly site: string; readonly suite: string; readonly keyring: string },
): AptRoot {
  for (const name of ['lists/partial', 'archives/partial', 'sources', 'empty']) {
    mkdirSync(join(folder, name), { recursive: true })
  }
  writeFileSync(join(folder, 'status'), '')
  const { site, suite, keyring } = source
  writeFileSync(
    join(folder, 'sources/debian.sources'),
    `Types: deb\nURIs: ${site}\nSuites: ${suite}\nComponents: main\nSigned-By: ${keyring}\n`,
  )
  const settings = {
    'Dir::Etc::SourceList': '/dev/null',
    'Dir::Etc::SourceParts': join(folder, 'sources'),
    'Dir::Etc::Preferences': '/dev/null',
    'Dir::Etc::PreferencesParts': join(folder, 'empty'),
    'Dir::State': folder,
    'Dir::State::Lists': join(folder, 'lists'),
    'Dir::State::status': join(folder, 'status'),
    'Dir::Cache': folder,
    'APT::Architecture': 'amd64',
    'APT::Sandbox::User': '',
    'Acquire::Languages': 'none',
    'Debug::NoLocking': 'true',
  }
  const text = Object.entries(settings).map(([name, value]) => `${name} "${value}";\n`)
  writeFileSync(
    join(folder, 'apt.conf'),
    `#clear APT::Architectures;\n${text.join('')}APT::Architectures { "amd64"; };\n`,
  )
  const env = { ...process.env, APT_CONFIG: join(folder, 'apt.conf'), LC_ALL: 'C' }
  execFileSync('apt-get', ['update', '-qq'], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  return { env, folder }
}
