import { packFunction } from '../shared/install.ts'

/**
 * What runs inside the sandbox to install packages: shell around the distribution's own tools, and Perl, which
 * mmdebstrap and dpkg need anyway, for what dpkg keeps in its database.
 *
 * Inside: `/yoe/repo` is the closure repository, `/yoe/in` these scripts, `/yoe/out` takes the result, and `/work` is
 * memory. Nothing else is writable.
 */

const common = String.raw`
set -eu
umask 022
root=/work/root
export TMPDIR=/tmp HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
# The initial RAM disk is made once, when everything that goes into it is configured.
export INITRD=No

say() { echo "yoe: $*"; }

apt_options="-oAPT::Sandbox::User=root -oAcquire::Check-Date=false -oAcquire::Languages=none -oAPT::Install-Recommends=false -oDpkg::Use-Pty=false"

# Private host keys must not be the same on every device: empty files keep openssh-server's postinst from making any,
# strip removes them, and the first boot makes them.
no_host_keys() {
  [ -d $root/etc/ssh ] || mkdir -p $root/etc/ssh
  for kind in rsa ecdsa ed25519; do [ -e $root/etc/ssh/ssh_host_$kind''_key ] || : >$root/etc/ssh/ssh_host_$kind''_key; done
}

mount_system() {
  mkdir -p $root/dev $root/proc $root/sys
  mount --rbind /dev $root/dev
  mount -t proc proc $root/proc 2>/dev/null || mount --rbind /proc $root/proc
  mount --rbind /sys $root/sys
}

umount_system() { umount -l $root/dev $root/proc $root/sys; }

no_services() {
  printf '#!/bin/sh\nexit 101\n' >$root/usr/sbin/policy-rc.d
  chmod 755 $root/usr/sbin/policy-rc.d
}

initial_ram_disks() {
  [ -x $root/usr/sbin/update-initramfs ] || return 0
  for modules in $root/lib/modules/*/; do
    version=$(basename "$modules")
    if [ -e "$root/boot/vmlinuz-$version" ] && [ ! -e "$root/boot/initrd.img-$version" ]; then
      say "initial RAM disk for $version"
      chroot $root env -u INITRD update-initramfs -c -k "$version"
      [ ! -x $root/usr/bin/linux-update-symlinks ] || chroot $root env -u INITRD linux-update-symlinks upgrade "$version" "/boot/vmlinuz-$version"
    fi
  done
}

audit() {
  said=$(chroot $root dpkg --audit)
  [ -z "$said" ] || { echo "$said"; say "dpkg --audit is not content"; exit 1; }
  half=$(chroot $root dpkg-query -W -f '$''{db:Status-Abbrev} $''{Package}\n' | grep -v '^ii ' || :)
  [ -z "$half" ] || { echo "$half"; say "packages are not fully installed"; exit 1; }
}

# What differs between two runs, between two devices, or is of no use on a device.
strip() {
  cd $root
  rm -f usr/sbin/policy-rc.d etc/ssh/ssh_host_* var/lib/dbus/machine-id etc/.pwd.lock
  rm -f etc/passwd- etc/group- etc/shadow- etc/gshadow- etc/subuid- etc/subgid-
  rm -f var/lib/dpkg/*-old var/lib/dpkg/lock* var/lib/dpkg/triggers/Lock var/cache/debconf/*-old var/cache/ldconfig/aux-cache
  rm -f var/lib/systemd/random-seed var/lib/systemd/credential.secret var/lib/urandom/random-seed
  rm -rf var/lib/apt/lists/* var/cache/apt/*.bin var/cache/apt/archives/*.deb var/cache/apt/archives/partial var/lib/apt/lists/partial
  rm -f var/cache/apt/archives/lock etc/apt/sources.list etc/apt/apt.conf.d/99mmdebstrap etc/apt/apt.conf.d/99debconf etc/apt/apt.conf.d/00mmdebstrap etc/dpkg/dpkg.cfg.d/99mmdebstrap
  [ ! -e etc/machine-id ] || : >etc/machine-id
  find var/log -type f -size +0 -delete
  find usr -name __pycache__ -type d -prune -exec rm -rf {} +
  find run tmp var/tmp -mindepth 1 -delete
  [ ! -d dev ] || find dev -mindepth 1 -delete
  cd /
}

${packFunction}`

