import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { InstallInput } from '#engine/formats.ts'
import { generateOpenPgpKey } from '../keys/openpgp.ts'
import { packageNames, runInstaller } from '../shared/install.ts'
import { installFailure } from './install-failure.ts'
import { addScript, createScript, fillScript, unpackScript } from './install-scripts.ts'
import { debianArch } from './names.ts'
import { closureRepository } from './repository.ts'

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
  const files = { names: `${packageNames(input).join('\n')}\n`, 'create.sh': createScript, 'fill.sh': fillScript }
  await runInstaller(input, {
    closure: (root) => signClosure(root, input),
    files: { ...files, 'add.sh': addScript, 'unpack.pl': unpackScript },
    script: input.base === undefined ? 'create.sh' : 'add.sh',
    env: { YOE_ARCH: debianArch(input.arch) },
    failure: (tail) => installFailure(tail, input),
    hostHint: 'sudo apt-get install mmdebstrap zstd',
  })
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
