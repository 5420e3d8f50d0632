#!/bin/sh
# Prepares a Debian or Ubuntu runner: only what is missing, then verified. Started by src/github/prepare.ts, which shows
# what is printed; on standard error stands the diagnosis when it can't (exit 3).
# $YOE_SETUP_ROOT stands before every system path that is written or probed: for tests.
set -eu
root=${YOE_SETUP_ROOT:-}
: "${YOE_SETUP_QEMU:=true}" "${YOE_SETUP_FREE_DISK:=auto}" "${YOE_SETUP_ARCHES:=}"
# What a kernel, its toolchain and an image take, with room.
enough_disk=20

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 3; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

# Whole gigabytes that are free where builds write.
free_gigabytes() { df --output=avail -B 1000000000 "${GITHUB_WORKSPACE:-/}" | tail -n 1 | tr -d ' '; }

# Toolchains that GitHub's images bring and nothing here uses. Only their machines are swept without being asked.
disk() {
  if [ "$YOE_SETUP_FREE_DISK" = true ] || { [ "$YOE_SETUP_FREE_DISK" = auto ] && [ "${RUNNER_ENVIRONMENT:-}" = github-hosted ] && [ "$(free_gigabytes)" -lt "$enough_disk" ]; }; then
    for folder in /usr/share/dotnet /usr/local/lib/android /opt/ghc /usr/local/.ghcup /opt/hostedtoolcache/CodeQL /usr/share/swift; do
      [ -d "$root$folder" ] || continue
      say "removing $folder"
      as_root rm -rf "$root$folder"
    done
  fi
  left=$(free_gigabytes)
  if [ "$left" -ge "$enough_disk" ]; then say "disk: $left GB free"
  else say "disk: only $left GB free; a build that runs out of it says so, and keeps what is done"; fi
}

own=$(uname -m)
uname_of() { case $1 in arm64) echo aarch64 ;; *) echo "$1" ;; esac; }

# Those of $YOE_SETUP_ARCHES that this machine's processor is not.
foreign() { for arch in $YOE_SETUP_ARCHES; do [ "$(uname_of "$arch")" = "$own" ] || uname_of "$arch"; done; }

emulators() {
  for machine in "$own" $(foreign); do
    case $machine in
      aarch64) echo qemu-system-aarch64:qemu-system-arm ;;
      riscv64) echo qemu-system-riscv64:qemu-system-misc ;;
      *) echo qemu-system-x86_64:qemu-system-x86 ;;
    esac
  done
}

packages() {
  wanted="bwrap:bubblewrap newuidmap:uidmap mmdebstrap:mmdebstrap unshare:util-linux mount:mount git:git xz:xz-utils ssh:openssh-client"
  [ "$YOE_SETUP_QEMU" = false ] || wanted="$wanted $(emulators | tr '\n' ' ')"
  missing=
  for pair in $wanted; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
  done
  # QEMU recommends its firmware, and recommendations are left out.
  if [ "$YOE_SETUP_QEMU" = true ] && [ "$own" = x86_64 ]; then
    [ -e "$root/usr/share/seabios/bios-256k.bin" ] || [ -e "$root/usr/share/qemu/bios-256k.bin" ] || missing="$missing seabios"
  fi
  for machine in $(foreign); do
    [ -e "$root/proc/sys/fs/binfmt_misc/qemu-$machine" ] || { missing="$missing qemu-user-static binfmt-support"; break; }
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
  [ "$YOE_SETUP_QEMU" = true ] || return 0
  device=$root/dev/kvm
  if [ -e "$device" ] && ! { [ -r "$device" ] && [ -w "$device" ]; } && command -v udevadm >/dev/null 2>&1; then
    echo 'KERNEL=="kvm", GROUP="kvm", MODE="0666", OPTIONS+="static_node=kvm"' | as_root tee "$root/etc/udev/rules.d/99-yoe-kvm.rules" >/dev/null
    as_root udevadm control --reload-rules || true
    as_root udevadm trigger --name-match=kvm || true
    as_root udevadm settle --timeout=10 || true
  fi
  if [ -r "$device" ] && [ -w "$device" ]; then say "kvm: /dev/kvm can be opened"
  elif [ -e "$device" ]; then say "kvm: /dev/kvm is there but not ours; boot tests are emulated and take longer"
  else say "kvm: this runner has no /dev/kvm; boot tests are emulated and take longer"; fi
}

disk
packages
subordinate_ids
sandbox
kvm
