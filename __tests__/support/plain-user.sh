# Becomes a plain user with subordinate ids, for one command, in a mount namespace where both are in /etc; nothing of it
# stays. Node, the checkout and a folder that is the user's are shown as /mnt/node, /mnt/repo and /mnt/world, since the
# folders above them may be root's alone; /mnt/memory is the user's, too, and in memory. Started by plain-user.ts.
set -eu
node=$1 repo=$2 world=$3 id=$4; shift 4
mount -n -t tmpfs -o mode=755 yoe /mnt
mkdir -p /mnt/node /mnt/repo /mnt/world /mnt/memory /mnt/etc "$world/home"
mount -n --bind "$node" /mnt/node
mount -n --bind "$repo" /mnt/repo
mount -n --bind "$world" /mnt/world
{ cat /etc/passwd; echo "yoe-plain:x:$id:$id::/mnt/world/home:/bin/sh"; } >/mnt/etc/passwd
echo "yoe-plain:3000000000:65536" >/mnt/etc/ids
mount -n --bind /mnt/etc/passwd /etc/passwd
mount -n --bind /mnt/etc/ids /etc/subuid
mount -n --bind /mnt/etc/ids /etc/subgid
chown -R "$id:$id" /mnt/memory "$world"
cd /mnt/world
exec setpriv --reuid "$id" --regid "$id" --clear-groups env -i \
  HOME=/mnt/world/home TMPDIR=/mnt/world USER=yoe-plain PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin "$@"
