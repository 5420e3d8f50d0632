import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { bwrapWorker } from '../../../src/engine/build/bwrap.ts'
import { removeTree } from '../../../src/engine/build/tree.ts'
import { defaultLimits } from '../../../src/engine/build/worker.ts'
import { silent } from '../../../src/engine/events.ts'
import type { RepositoryEntry } from '../../../src/engine/formats.ts'
import { unpackRoot } from '../../../src/engine/image/unpack-root.ts'
import { parseParagraphs } from '../../../src/feeds/debian/deb822.ts'
import { installRoot } from '../../../src/feeds/debian/install.ts'
import { createScript, fillScript, unpackScript } from '../../../src/feeds/debian/install-scripts.ts'
import { parseProvides, parseRelations } from '../../../src/feeds/debian/relations.ts'
import { closureRepository } from '../../../src/feeds/debian/repository.ts'
import { generateOpenPgpKey } from '../../../src/feeds/keys/openpgp.ts'
import { installed } from '../../support/installing.ts'

export const run = promisify(execFile)

/** Packages and the tools root are made once and shared by test files: $YOE_TEST_CACHE, else below the temporary folder. */
export const cache = process.env['YOE_TEST_CACHE'] ?? join(tmpdir(), `yoe-test-cache-${userInfo().uid}`)

const arch = execFileSync('dpkg', ['--print-architecture'], { encoding: 'utf8' }).trim()
export const epoch = 1_700_000_000

/** The smallest closure that installs cleanly and has apt on it. */
export const smallRoots = ['?essential', 'apt', 'base-files', 'base-passwd', 'passwd', 'init-system-helpers']
/** A system that boots and answers over SSH. */
export const bootRoots = [
  ...smallRoots,
  'systemd-sysv',
  'udev',
  'dbus',
  'openssh-server',
  `linux-image-cloud-${arch}`,
  'iproute2',
  'zstd',
]
const toolsRoots = [
  ...[
    '?essential',
    'mmdebstrap',
    'apt',
    'dpkg',
    'e2fsprogs',
    'libarchive13t64',
    'mtools',
    'dosfstools',
    'mount',
    'fdisk',
  ],
  ...['zstd', 'xz-utils', 'tar', 'base-files', ...(arch === 'amd64' ? ['grub-pc-bin'] : [])],
]

let settings: string | undefined

/** An apt that knows trixie from the host's own mirror, sees nothing as installed, and touches nothing of the host's. */
function aptConfig(): string {
  if (settings !== undefined) return settings
  const folder = join(cache, 'apt')
  for (const name of ['lists/partial', 'archives/partial', 'none/partial'])
    mkdirSync(join(folder, name), { recursive: true })
  const filter = ['Created-By: Packages', 'Origin: Debian', 'Label: Debian']
  const site = execFileSync('apt-get', ['indextargets', '--format', '$(SITE)', ...filter], { encoding: 'utf8' }).split(
    '\n',
  )[0]
  const keyring = join(import.meta.dirname, '../../../modules/module-debian/keys/debian-archive-keyring.gpg')
  writeFileSync(join(folder, 'status'), '')
  writeFileSync(
    join(folder, 'sources.list'),
    `deb [signed-by=${keyring}] ${site || 'http://ftp.debian.org/debian'} trixie main\n`,
  )
  const lines = [
    `Dir::State "${folder}"; Dir::State::status "${folder}/status"; Dir::State::lists "${folder}/lists";`,
    `Dir::Cache "${folder}"; Dir::Cache::archives "${folder}/archives"; Dir::Etc::sourcelist "${folder}/sources.list";`,
    'Dir::Etc::sourceparts "/nonexistent"; Dir::Etc::preferencesparts "/nonexistent"; Dir::Etc::parts "/nonexistent";',
    `APT::Architecture "${arch}"; APT::Install-Recommends "false"; APT::Sandbox::User ""; Acquire::Languages "none";`,
  ]
  settings = join(folder, 'apt.conf')
  writeFileSync(settings, `${lines.join('\n')}\n`)
  if (!existsSync(join(folder, 'updated'))) {
    execFileSync('apt-get', ['-qq', 'update'], { env: { ...process.env, APT_CONFIG: settings } })
    writeFileSync(join(folder, 'updated'), '')
  }
  return settings
}

