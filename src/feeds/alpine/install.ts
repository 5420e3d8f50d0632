import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { InstallInput } from '#engine/formats.ts'
import { generateRsaKey } from '../keys/rsa.ts'
import { packageNames, runInstaller } from '../shared/install.ts'
import { installFailure } from './install-failure.ts'
import { addScript, createScript } from './install-scripts.ts'
import { publicKeyFiles } from './keyring-package.ts'
import { apkArch } from './names.ts'
import { closureRepository } from './repository.ts'
import { askedFor, neededBy } from './world.ts'

/**
 * Installs exactly `input.packages` with Alpine's own apk, of 2.14 or 3, in a sandbox without network, and writes the root
 * file system as a zstd tar: entries sorted, owners numeric, times no later than `input.sourceDateEpoch`, without logs,
 * caches, host keys, machine id and device nodes. Each package is checked by apk against an index that is signed for this
 * run. /etc/apk/world names what no other package needs. No tree is written to the host's disk. Same input, same bytes.
 *
 * The apk is that of `input.tools`; where there are none yet, that of `input.packages` themselves.
 *
 * With `input.base`, packages are added to that root file system, whose own packages must satisfy what is missing.
 *
 * @throws {YoeError} INSTALL_FAILED (with package, script and log), TOOL_MISSING, SANDBOX_UNAVAILABLE, DISK_FULL,
 *   DIGEST_MISMATCH
 */
export async function installRoot(input: InstallInput): Promise<void> {
  const records = input.packages.map(({ record }) => record)
  const lines = (names: readonly string[]): string => names.map((name) => `${name}\n`).join('')
  await runInstaller(input, {
    closure: (root) => signClosure(root, input),
    files: {
      names: lines(packageNames(input)),
      world: lines(askedFor(records)),
      needed: lines(neededBy(records)),
      'create.sh': createScript,
      'add.sh': addScript,
    },
    script: input.base === undefined ? 'create.sh' : 'add.sh',
    env: { YOE_ARCH: apkArch(input.arch) },
    failure: (tail) => installFailure(tail, input),
    hostHint: 'sudo apt-get install tar gzip',
  })
}

/** A repository of exactly the input's packages, signed by a key that is forgotten with this call. */
async function signClosure(root: string, { arch, distro, packages, report }: InstallInput): Promise<void> {
  const now = new Date()
  const signingKey = await generateRsaKey('closure', now)
  const date = Math.floor(now.getTime() / 1000)
  const common = { root, project: 'closure', suite: 'closure', distro, arch, signingKey, date, report }
  await closureRepository({ ...common, entries: packages })
  for (const [name, pem] of await publicKeyFiles(signingKey)) await writeFile(join(root, name), pem, { mode: 0o644 })
}