/** Makes a root file system from nothing: mmdebstrap sets it up and takes it down, the hook below fills it. */
export const createScript = String.raw`${common}
mkdir -m 755 /work/unpacked
names=$(tr '\n' ' ' </yoe/in/names)
mmdebstrap --mode=root --variant=custom --format=directory --architectures=$YOE_ARCH --skip=chroot/mount,check/qemu \
  --aptopt='APT::Sandbox::User "root"' --aptopt='Acquire::Check-Date "false"' --aptopt='Acquire::Languages "none"' \
  --setup-hook='for dir in bin sbin lib lib64; do mkdir -p "$1/usr/$dir"; ln -s "usr/$dir" "$1/$dir"; done' \
  --setup-hook='rm -f "$1/etc/resolv.conf" "$1/etc/hostname"' \
  --customize-hook='sh -eu /yoe/in/fill.sh' \
  closure $root 'deb [signed-by=/yoe/repo/key.asc] copy:///yoe/repo closure main'
strip
pack
`

/** The hook: runs under mmdebstrap, which left apt's configuration in MMDEBSTRAP_APT_CONFIG. */
export const fillScript = String.raw`${common}
say "checking the closure"
APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get --yes -q $apt_options -oDebug::pkgDpkgPm=1 -oDir::Log=/dev/null -oDebug::NoLocking=1 -oDPkg::Chroot-Directory= \
  '-oDpkg::Pre-Install-Pkgs::=cat >/work/debs' install $(cat /yoe/in/names) >/work/apt.log 2>&1 || {
  grep -v '^/usr/bin/dpkg ' /work/apt.log
  exit 1
}
say "unpacking $(wc -l </work/debs) packages"

perl /yoe/in/unpack.pl $root /work/unpacked </work/debs || {
  [ $? = 75 ] || exit 1
  say "a diversion or a replaced file: dpkg unpacks by itself"
  sed "s,^$root,," /work/debs | xargs chroot $root dpkg --force-unsafe-io --force-depends --unpack
  # A package of which nothing is left, since others replace all its files, is gone.
  chroot $root dpkg-query -W -f '$''{binary:Package}\n' >/work/left
  grep -xFf /work/left /work/order >/work/order.left
  mv /work/order.left /work/order
}
rm -f $root/var/cache/apt/archives/*.deb
mount_system
no_services
no_host_keys
say "configuring"
chroot $root dpkg --force-unsafe-io --abort-after=1 --configure $(cat /work/order)
initial_ram_disks
audit
umount_system
`

/** Adds packages to an existing root file system: apt outside, dpkg inside, as mmdebstrap does it. */
export const addScript = String.raw`${common}
say "unpacking the base"
mkdir -m 755 $root /work/apt /work/apt/lists /work/apt/cache
zstd -q -dc /yoe/base.tar.zst | tar -C $root -x --numeric-owner -p --xattrs --xattrs-include='*'
mount_system
mkdir -p $root/var/cache/apt/archives/partial
echo 'deb [signed-by=/yoe/repo/key.asc] copy:///yoe/repo closure main' >/work/apt/sources.list
cat >/work/apt/apt.conf <<'CONF'
Dir::Etc::sourcelist "/work/apt/sources.list";
Dir::Etc::sourceparts "/work/apt/none";
Dir::Etc::parts "/work/apt/none";
Dir::Etc::main "/work/apt/none";
Dir::Etc::preferencesparts "/work/apt/none";
Dir::Etc::preferences "/work/apt/none";
Dir::State "/work/apt";
Dir::State::lists "/work/apt/lists";
Dir::State::status "/work/root/var/lib/dpkg/status";
Dir::Cache "/work/apt/cache";
Dir::Cache::archives "/work/root/var/cache/apt/archives";
Dir::Log "/dev/null";
DPkg::Chroot-Directory "/work/root";
DPkg::Options:: "--force-unsafe-io";
DPkg::Options:: "--abort-after=1";
CONF
echo "APT::Architecture \"$YOE_ARCH\"; APT::Architectures { \"$YOE_ARCH\"; };" >>/work/apt/apt.conf
export APT_CONFIG=/work/apt/apt.conf
say "checking the closure"
apt-get -qq $apt_options update
no_services
no_host_keys
apt-get --yes -q $apt_options --allow-downgrades -oDebug::NoLocking=1 install $(cat /yoe/in/names)
initial_ram_disks
audit
umount_system
strip
pack
`

