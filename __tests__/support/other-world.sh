# Runs a script as if on another machine: another time zone, locale, umask and way to the project, and one processor.
# Started by e2e/reproducible.slow.test.ts through plain-user.sh; the script finds Node as $0 and yoe as $1.
set -eu
mkdir -p "/mnt/memory/a longer way/than before"
cp -r /mnt/world/project "/mnt/memory/a longer way/than before/project"
cd "/mnt/memory/a longer way/than before/project"
umask 077
export TZ=Pacific/Kiritimati LC_ALL=tr_TR.UTF-8 LANG=tr_TR.UTF-8
exec taskset --cpu-list 0 /bin/sh -c "$1" /mnt/node/node /mnt/repo/src/cli/main.mjs