/** The closure of `roots` (apt's patterns) by apt itself, downloaded and verified by apt. */
export async function trixie(roots: readonly string[]): Promise<readonly RepositoryEntry[]> {
  const env = { ...process.env, APT_CONFIG: aptConfig() }
  const kept = join(cache, 'closures', `${createHash('sha256').update(roots.join(' ')).digest('hex').slice(0, 16)}.txt`)
  if (!existsSync(kept)) {
    // What is downloaded already would not be printed.
    const fresh = ['-o', `Dir::Cache::archives=${join(cache, 'apt/none')}`]
    const { stdout } = await run('apt-get', ['-qq', '--print-uris', ...fresh, 'install', ...roots], {
      env,
      maxBuffer: 2 ** 24,
    })
    await run('apt-get', ['-qq', '-y', '--download-only', 'install', ...roots], { env, maxBuffer: 2 ** 24 })
    mkdirSync(join(cache, 'closures'), { recursive: true })
    writeFileSync(kept, [...stdout.matchAll(/^'[^']+' (\S+\.deb) /gm)].map(([, name]) => name).join('\n'))
  }
  const names = (await readFile(kept, 'utf8')).split('\n')
  return Promise.all(names.map((name) => entryOf(join(cache, 'apt/archives', name), 'feed')))
}

/** A package file as a closure has it. */
export async function entryOf(path: string, from: 'feed' | 'unit'): Promise<RepositoryEntry> {
  const bytes = await readFile(path)
  const { stdout } = await run('dpkg-deb', ['-f', path])
  const [fields] = parseParagraphs(stdout)
  const field = (name: string): string => fields?.get(name.toLowerCase()) ?? fields?.get(name) ?? ''
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const relations = (name: string) => (field(name) === '' ? [] : parseRelations(field(name), arch))
  const name = field('Package')
  const origin =
    from === 'feed'
      ? { kind: from, feed: 'debian.main', path: '', sha256, size: bytes.length }
      : { kind: from, unit: name, at: { file: `units/${name}.star`, line: 1, column: 1 } }
  const record = {
    name,
    version: field('Version'),
    arch: field('Architecture'),
    depends: [...relations('Pre-Depends'), ...relations('Depends')],
    provides: field('Provides') === '' ? [] : parseProvides(field('Provides'), arch),
    conflicts: [],
    essential: field('Essential') === 'yes',
    priority: field('Priority'),
    origin,
  }
  return { record, path, sha256, size: bytes.length }
}

/** A package with these files (path to content, executable when it starts with `#!`) and control files. */
export async function makeDeb(
  folder: string,
  control: { readonly name: string; readonly version?: string; readonly fields?: string },
  files: Readonly<Record<string, string>>,
): Promise<RepositoryEntry> {
  const tree = await mkdtemp(join(folder, 'deb-'))
  const { name, version = '1.0-r0', fields = '' } = control
  const text = `Package: ${name}\nVersion: ${version}\nArchitecture: ${arch}\nMaintainer: T <t@example.com>\n${fields}Description: test\n`
  for (const [path, content] of Object.entries({ 'DEBIAN/control': text, ...files })) {
    mkdirSync(join(tree, path, '..'), { recursive: true })
    writeFileSync(join(tree, path), content, { mode: content.startsWith('#!') ? 0o755 : 0o644 })
  }
  const path = join(folder, `${name}_${version}_${arch}.deb`)
  await run('dpkg-deb', ['--root-owner-group', '--build', tree, path], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch) },
  })
  return entryOf(path, 'unit')
}

export const worker = bwrapWorker()
export const debianArch = arch
export const engineArch = arch === 'amd64' ? ('x86_64' as const) : ('arm64' as const)

