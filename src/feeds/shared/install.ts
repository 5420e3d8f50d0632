import { chmod, chown, copyFile, lstat, mkdir, rename, writeFile } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { requireEmulation } from '#engine/build/binfmt.ts'
import { defaultLimits, type Mount } from '#engine/build/worker.ts'
import { YoeError } from '#engine/errors.ts'
import { step } from '#engine/events.ts'
import type { InstallInput } from '#engine/formats.ts'
import { requireSpace, writeFailure } from '#engine/store/disk.ts'

/** The installer's whole environment. */
const path = '/usr/sbin:/usr/bin:/sbin:/bin'

/** How one format installs packages. */
export interface Installer {
  /** Makes the repository of exactly these packages, which the installer believes; `root` does not exist. */
  closure(root: string): Promise<void>
  /** Files that the script finds in /yoe/in. */
  readonly files: Readonly<Record<string, string>>
  /** The one of them that is run. */
  readonly script: string
  readonly env: Readonly<Record<string, string>>
  /** Why it failed, from what it said. */
  failure(tail: Tail): YoeError
  /** What to type where the host lacks one of its tools. */
  readonly hostHint: string
}

/**
 * Runs an installer in a sandbox without network, and keeps the `root.tar.zst` that it leaves. Inside: `/yoe/repo` is the
 * closure repository, `/yoe/in` the files, `/yoe/base.tar.zst` the base, `/yoe/out` takes the result, and `/work` is memory.
 * Nothing else is writable.
 *
 * @throws {YoeError} INSTALL_FAILED and what {@link Installer} throws, TOOL_MISSING, SANDBOX_UNAVAILABLE, DISK_FULL
 */
export async function runInstaller(input: InstallInput, installer: Installer): Promise<void> {
  const { workdir, packages, worker, base } = input
  // Scripts of packages of another architecture run where the kernel knows an emulator for it.
  await requireEmulation([input.arch])
  const bytes = packages.reduce((sum, { size }) => sum + size, 0)
  // The packed root is larger than the packages by a third at most.
  await requireSpace(dirname(input.output), 2 * bytes)

  const [repo, scripts, out] = [join(workdir, 'repo'), join(workdir, 'in'), join(workdir, 'out')]
  await step(input.report, 'sign the closure', () => installer.closure(repo))
  await mkdir(scripts)
  await mkdir(out)
  for (const [name, text] of Object.entries(installer.files))
    await writeFile(join(scripts, name), text, { mode: 0o644 })
  // Whatever the umask: runs of root belong to somebody else.
  for (const folder of [repo, scripts, out]) await chmod(folder, 0o755)
  await worker.prepareWritable(out)

  const mounts: Mount[] = [
    { source: repo, target: '/yoe/repo', writable: false },
    { source: scripts, target: '/yoe/in', writable: false },
    { source: out, target: '/yoe/out', writable: true },
  ]
  if (base !== undefined) mounts.push({ source: base, target: '/yoe/base.tar.zst', writable: false })
  const tail = new Tail()
  const title = base === undefined ? `install ${packages.length} packages` : `add ${packageNames(input).join(', ')}`
  const result = await step(input.report, title, () =>
    worker.run({
      root: input.tools ?? 'host',
      argv: ['sh', `/yoe/in/${installer.script}`],
      env: { PATH: path, SOURCE_DATE_EPOCH: String(input.sourceDateEpoch), ...installer.env },
      cwd: '/',
      mounts,
      tmpfs: [{ target: '/work', size: Math.floor(totalmem() * 0.8) }],
      network: false,
      identity: 'install',
      limits: { ...defaultLimits, processes: 4096, memoryBytes: totalmem() },
      output: (chunk) => {
        tail.add(chunk)
        input.log(chunk)
      },
      ...(input.signal === undefined ? {} : { signal: input.signal }),
    }),
  )
  if (result.kind === 'killed') throw new YoeError('INSTALL_FAILED', `the installation was ended: ${result.why}`)
  if (result.code === 127) throw missingTool(tail, input.tools, installer.hostHint)
  if (result.code !== 0) throw installer.failure(tail)
  await keep(join(out, 'root.tar.zst'), input.output)
}