/**
 * Unpacks packages as dpkg would, each archive decompressed once and all processors busy: files, conffiles under their
 * temporary names, scripts, file lists, triggers, and a database that says "unpacked"; then preinst scripts, in apt's
 * order. Exits 75 with an empty database when a package diverts or replaces another's file, which is dpkg's to do.
 *
 * @see dpkg src/main/unpack.c, lib/dpkg/triglib.c
 */
export const unpackScript = String.raw`
use strict; use warnings;
my ($root, $work) = @ARGV;
my @debs = map { chomp; $_ } <STDIN>;
my $admin = "$root/var/lib/dpkg";
my $info = "$admin/info";

sub slurp { my $path = shift; open my $in, '<', $path or die "$path: $!\n"; local $/; return scalar <$in> }
sub spew { my ($path, $text) = @_; open my $out, '>', $path or die "$path: $!\n"; print $out $text; close $out or die "$path: $!\n" }
sub run { system(@_) == 0 or die "$_[0] failed\n" }
sub canonical { my $path = shift; $path =~ s,^/(bin|sbin|lib|lib64)/,/usr/$1/,; return $path }

chomp(my $cpus = qx(nproc));
my @dirs = map { "$work/$_" } 0 .. $#debs;
open my $xargs, '|-', 'xargs', '-0', '-n2', "-P$cpus", 'sh', '-ec',
  'mkdir "$0"; dpkg-deb --control "$1" "$0/control"; dpkg-deb --fsys-tarfile "$1" >"$0/data.tar"' or die;
print $xargs "$dirs[$_]\0$debs[$_]\0" for 0 .. $#debs;
close $xargs or die "a package can't be unpacked\n";

run('mkdir', '-p', $info, "$admin/updates", "$admin/triggers", "$admin/alternatives", "$admin/parts");
my @packages = map {
  my $control = slurp("$_/control/control");
  $control =~ s/\n*\z/\n/;
  my ($name) = $control =~ /^Package:\s*(\S+)/m;
  my ($arch) = $control =~ /^Architecture:\s*(\S+)/m;
  my $same = $control =~ /^Multi-Arch:\s*same\s*$/m;
  { dir => $_, control => $control, name => $name, arch => $arch, id => $same ? "$name:$arch" : $name }
} @dirs;

spew("$work/../order", join '', map { "$_->{id}\n" } @packages);

my (%owner, $hard);
for my $package (@packages) {
  # base-files sets the frame; elsewhere the first package decides how a folder is, as with dpkg.
  my @keep = $package->{name} eq 'base-files' ? () : '--no-overwrite-dir';
  open my $tar, '-|', 'tar', '-C', $root, '--keep-directory-symlink', @keep, '--numeric-owner',
    '--quoting-style=literal', '-xvpf', "$package->{dir}/data.tar" or die;
  my @list;
  while (my $path = <$tar>) {
    chomp $path;
    $path =~ s,^\.?/?,/,;
    my $folder = $path =~ s,/+$,, || $path eq '';
    push @list, $path eq '' ? '/.' : $path;
    next if $folder;
    my $real = canonical($path);
    $hard = "$real is in $owner{$real} and $package->{name}" if $owner{$real};
    $owner{$real} = $package->{name};
  }
  close $tar or die "tar failed on $package->{name}\n";
  unlink "$package->{dir}/data.tar";
  $package->{list} = \@list;
}

my (@paths, %names, @status);
for my $package (@packages) {
  my ($dir, $id) = @{$package}{qw(dir id)};
  spew("$info/$id.list", join '', map { "$_\n" } @{ $package->{list} });
  opendir my $entries, "$dir/control" or die;
  my %has;
  for my $entry (grep { !/^\.|^control$/ } readdir $entries) {
    $has{$entry} = 1;
    rename "$dir/control/$entry", "$info/$id.$entry" or run('mv', "$dir/control/$entry", "$info/$id.$entry");
    chown 0, 0, "$info/$id.$entry";
  }
  my (%conffile, @conffiles);
  for my $line ($has{conffiles} ? split /\s*\n/, slurp("$info/$id.conffiles") : ()) {
    my ($flag, $path) = $line =~ m,^(remove-on-upgrade )?(/.*)$, or next;
    push @conffiles, " $path newconffile" . ($flag ? " remove-on-upgrade\n" : "\n");
    next if $flag;
    $conffile{$path} = 1;
    rename "$root$path", "$root$path.dpkg-new" or die "conffile $path of $package->{name}: $!\n";
  }
  if (!$has{md5sums}) {
    my @files = grep { !$conffile{$_} && -f "$root$_" && !-l "$root$_" } @{ $package->{list} };
    my $sums = '';
    for my $file (@files) { open my $sum, '-|', 'md5sum', '--', "$root$file" or die; my ($hash) = split ' ', <$sum>; $sums .= "$hash  " . substr($file, 1) . "\n" }
    spew("$info/$id.md5sums", $sums);
  }
  for my $line ($has{triggers} ? split /\n/, slurp("$info/$id.triggers") : ()) {
    $line =~ s/#.*//;
    my ($what, $trigger) = split ' ', $line;
    next unless defined $trigger && $what =~ /^interest(-await|-noawait)?$/;
    my $who = $id . ($what eq 'interest-noawait' ? '/noawait' : '');
    if ($trigger =~ m,^/,) { push @paths, "$trigger $who\n" } else { push @{ $names{$trigger} }, $who }
  }
  my $stanza = $package->{control};
  $stanza =~ s/^(Package:.*\n)/$1Status: install ok unpacked\n/m;
  $stanza .= join '', "Conffiles:\n", @conffiles if @conffiles;
  push @status, "$stanza\n";
}
spew("$admin/triggers/File", join '', @paths);
spew("$admin/triggers/$_", join '', map { "$_\n" } @{ $names{$_} }) for keys %names;
spew("$admin/triggers/Unincorp", '');
spew("$admin/$_", '') for qw(diversions statoverride);
spew("$info/format", "1\n");
spew("$admin/status", join '', @status);

for my $package (@packages) {
  next unless -e "$info/$package->{id}.preinst";
  local %ENV = (%ENV, DPKG_MAINTSCRIPT_PACKAGE => $package->{name}, DPKG_MAINTSCRIPT_ARCH => $package->{arch},
    DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT => 1, DPKG_MAINTSCRIPT_NAME => 'preinst', DPKG_MAINTSCRIPT_DEBUG => 0,
    DPKG_ROOT => '', DPKG_ADMINDIR => '/var/lib/dpkg', DPKG_FORCE => 'unsafe-io', DPKG_RUNNING_VERSION => '1.22.0');
  system('chroot', $root, "/var/lib/dpkg/info/$package->{id}.preinst", 'install') == 0
    or die "dpkg: error processing package $package->{name}:\n new $package->{name} package pre-installation script failed with exit status " . ($? >> 8) . "\n";
}

my @diversions = split /\n/, slurp("$admin/diversions");
while (my ($from, $to, $by) = splice @diversions, 0, 3) {
  for my $package (@packages) {
    $hard = "$by diverts $from" if $package->{name} ne $by && grep { $_ eq $from } @{ $package->{list} };
  }
}
my @overrides = map { (split ' ')[3] } split /\n/, slurp("$admin/statoverride");
for my $path (@overrides) { $hard = "$path has its mode overridden" if $owner{ canonical($path) } }
if ($hard) {
  print "yoe: $hard\n";
  run('sh', '-ec', 'cd "$0"; rm -rf info triggers updates; mkdir info triggers updates; : >status; rm -f diversions statoverride', $admin);
  exit 75;
}
`