/** Installs packages; the log comes back. */
export async function install(
  output: string,
  packages: readonly RepositoryEntry[],
  more: { readonly tools?: string | undefined; readonly base?: string } = {},
): Promise<string> {
  const input = {
    tools: undefined,
    ...more,
    arch: engineArch,
    distro: 'debian',
    packages,
    worker,
    output,
    sourceDateEpoch: epoch,
  } as const
  return installed(installRoot, input)
}

/** What a root is made of: packages, and how they are installed. */
const keyOf = (packages: readonly RepositoryEntry[]): string =>
  createHash('sha256')
    .update(JSON.stringify([packages.map(({ sha256 }) => sha256), createScript, fillScript, unpackScript]))
    .digest('hex')
    .slice(0, 16)

/** The unpacked tools root, made by the host's mmdebstrap once. */
export async function toolsRoot(): Promise<string> {
  const packages = await trixie(toolsRoots)
  const key = keyOf(packages)
  const dest = join(cache, 'roots', key)
  if (existsSync(dest)) return dest
  await mkdir(join(cache, 'roots'), { recursive: true })
  const tar = join(cache, 'roots', `${key}.tar.zst`)
  await install(tar, packages)
  await unpackRoot({ tar, dest })
  return dest
}

/** A root file system of `roots`, made once: for tests that start where installing ended. */
export async function rootOf(roots: readonly string[]): Promise<string> {
  const tools = await toolsRoot()
  const packages = await trixie(roots)
  const key = keyOf(packages)
  const tar = join(cache, 'roots', `root-${key}.tar.zst`)
  if (existsSync(tar)) return tar
  const fresh = `${tar}.${process.pid}`
  try {
    await install(fresh, packages, { tools })
    await rename(fresh, tar)
  } finally {
    await rm(fresh, { force: true })
  }
  return tar
}

/** What mmdebstrap makes of the same packages by itself, in the same sandbox: the oracle of trees, and the peer of times. */
export async function plainMmdebstrap(
  output: string,
  packages: readonly RepositoryEntry[],
  tools: string,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'yoe-peer-'))
  try {
    const now = new Date()
    const signingKey = await generateOpenPgpKey('peer', now)
    const repo = join(folder, 'repo')
    const date = Math.floor(now.getTime() / 1000)
    const common = {
      project: 'peer',
      suite: 'peer',
      distro: 'debian',
      arch: engineArch,
      signingKey,
      date,
      report: silent,
    }
    await closureRepository({ ...common, root: repo, entries: packages })
    writeFileSync(join(repo, 'key.asc'), signingKey.publicKey)
    const out = join(folder, 'out')
    await mkdir(out)
    await worker.prepareWritable(out)
    let said = ''
    const names = packages.map(({ record }) => record.name).join(',')
    const merged = 'for dir in bin sbin lib lib64; do mkdir -p "$1/usr/$dir"; ln -s "usr/$dir" "$1/$dir"; done'
    const source = 'deb [signed-by=/yoe/repo/key.asc] copy:///yoe/repo peer main'
    const options = [
      '--mode=root',
      '--variant=custom',
      '--aptopt=APT::Sandbox::User "root"',
      '--dpkgopt=force-unsafe-io',
    ]
    const result = await worker.run({
      root: tools,
      argv: [
        'mmdebstrap',
        ...options,
        `--include=${names}`,
        `--setup-hook=${merged}`,
        'peer',
        '/yoe/out/peer.tar.zst',
        source,
      ],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', TMPDIR: '/tmp', SOURCE_DATE_EPOCH: String(epoch) },
      cwd: '/',
      mounts: [
        { source: repo, target: '/yoe/repo', writable: false },
        { source: out, target: '/yoe/out', writable: true },
      ],
      network: false,
      identity: 'install',
      limits: { ...defaultLimits, processes: 4096 },
      output: (chunk) => {
        said += Buffer.from(chunk).toString()
      },
    })
    if (result.kind !== 'exited' || result.code !== 0) throw new Error(`mmdebstrap: ${JSON.stringify(result)}\n${said}`)
    await copyFile(join(out, 'peer.tar.zst'), output)
  } finally {
    await removeTree(folder)
  }
}
