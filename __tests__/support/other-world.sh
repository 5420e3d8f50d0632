# Runs a program as somebody else, elsewhere: a plain user with subordinate ids, another host name, time zone, locale,
# umask, home and one processor, with its project and temporary files in memory. Nothing of it stays: all of it is in
# namespaces of its own. Started by e2e/reproducible.slow.test.ts through `unshare --mount --uts --propagation private`.
set -eu
node=$1 repo=$2 world=$3 id=$4; shift 4
hostname elsewhere.example
mount -n -t tmpfs -o mode=755 yoe /mnt
mkdir -p /mnt/node /mnt/repo /mnt/etc /mnt/world "/mnt/in memory/a longer way/than before"
mount -n --bind "$node" /mnt/node
mount -n --bind "$repo" /mnt/repo
mount -n --bind "$world" /mnt/world
{ cat /etc/passwd; echo "yoe-plain:x:$id:$id::/mnt/world/home:/bin/sh"; } >/mnt/etc/passwd
echo "yoe-plain:3000000000:65536" >/mnt/etc/ids
mount -n --bind /mnt/etc/passwd /etc/passwd
mount -n --bind /mnt/etc/ids /etc/subuid
mount -n --bind /mnt/etc/ids /etc/subgid
cp -r "$world/project" "/mnt/in memory/a longer way/than before/project"
chown -R "$id:$id" "/mnt/in memory" "$world"
cd "/mnt/in memory/a longer way/than before/project"
umask 077
exec setpriv --reuid "$id" --regid "$id" --clear-groups taskset --cpu-list 0 \
  env -i HOME=/mnt/world/home TMPDIR=/mnt/world TZ=Pacific/Kiritimati LC_ALL=tr_TR.UTF-8 LANG=tr_TR.UTF-8 USER=yoe-plain \
  PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin "YOE_CACHE=/mnt/world/cache" "YOE_MIRRORS=${YOE_MIRRORS-}" /bin/sh -c "$1" /mnt/node/node /mnt/repo/src/cli/main.mjs
