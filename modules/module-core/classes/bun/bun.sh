# Fetches what bun.lock names into a cache, or installs it from there. usage: bun.sh fetch|install
set -e
cd "$APP_BUILD"
bun "$HOME/lock.ts" && status=0 || status=$?
# An application without packages.
[ $status -ne 3 ] || exit 0
[ $status -eq 0 ] || exit 1

# One for each lock: Bun checks what it downloads, but takes what is in a cache at its word.
lock=$(cat package.json bun.lock | sha256sum)
export BUN_INSTALL_CACHE_DIR="$BUN_INSTALL_CACHE_DIR/${lock%% *}"
complete=$BUN_INSTALL_CACHE_DIR/.complete
install="bun install --frozen-lockfile --production --backend=copyfile --no-progress"

case $1 in
fetch)
  if [ -e "$complete" ]; then
    echo 'the packages are in the cache'
    exit 0
  fi
  rm -rf "$BUN_INSTALL_CACHE_DIR"
  # In a copy: what reaches the network writes to nothing that is packaged.
  cp -a . "$HOME/fetched"
  cd "$HOME/fetched"
  if ! $install --ignore-scripts; then
    echo 'error: bun can not fetch what bun.lock names; what it says is above'
    echo '  a lock that does not fit package.json is mended by: bun install --lockfile-only'
    exit 1
  fi
  rm -rf "$HOME/fetched"
  : >"$complete"
  ;;
install)
  if [ ! -e "$complete" ]; then
    echo 'error: the packages are not in the cache: the task fetch has to run first'
    exit 1
  fi
  $install --offline
  ;;
esac
