import type { Mount } from '#engine/build/worker.ts'
import { defaultLimits } from '#engine/build/worker.ts'
import { YoeError } from '#engine/errors.ts'
import type { ExtractInput } from '#engine/formats.ts'

/**
 * Unpacks .debs with the root's own dpkg-deb, each into a folder of its own, in a sandbox: an archive that leads out of
 * it leads nowhere.
 *
 * @throws {YoeError} PACKAGE_INVALID when one can't be unpacked
 */
export async function extractDebs(input: ExtractInput): Promise<void> {
  const { packages, dest, root, worker, log, signal } = input
  await worker.prepareWritable(dest)
  const mounts: Mount[] = [{ source: dest, target: '/yoe/out', writable: true }]
  packages.forEach((source, index) => {
    mounts.push({ source, target: `/yoe/in/${index}.deb`, writable: false })
  })
  // Debian's merged /usr: what an old package puts into /lib must meet what others put into /usr/lib.
  const merge = 'for d in bin lib lib64 sbin; do mkdir -p usr/$d; ln -s usr/$d $d; done'
  const unpack = 'dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink'
  const each = `mkdir /yoe/out/$1 && cd /yoe/out/$1 && deb=/yoe/in/$1.deb && { ${merge}; } && ${unpack}`
  const all = 'seq 0 "$1" | xargs -r -n 1 -P "$(nproc)" bash -o pipefail -c "$2" bash'
  const result = await worker.run({
    root,
    argv: ['/bin/bash', '-o', 'pipefail', '-c', all, 'bash', String(packages.length - 1), each],
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
  throw new YoeError('PACKAGE_INVALID', `a package could not be unpacked: ${how}`, {
    hint: 'the log says which package',
  })
}
