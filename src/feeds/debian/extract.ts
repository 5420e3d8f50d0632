import type { Mount } from '#engine/build/worker.ts'
import { defaultLimits } from '#engine/build/worker.ts'
import { YoeError } from '#engine/errors.ts'
import type { ExtractInput } from '#engine/formats.ts'

/**
 * Unpacks .debs over each other with the root's own dpkg-deb, in a sandbox: an archive that leads out of the folder
 * leads nowhere.
 *
 * @throws {YoeError} PACKAGE_INVALID when one can't be unpacked
 */
export async function extractDebs(input: ExtractInput): Promise<void> {
  const { packages, dest, root, worker, log, signal } = input
  await worker.prepareWritable(dest)
  const mounts: Mount[] = [{ source: dest, target: '/yoe/sysroot', writable: true }]
  packages.forEach((source, index) => {
    mounts.push({ source, target: `/yoe/in/${String(index).padStart(5, '0')}.deb`, writable: false })
  })
  // Debian's merged /usr: what an old package puts into /lib must meet what others put into /usr/lib.
  const merge = 'cd /yoe/sysroot; for d in bin lib lib64 sbin; do mkdir -p usr/$d; [ -e $d ] || ln -s usr/$d $d; done'
  const unpack =
    'for deb in /yoe/in/*.deb; do dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C /yoe/sysroot; done'
  const result = await worker.run({
    root,
    argv: ['/bin/bash', '-e', '-o', 'pipefail', '-c', `${merge}; ${unpack}`],
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' },
    cwd: '/',
    mounts,
    network: false,
    identity: 'user',
    limits: defaultLimits,
    output: log,
    ...(signal === undefined ? {} : { signal }),
  })
  if (result.kind === 'exited' && result.code === 0) return
  const how = result.kind === 'killed' ? result.why : `exit code ${result.code}`
  throw new YoeError('PACKAGE_INVALID', `the sysroot could not be unpacked: ${how}`, {
    hint: 'the log says which package',
  })
}
