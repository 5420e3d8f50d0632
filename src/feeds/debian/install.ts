import { chmod, copyFile, mkdir, open, rename, rm, writeFile } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { requireEmulation } from '#engine/build/binfmt.ts'
import { defaultLimits, type Mount } from '#engine/build/worker.ts'
import { YoeError } from '#engine/errors.ts'
import { step } from '#engine/events.ts'
import type { InstallInput } from '#engine/formats.ts'
import { requireSpace, writeFailure } from '#engine/store/disk.ts'
import { tempName } from '#engine/store/temp.ts'
import { generateOpenPgpKey } from '../keys/openpgp.ts'
import { installFailure, Tail } from './install-failure.ts'
import { addScript, createScript, fillScript, unpackScript } from './install-scripts.ts'
import { debianArch } from './names.ts'
import { closureRepository } from './repository.ts'

/** The installer's whole environment. */
const path = '/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * Installs exactly `input.packages` with the distribution's own mmdebstrap, apt and dpkg in a sandbox without network,
 * and writes the root file system as a zstd tar: entries sorted, owners numeric, times no later than
 * `input.sourceDateEpoch`, without logs, caches, host keys, machine id and device nodes. Everything is checked against
 * the digests of `input.packages` by apt, through a repository that is signed for this run. No tree is written to the
 * host's disk. Same input, same bytes.
 *
 * With `input.base`, packages are added to that root file system, whose own packages must satisfy what is missing.
 *
 * @throws {YoeError} INSTALL_FAILED (with package, script and log), TOOL_MISSING, SANDBOX_UNAVAILABLE, DISK_FULL
 */
export async function installRoot(input: InstallInput): Promise<void> {
  const { workdir, packages, worker, base } = input
  // Maintainer scripts of another architecture run where the kernel knows an emulator for it.
  await requireEmulation([input.arch])
  const bytes = packages.reduce((sum, { size }) => sum + size, 0)
  // The packed root is larger than the packages by a third at most: they are xz, it is zstd.
  await requireSpace(dirname(input.output), 2 * bytes)

  const [repo, scripts, out] = [join(workdir, 'repo'), join(workdir, 'in'), join(workdir, 'out')]
  await step(input.report, 'sign the closure', () => signClosure(repo, input))
  await mkdir(scripts)
  await mkdir(out)
  const names = packages.map(({ record }) => record.name).toSorted()
  const texts = { names: `${names.join('\n')}\n`, 'create.sh': createScript, 'fill.sh': fillScript }
  for (const [name, text] of Object.entries({ ...texts, 'add.sh': addScript, 'unpack.pl': unpackScript }))
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
  const title = base === undefined ? `install ${packages.length} packages` : `add ${names.join(', ')}`
  const result = await step(input.report, title, () =>
    worker.run({
      root: input.tools ?? 'host',
      argv: ['sh', base === undefined ? '/yoe/in/create.sh' : '/yoe/in/add.sh'],
      env: { PATH: path, SOURCE_DATE_EPOCH: String(input.sourceDateEpoch), YOE_ARCH: debianArch(input.arch) },
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
  if (result.code === 127) throw missingTool(tail, input.tools)
  if (result.code !== 0) throw installFailure(tail, input)
  await keep(join(out, 'root.tar.zst'), input.output)
}

/** A repository of exactly the input's packages, signed by a key that is forgotten with this call. */
async function signClosure(root: string, { arch, distro, packages, report }: InstallInput): Promise<void> {
  const now = new Date()
  const signingKey = await generateOpenPgpKey('closure', now)
  const date = Math.floor(now.getTime() / 1000)
  const common = { root, project: 'closure', suite: 'closure', distro, arch, signingKey, date, report }
  await closureRepository({ ...common, entries: packages })
  await writeFile(join(root, 'key.asc'), signingKey.publicKey, { mode: 0o644 })
}

/** The file belongs to an id of the sandbox: what stays is a copy of our own, whole or absent. */
async function keep(from: string, to: string): Promise<void> {
  const temp = join(dirname(to), tempName())
  try {
    await copyFile(from, temp)
    const file = await open(temp, 'r+')
    await file.chmod(0o644)
    await file.sync()
    await file.close()
    await rename(temp, to)
  } catch (failure) {
    throw await writeFailure(failure, to)
  } finally {
    await rm(temp, { force: true })
  }
}

function missingTool(tail: Tail, tools: string | undefined): YoeError {
  const tool = /(\S+): (?:command )?not found/.exec(tail.text())?.[1] ?? 'a tool'
  return new YoeError(
    'TOOL_MISSING',
    `${tool} is missing ${tools === undefined ? 'on this machine' : 'in the tools root'}`,
    {
      hint: tools === undefined ? 'sudo apt-get install mmdebstrap zstd' : 'add its package to the tools unit',
    },
  )
}
