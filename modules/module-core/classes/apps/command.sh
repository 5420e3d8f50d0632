# Makes a command of an application: /usr/bin/NAME starts TARGET by RUNTIME.
# usage: command.sh RUNTIME FOLDER NAME TARGET
# FOLDER is the application's on the device, TARGET a file of it, a program of a package, or PACKAGE:SCRIPT.
set -e
folder=$2 name=$3 target=$4
case $1 in nodejs) runtime=node ;; *) runtime=$1 ;; esac

if [ -f "$APP_BUILD/$target" ]; then
  file=$target
else
  case $target in
  *:*) file=node_modules/${target%%:*}/${target#*:} ;;
  *) file=node_modules/.bin/$target ;;
  esac
fi
if [ ! -f "$APP_BUILD/$file" ]; then
  echo "error: entry_points: $name is to start \"$target\", and the application has neither $target nor $file"
  exit 1
fi

# What says itself how it is started needs no help, unless it asks for a Node.js that is not there.
started="$runtime $folder/$file"
case $file in
node_modules/.bin/*)
  if [ "$runtime" = node ] || ! head -n 1 "$APP_BUILD/$file" | grep -aq '^#!.*node'; then started=$folder/$file; fi
  ;;
esac
mkdir -p "$DESTDIR/usr/bin"
printf '#!/bin/sh\nexec %s "$@"\n' "$started" >"$DESTDIR/usr/bin/$name"
chmod 755 "$DESTDIR/usr/bin/$name"
