#!/bin/sh
# yoe @VERSION@ in one file: needs Node 24. What follows the last line is its npm package, unpacked at the first start.
set -eu
node=$(command -v node) || { echo "yoe: no Node.js in PATH; install Node 24 or newer" >&2; exit 3; }
caches=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
[ -n "$caches" ] || { echo "yoe: HOME is not set, where it keeps what it unpacks; set XDG_CACHE_HOME" >&2; exit 3; }
programs=$caches/yoe/programs
home=$programs/@VERSION@-@DIGEST@
if [ ! -e "$home/dist/yoe.js" ]; then
  fail() { echo "yoe: could not unpack itself into $programs: $1" >&2; exit 3; }
  # Only this user may write what is run from there; tasks of builds read the modules in it.
  umask 022
  mkdir -p "$programs" 2>/dev/null || fail "no such folder can be made; set XDG_CACHE_HOME to one that is yours"
  work=$(mktemp -d "$programs/.new.XXXXXX" 2>/dev/null) || fail "it can't be written; set XDG_CACHE_HOME to one that is yours"
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT TERM HUP
  sum=$(tail -c +@OFFSET@ "$0" | sha256sum) || fail "$0 can't be read"
  [ "${sum%% *}" = @SHA256@ ] || fail "$0 is damaged; download it again"
  tail -c +@OFFSET@ "$0" | tar -xzf - -C "$work" || fail "its package can't be unpacked"
  sync -f "$work" 2>/dev/null || sync
  # Another one that starts at the same time makes the same folder.
  mv -T "$work/package" "$home" 2>/dev/null || [ -e "$home/dist/yoe.js" ] || fail "$home is in the way; delete it"
  rm -rf "$work"
  trap - EXIT INT TERM HUP
fi
exec "$node" "$home/dist/yoe.js" "$@"
