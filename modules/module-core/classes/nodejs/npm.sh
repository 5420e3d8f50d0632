# Fetches what package-lock.json names into npm's cache, or installs it from there.
# usage: npm.sh fetch|install [SCRIPT…]    the scripts of package.json that build the application
set -e
step=$1
shift
# Tasks have id 0 and nobody else's: to npm that looks like root, who gives files to those that packed them.
program=$(command -v npm)
npm() { node --require "$HOME/owner.js" "$program" "$@"; }
cd "$APP_BUILD"
node "$HOME/lock.js" "$@" && status=0 || status=$?
# An application without packages.
[ $status -ne 3 ] || exit 0
[ $status -eq 0 ] || exit 1
omit=--omit=dev
[ $# -eq 0 ] || omit=

case $step in
fetch)
  # In a copy: what reaches the network writes to nothing that is packaged.
  cp -a . "$HOME/fetched"
  cd "$HOME/fetched"
  # Without a network, as a proxy or an interface, npm would wait for one.
  ask=--prefer-offline
  [ -n "$https_proxy" ] || grep -qv -e '|' -e '^ *lo:' /proc/net/dev || ask=--offline
  if ! npm ci $omit --ignore-scripts $ask; then
    echo 'error: npm can not fetch what package-lock.json names; what it says is above'
    echo '  a lock that does not fit package.json is mended by: npm install --package-lock-only'
    exit 1
  fi
  rm -rf "$HOME/fetched"
  ;;
install)
  npm ci $omit --offline --foreground-scripts
  for script; do npm run "$script"; done
  [ $# -eq 0 ] || npm prune --omit=dev --offline
  # It names where packages came from, which is the mirror of whoever builds.
  rm -f node_modules/.package-lock.json
  # Of addons that were compiled here, what is loaded is left.
  find node_modules -path '*/build/config.gypi' -type f | while IFS= read -r config; do
    rm -rf "${config%/*}/Release/obj.target"
    find "${config%/*}" -type f ! -name '*.node' -delete
    find "${config%/*}" -depth -type d -empty -delete
  done
  ;;
esac
