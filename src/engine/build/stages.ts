/**
 * How a run gets from this process to bubblewrap, in bash and util-linux because the steps are system calls that Node
 * has no names for. Every stage replaces itself with the next; descriptors all the way are
 *
 *   0 input, 1 and 2 output; 3 tells us `map PID` and `run PID`; 4 waits for our `go`, and for a byte when there is a way
 *   out of the network;
 *   5 bubblewrap's arguments; 6 bubblewrap's status; 7 the seccomp filter
 *
 * The chain, outermost first:
 *
 *   [plain user, install]  a user namespace with all our ids, where what follows is root
 *   [root, or install]     `hub`: sources bound to a neutral place, and locked, in a mount namespace of their own
 *   always                 `unshare` as an unprivileged id: the user namespace of the run, and a process namespace
 *                          whose end it waits for, so that when it is gone, all is
 *   always                 `enter`: limits, descriptors closed, then bubblewrap
 */

/** Waits until its user namespace has ids, then continues as root of it. */
const mapped = `
set -eu
read -r pid _ </proc/self/stat
echo "map $pid" >&3
read -r _ <&4
exec "$@"
`

/**
 * Arguments: an empty folder to mount over; `ro PATH` or `rw PATH` for every source; `--`; the uid to become or ''; the
 * map for the run's user namespace or '' for one id; the next stage.
 *
 * Binding as root makes sources reachable whatever the modes of the folders above them; made read-only here, below the
 * run's user namespace, they can't be made writable in it.
 */
const hub = `
set -eu
hub=$1; shift
mount -n -t tmpfs -o mode=755,nosuid,nodev,size=1m yoe "$hub"
n=0
while [ "$1" != -- ]; do
  if [ -d "$2" ]; then mkdir "$hub/$n"; else : >"$hub/$n"; fi
  if [ "$1" = rw ]; then mount -n -o rbind "$2" "$hub/$n"
  else
    # What the mount around it forbids (here: noexec) has to be forbidden again, or it can't be changed.
    mount -n -o rbind,ro,nosuid,nodev "$2" "$hub/$n" 2>/dev/null || mount -n -o remount,bind,ro,nosuid,nodev,noexec "$hub/$n"
  fi
  n=$((n + 1)); shift 2
done
become=$2 map=$3; shift 3
ids=--map-root-user
if [ -n "$map" ]; then
  ids=
  coproc {
    read -r pid
    # A map is one write; bash writes by line.
    cat <<<"$map" >"/proc/$pid/uid_map"
    cat <<<"$map" >"/proc/$pid/gid_map"
    echo go
  } 3>&- 4>&- 5>&- 6>&- 7>&-
  # Opened anew, since bash closes its own ends when it is replaced.
  exec 8<"/proc/self/fd/\${COPROC[0]}" 9>"/proc/self/fd/\${COPROC[1]}"
fi
as=
[ -z "$become" ] || as="--reuid $become --regid $become --clear-groups --inh-caps=-all --bounding-set=-all"
exec setpriv --pdeathsig KILL $as unshare --user $ids --pid --fork --kill-child=KILL "$@"
`

/**
 * Arguments: whether ids come through 8 and 9; RLIMIT_NPROC; RLIMIT_DATA and RLIMIT_FSIZE in KiB; 4 when bubblewrap goes
 * on waiting there, else ''; the command.
 */
const enter = `
set -eu
read -r pid _ </proc/self/stat
if [ "$1" = mapped ]; then echo "$pid" >&9; read -r _ <&8; fi
echo "run $pid" >&3
read -r _ <&4
echo 1000 >/proc/self/oom_score_adj
echo 1 2>/dev/null >/proc/sys/user/max_user_namespaces || :
umask 022; ulimit -c 0; ulimit -u "$2"; ulimit -d "$3"; ulimit -f "$4"
waits=$5
shift 5
for fd in /proc/self/fd/*; do
  fd=\${fd##*/}
  case $fd in 0 | 1 | 2 | 5 | 6 | 7 | "$waits") ;; *) eval "exec $fd>&-" ;; esac
done
exec bwrap --args 5 -- "$@"
`

const bash = (script: string, ...args: readonly string[]): string[] => [
  'bash',
  '--norc',
  '--noprofile',
  '-c',
  script,
  'yoe',
  ...args,
]

export interface Chain {
  /** In a user namespace of all our ids first: how a plain user installs. */
  readonly outerNamespace: boolean
  readonly hub:
    | {
        readonly folder: string
        readonly sources: readonly { readonly path: string; readonly writable: boolean }[]
        /** The id to become; undefined when that is what we are. */
        readonly become: number | undefined
        /** `INSIDE OUTSIDE COUNT` for the run's user namespace; undefined: one id. */
        readonly map: string | undefined
      }
    | undefined
  readonly processes: number
  readonly dataBytes: number
  readonly fileBytes: number
  /** bubblewrap waits for one more byte of 4, when its network is made. */
  readonly waits: boolean
}

/** The command line that runs `argv` through the chain. */
export function chainCommand(chain: Chain, argv: readonly string[]): string[] {
  const kib = (bytes: number): string => String(Math.max(1, Math.floor(bytes / 1024)))
  const ids = chain.hub?.map === undefined ? 'single' : 'mapped'
  const limits = [String(chain.processes), kib(chain.dataBytes), kib(chain.fileBytes)]
  const last = bash(enter, ids, ...limits, chain.waits ? '4' : '', ...argv)
  if (chain.hub === undefined)
    return [
      ...['setpriv', '--pdeathsig', 'KILL'],
      ...['unshare', '--user', '--map-root-user', '--pid', '--fork', '--kill-child=KILL'],
      ...last,
    ]
  const { folder, sources, become, map } = chain.hub
  const flat = sources.flatMap(({ path, writable }) => [writable ? 'rw' : 'ro', path])
  const hubbed = bash(hub, folder, ...flat, '--', become === undefined ? '' : String(become), map ?? '', ...last)
  const own = ['unshare', '--mount', '--propagation', 'private']
  return chain.outerNamespace
    ? ['setpriv', '--pdeathsig', 'KILL', ...own, '--user', ...bash(mapped, ...hubbed)]
    : ['setpriv', '--pdeathsig', 'KILL', ...own, ...hubbed]
}