/** Names of what is installed, in order. */
export const packageNames = ({ packages }: Pick<InstallInput, 'packages'>): readonly string[] =>
  packages.map(({ record }) => record.name).toSorted()

/**
 * Shell: `pack` writes what is below $root to /yoe/out/root.tar.zst: entries sorted, owners numeric, times no later than
 * $SOURCE_DATE_EPOCH. It calls `say`.
 */
export const packFunction: string = String.raw`pack() {
  say "packing"
  # The very first tools root is made on a machine that may have no zstd, and brings one.
  zstd=zstd
  command -v zstd >/dev/null || zstd="chroot $root zstd"
  tar -C $root --sort=name --numeric-owner --one-file-system --xattrs --xattrs-include='*' --format=pax \
    --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime \
    --clamp-mtime --mtime=@$SOURCE_DATE_EPOCH -c . | $zstd -q -3 -T2 -c >/yoe/out/root.tar.zst
}
`

/** Lines of an installation's log that an error shows. */
const shownLines = 40

/** Keeps the end of a log, whole lines, for errors. */
export class Tail {
  #text = ''

  add(chunk: Uint8Array): void {
    this.#text = (this.#text + Buffer.from(chunk).toString('utf8')).slice(-64 * 1024)
  }

  /** The last lines; of those after the first that begins with `error`, where there is one, only two. */
  lines(error?: string): readonly string[] {
    const all = this.#text.trimEnd().split('\n')
    const at = error === undefined ? -1 : all.findIndex((line) => line.startsWith(error))
    return at < 0 ? all.slice(-shownLines) : all.slice(Math.max(0, at + 3 - shownLines), at + 3)
  }

  text(): string {
    return this.#text
  }
}

/** Where an installer's log is, and its end. */
interface Logged {
  readonly log: { readonly path: string; readonly tail: readonly string[] }
}

/** @param kind `postinst` */
export const scriptFailed = (name: string, kind: string, log: Logged): YoeError =>
  new YoeError('INSTALL_FAILED', `${name}'s ${kind} script failed while its package was installed`, {
    hint: `what it printed is above the error; scripts run without network, services or /run (yoe desc ${name})`,
    ...log,
  })

/** What is unpacked lies in memory, which can be too small. */
export const memoryFull = (log: Logged): YoeError =>
  new YoeError('DISK_FULL', 'the memory that packages are installed in is full', {
    hint: 'free memory, or add swap: the unpacked image and its packages must fit',
    ...log,
  })

/** The file may belong to an id of the sandbox: root makes it its own, others copy it. Nothing runs there any more. */
async function keep(from: string, to: string): Promise<void> {
  const me = process.geteuid?.()
  try {
    const found = await lstat(from)
    if (!found.isFile())
      throw new YoeError(
        'INSTALL_FAILED',
        'the installation left no root file system, but something else in its place',
        {
          hint: 'a script of one of the packages did: its log tells what ran',
        },
      )
    if (me === 0) await chown(from, 0, 0)
    if (me === 0 || me === found.uid) await rename(from, to)
    else await copyFile(from, to)
    await chmod(to, 0o644)
  } catch (failure) {
    throw failure instanceof YoeError ? failure : await writeFailure(failure, to)
  }
}

function missingTool(tail: Tail, tools: string | undefined, hostHint: string): YoeError {
  const tool = /(\S+): (?:command )?not found/.exec(tail.text())?.[1] ?? 'a tool'
  return new YoeError(
    'TOOL_MISSING',
    `${tool} is missing ${tools === undefined ? 'on this machine' : 'in the tools root'}`,
    { hint: tools === undefined ? hostHint : 'add its package to the tools unit' },
  )
}
