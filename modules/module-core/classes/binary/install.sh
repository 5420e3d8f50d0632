# Installs files of the source. usage: install.sh NAME [FROM TO]…    by default the program NAME, or the only file
set -e
name=$1
shift
cd "$SRCDIR"
if [ $# -eq 0 ]; then
  if [ -f "$name" ]; then
    set -- "$name" "/usr/bin/$name"
  elif only=$(find . -type f ! -path './.git*') && [ "$(printf '%s\n' "$only" | wc -l)" = 1 ]; then
    set -- "$only" "/usr/bin/$name"
  else
    echo "error: there is no $name among these, so say files = {\"FROM\": \"/usr/bin/$name\"}:"
    find . -type f ! -path './.git*' | sort | sed 's|^\./|  |' | head -n 100
    exit 1
  fi
fi
while [ $# -gt 0 ]; do
  from=$1 to=$DESTDIR$2
  shift 2
  if [ ! -e "$from" ] && [ ! -L "$from" ]; then
    echo "error: files: the source has no $from, only:"
    find . -type f ! -path './.git*' | sort | sed 's|^\./|  |' | head -n 100
    exit 1
  fi
  mkdir -p "${to%/*}"
  cp -RPT "$from" "$to"
  case $to in */bin/* | */sbin/* | */libexec/*) [ ! -f "$to" ] || chmod 755 "$to" ;; esac
done
