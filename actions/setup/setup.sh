#!/bin/sh
# Prepares a Debian or Ubuntu runner: only what is missing, then verified. Exit 3 with a diagnosis when it can't.
# $YOE_SETUP_ROOT stands before every system path that is written or probed: for tests.
set -eu
root=${YOE_SETUP_ROOT:-}

say() { printf '%s\n' "$*"; }
fail() { printf '::error title=yoe setup::%s\n' "$*"; exit 3; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

flag() { case $2 in true | false) ;; *) fail "the input $1 is \"$2\"; it must be \"true\" or \"false\"" ;; esac; }
flag qemu "${YOE_SETUP_QEMU:=true}"
flag free-disk "${YOE_SETUP_FREE_DISK:=false}"

free_disk() {
  [ "$YOE_SETUP_FREE_DISK" = true ] || return 0
  for folder in /usr/share/dotnet /usr/local/lib/android /opt/ghc /usr/local/.ghcup /opt/hostedtoolcache/CodeQL; do
    [ -d "$root$folder" ] || continue
    say "removing $folder"
    as_root rm -rf "$root$folder"
  done
}

packages() {
  wanted="bwrap:bubblewrap newuidmap:uidmap mmdebstrap:mmdebstrap unshare:util-linux mount:mount git:git xz:xz-utils ssh:openssh-client"
  if [ "$YOE_SETUP_QEMU" = true ]; then
    case $(uname -m) in
      aarch64) wanted="$wanted qemu-system-aarch64:qemu-system-arm" ;;
      *) wanted="$wanted qemu-system-x86_64:qemu-system-x86" ;;
    esac
  fi
  missing=
  for pair in $wanted; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
  done
  [ -n "$missing" ] || { say "packages: all there"; return 0; }
  command -v apt-get >/dev/null 2>&1 || fail "this runner lacks$missing and has no apt-get to install them"
  say "installing$missing"
  # shellcheck disable=SC2086
  { as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >/dev/null ||
    fail "apt-get could not install$missing"
}

setting() { cat "$root/proc/sys/$1" 2>/dev/null || echo ''; }

# The two ways in which the sandbox makes a user namespace; both need capabilities inside it.
sandbox_works() {
  unshare --user --map-root-user --mount --pid --fork sh -c 'mount -t tmpfs tmpfs /tmp' >/dev/null 2>&1 &&
    bwrap --unshare-user --unshare-net --ro-bind / / true >/dev/null 2>&1
}

sandbox() {
  if sandbox_works; then say "sandbox: works"; return 0; fi
  if [ "$(setting kernel/apparmor_restrict_unprivileged_userns)" = 1 ] && command -v apparmor_parser >/dev/null 2>&1; then
    say "sandbox: allowing user namespaces to bwrap and unshare, and to nothing else"
    profile=$root/etc/apparmor.d/yoe-sandbox
    as_root tee "$profile" >/dev/null <<'PROFILE'
abi <abi/4.0>,
include <tunables/global>

profile yoe-bwrap /usr/bin/bwrap flags=(unconfined) {
  userns,
}
profile yoe-unshare /usr/bin/unshare flags=(unconfined) {
  userns,
}
PROFILE
    as_root apparmor_parser -r "$profile" || say "apparmor_parser refused the profile"
  fi
  if sandbox_works; then say "sandbox: works"; return 0; fi
  [ "$(setting user/max_user_namespaces)" != 0 ] || fail "user namespaces are switched off: sudo sysctl -w user.max_user_namespaces=28633"
  [ "$(setting kernel/unprivileged_userns_clone)" != 0 ] || fail "user namespaces are root's alone: sudo sysctl -w kernel.unprivileged_userns_clone=1"
  [ "$(setting kernel/apparmor_restrict_unprivileged_userns)" != 1 ] ||
    fail "AppArmor still takes all rights from user namespaces: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
  fail "the sandbox does not work here; in a container it needs --security-opt seccomp=unconfined --security-opt apparmor=unconfined: $(bwrap --unshare-user --unshare-net --ro-bind / / true 2>&1 | head -n 1)"
}

subordinate_ids() {
  name=$(id -un)
  [ "$(id -u)" != 0 ] || return 0
  for file in subuid subgid; do
    grep -q "^$name:" "$root/etc/$file" 2>/dev/null && continue
    say "giving $name subordinate ids in /etc/$file"
    printf '%s:100000:65536\n' "$name" | as_root tee -a "$root/etc/$file" >/dev/null
  done
}

kvm() {
  usable=false
  [ "$YOE_SETUP_QEMU" = true ] || return 0
  device=$root/dev/kvm
  if [ -e "$device" ] && ! { [ -r "$device" ] && [ -w "$device" ]; } && command -v udevadm >/dev/null 2>&1; then
    echo 'KERNEL=="kvm", GROUP="kvm", MODE="0666", OPTIONS+="static_node=kvm"' | as_root tee "$root/etc/udev/rules.d/99-yoe-kvm.rules" >/dev/null
    as_root udevadm control --reload-rules || true
    as_root udevadm trigger --name-match=kvm || true
    as_root udevadm settle --timeout=10 || true
  fi
  if [ -r "$device" ] && [ -w "$device" ]; then usable=true; say "kvm: /dev/kvm can be opened"
  elif [ -e "$device" ]; then say "kvm: /dev/kvm is there but not ours; boot tests are emulated and take longer"
  else say "kvm: this runner has no /dev/kvm; boot tests are emulated and take longer"; fi
}

free_disk
packages
subordinate_ids
sandbox
kvm
[ -z "${GITHUB_OUTPUT:-}" ] || printf 'kvm=%s\n' "$usable" >>"$GITHUB_OUTPUT"
say "disk: $(df -h --output=avail "${GITHUB_WORKSPACE:-/}" | tail -n 1 | tr -d ' ') free"
