import type { Run } from './worker.ts'

/**
 * What a container runs before the run's own command, by programs of the root (sh, util-linux, env). A container's first
 * id is an unprivileged one of the host; the namespace made here shows it as 0, and the ids of an installing run are
 * written from outside, by whoever may (docker.ts). Nothing of the host's root is ever inside.
 *
 * A shell stays the first process, which takes in orphans; when it ends, all that is left ends.
 */

/** Prevents further user namespaces for good: without CAP_SYS_RESOURCE nobody can allow them again. */
const noMore = 'echo 0 >/proc/sys/user/max_user_namespaces || exit 125'

/** Docker gives a memory file system the mode that the root's own folder has there. */
const memoryModes = 'umask 022; chmod 1777 /tmp /dev/shm || exit 125'

/** Arguments: the command, by way of `env`. Begins when it is told to by a line of input. */
const building = `
exec 2>&1
read -r _ || exit 125
unshare --user --map-root-user sh -c '
${noMore}
${memoryModes}
exec setpriv --bounding-set=-all --inh-caps=-all "$@"' yoe "$@"
exit $?
`

/** The same, told when its namespaces are there and have ids, and in process and mount namespaces of its own. */
const installing = `
exec 2>&1
unshare --user --keep-caps --mount --propagation private --pid --fork --kill-child=KILL sh -c '
read -r _ || exit 125
mount -n -t proc -o nosuid,nodev,noexec proc /proc || exit 125
${noMore}
${memoryModes}
setpriv --bounding-set=-sys_resource --inh-caps=-all "$@"
exit $?' yoe "$@"
exit $?
`

/** The status by which the entry says that the sandbox could not be made. */
export const entryFailed = 125

/** @param token names the process among the host's */
export function containerCommand(run: Pick<Run, 'identity' | 'argv' | 'env'>, token: string): string[] {
  const script = run.identity === 'user' ? building : installing
  const variables = Object.entries(run.env).map(([name, value]) => `${name}=${value}`)
  // Its own environment would have what Docker and shells add.
  return ['sh', '-c', script, token, '/usr/bin/env', '-i', ...variables, ...run.argv]
}
