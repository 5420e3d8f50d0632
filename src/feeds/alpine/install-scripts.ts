import { packFunction } from '../shared/install.ts'

/**
 * What runs inside the sandbox to install packages: shell around apk. Busybox has all that it needs beside GNU tar and zstd.
 *
 * Inside: `/yoe/repo` is the closure repository with the key that it is signed by, `/yoe/in` these scripts and lists,
 * `/yoe/out` takes the result, and `/work` is memory. Nothing else is writable.
 */
const common = String.raw`
set -eu
umask 022
export TMPDIR=/tmp HOME=/root LC_ALL=C.UTF-8

say() { echo "yoe: $*"; }

tar --help 2>&1 | grep -q -e --sort || { echo "GNU tar: not found"; exit 127; }

# Tools have an apk. The very first ones are made by that of their own packages.
first= chrooted=
if ! command -v apk >/dev/null; then
  first=/work/first
  chrooted="chroot $first"
  mkdir -p $first/yoe $first/tmp $first/dev
  for package in /yoe/repo/*/*.apk; do
    tar -C $first --no-same-owner --warning=no-unknown-keyword --exclude='.[A-Z]*' -xzf "$package"
  done
  mount --rbind /yoe $first/yoe
  mount --rbind /dev $first/dev
  [ -e $first/sbin/apk ] || [ -e $first/usr/sbin/apk ] || [ -e $first/usr/bin/apk ] || { echo "apk: not found"; exit 127; }
fi
root=$first/work/root
mkdir -p $root

# Messages are for whoever reads a log: one line each.
run_apk() {
  $chrooted apk --root /work/root --arch $YOE_ARCH --keys-dir /yoe/repo --repositories-file /dev/null \
    --repository /yoe/repo --no-cache --no-progress "$@"
}

mount_system() {
  mkdir -p $root/dev $root/proc $root/sys
  mount --rbind /dev $root/dev
  mount -t proc proc $root/proc 2>/dev/null || mount --rbind /proc $root/proc
  mount --rbind /sys $root/sys
}

umount_system() { umount -l $root/dev; umount -l $root/proc; umount -l $root/sys; }

database() {
  for place in lib/apk/db usr/lib/apk/db; do
    [ ! -e $root/$place/installed ] || { echo $root/$place; return; }
  done
}

# The initial RAM disk is made once, when everything that goes into it is installed: its trigger finds another mkinitfs.
stub=$root/usr/sbin/mkinitfs
no_initial_ram_disks() {
  mkdir -p $root/usr/sbin
  [ -e $stub ] || printf '#!/bin/sh\n# yoe: later\n' >$stub
  chmod 755 $stub
}

# mkinitfs keeps to SOURCE_DATE_EPOCH, but its archive tells the number of the device that it was packed from: this
# sandbox's memory, another one each time. The option is busybox's and GNU's.
reproducible_cpio() {
  mkdir -p $root/tmp/yoe
  cat >$root/tmp/yoe/cpio <<EOF
#!/bin/sh
PATH=$PATH
case " \$* " in *" -o "*) set -- --ignore-devno "\$@" ;; esac
exec cpio "\$@"
EOF
  chmod 755 $root/tmp/yoe/cpio
}

initial_ram_disks() {
  if grep -qs '^# yoe: later' $stub; then rm -f $stub; fi
  [ -x $root/sbin/mkinitfs ] || [ -x $root/usr/sbin/mkinitfs ] || return 0
  for modules in $root/lib/modules/*/; do
    version=$(basename "$modules")
    [ -e "$modules/initramfs-suffix" ] || continue
    suffix=$(cat "$modules/initramfs-suffix")
    # The kernel of a base has one already.
    if [ -e "$root/boot/vmlinuz$suffix" ] && [ ! -e "$root/boot/initramfs$suffix" ]; then
      say "initial RAM disk for $version"
      reproducible_cpio
      PATH=/tmp/yoe:$PATH chroot $root mkinitfs -o "/boot/initramfs$suffix" "$version"
    fi
  done
}

# What nobody asked for goes again when it is no longer needed, as on any system that apk has installed.
set_world() {
  sort -u "$1" >$root/etc/apk/world
  run_apk add --simulate >/work/simulated
  sed -n 's/^([0-9/]*) Purging \(.*\) (.*)$/\1/p' /work/simulated >/work/kept
  [ ! -s /work/kept ] || sort -u /work/kept "$1" >$root/etc/apk/world
}

audit() {
  changed=$(run_apk audit --system)
  [ -z "$changed" ] || { echo "$changed"; say "apk audit is not content"; exit 1; }
}

# What differs between two runs, between two devices, or is of no use on a device.
strip() {
  db=$(database)
  cd $root
  rm -f etc/ssh/ssh_host_* var/lib/dbus/machine-id var/lib/seedrng/seed.* var/lib/random-seed var/lib/misc/random-seed
  rm -f etc/passwd- etc/group- etc/shadow- etc/gshadow- etc/.pwd.lock
  rm -rf var/cache/apk/* var/log/apk.log $db/lock $db/*.old $db/*.new lib/apk/exec etc/apk/cache
  [ ! -e etc/machine-id ] || : >etc/machine-id
  find var/log -type f -size +0 -delete
  find usr -name __pycache__ -type d -prune -exec rm -rf {} +
  for folder in dev proc sys run tmp var/tmp; do [ ! -d $folder ] || [ -L $folder ] || find $folder -mindepth 1 -delete; done
  # Folders below them that packages have.
  awk -F: '
    $1 == "F" { folder = $2; if (folder ~ /^(dev|proc|sys|run|tmp|var\/tmp)(\/|$)/) mode[folder] = mode[folder] }
    $1 == "M" && (folder in mode) { mode[folder] = $4 " " $2 ":" $3 }
    END { for (each in mode) print each, mode[each] == "" ? "755 0:0" : mode[each] }' $db/installed | sort >/work/folders
  while read -r folder mode owner; do
    mkdir -p $folder
    chown $owner $folder
    chmod $mode $folder
  done </work/folders
  # When a password was set: adduser takes the clock's word.
  [ ! -e etc/shadow ] || awk -v day=$((SOURCE_DATE_EPOCH / 86400)) 'BEGIN { FS = OFS = ":" } $3 > day { $3 = day } { print }' etc/shadow >/work/shadow
  [ ! -e etc/shadow ] || cat /work/shadow >etc/shadow
  cd /
}

${packFunction}`

/** Makes a root file system from nothing. */
export const createScript: string = `${common}
mount_system
no_initial_ram_disks
say "installing $(wc -l </yoe/in/names) packages"
run_apk add --initdb $(cat /yoe/in/names)
initial_ram_disks
set_world /yoe/in/world
audit
umount_system
sed -n 's/^P://p' $(database)/installed | sort >/work/installed
sort /yoe/in/names | diff - /work/installed || { say "other packages are installed than were asked for"; exit 1; }
strip
pack
`

/** Adds packages to an existing root file system. */
export const addScript: string = `${common}
say "unpacking the base"
zstd -q -dc /yoe/base.tar.zst | tar -C $root -x --numeric-owner -p --xattrs --xattrs-include='*'
mount_system
no_initial_ram_disks
# Asked for by what is added, from now on.
grep -vxFf /yoe/in/needed $root/etc/apk/world >/work/world || :
run_apk add $(cat /yoe/in/names)
initial_ram_disks
cat /yoe/in/world >>/work/world
set_world /work/world
audit
umount_system
strip
pack
`
