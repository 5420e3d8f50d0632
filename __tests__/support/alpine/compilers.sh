# Makes the trees of the packages of compilers.ts out of unpacked Debian packages: Debian's compiler with its own C library
# beside musl's headers and start files. $1: unpacked packages, $2: folder that gets a folder for each package, $3: apk's
# architecture, $4: the C library's loader.
set -eu
debian=$1 out=$2 arch=$3 loader=$4
triplet=$arch-linux-gnu
lib=usr/lib/$triplet
gcc=usr/lib/gcc/$triplet/14
exec=usr/libexec/gcc/$triplet/14

# Copies files of the unpacked packages to their own places. $1: package, then patterns.
take() {
  tree=$out/$1; shift
  mkdir -p "$tree"
  for pattern in "$@"; do (cd "$debian" && cp -a --parents $pattern "$tree"); done
}
link() { mkdir -p "$(dirname "$2")"; ln -s "$1" "$2"; }

# What Debian's programs run with, where no linker looks for libraries of Alpine: the loader finds them by its cache alone.
libs=$out/debian-libs/usr/lib/debian
mkdir -p "$libs"
for name in c m dl pthread crypt isl mpc mpfr gmp z zstd ctf ctf-nobfd sframe jansson pkgconf \
  acl selinux pcre2-8 lzma lz4 xxhash devmapper udev cap; do
  cp -a "$debian/$lib/lib$name.so."* "$libs"
done
cp -a "$debian/$lib/libbfd-"*.so "$debian/$lib/libopcodes-"*.so "$libs"
mkdir -p "$out/debian-libs$(dirname "$loader")" "$out/debian-libs/etc"
cp "$debian/$lib/$(basename "$loader")" "$out/debian-libs$loader"

take binutils "$lib/ldscripts"
for name in addr2line ar as elfedit ld ld.bfd nm objcopy objdump ranlib readelf size strings strip; do
  take binutils "usr/bin/$triplet-$name"
  link "$triplet-$name" "$out/binutils/usr/bin/$name"
done

take gcc "usr/bin/$triplet-gcc-14" "usr/bin/$triplet-cpp-14" "usr/bin/$triplet-gcc-ar-14" "usr/bin/$triplet-gcc-nm-14" \
  "usr/bin/$triplet-gcc-ranlib-14" "$gcc/include" "$gcc/crt*.o" "$gcc/libgcc.a" "$gcc/libgcc_eh.a" "$gcc/libatomic.a" \
  "$exec/cc1" "$exec/collect2" "$exec/lto-wrapper" "$exec/liblto_plugin.so"
# Programs that unwind have a libgcc of their own; compilers.ts adds what it lacks on musl.
echo 'GROUP ( libgcc.a libgcc_eh.a )' >"$out/gcc/$gcc/libgcc_s.so"
for name in gcc cpp; do
  cat >"$out/gcc/usr/bin/$name" <<SH
#!/bin/sh
[ "\$*" = -dumpmachine ] && exec echo $arch-alpine-linux-musl
exec /usr/bin/$triplet-$name-14 -mmusl "\$@"
SH
  chmod 755 "$out/gcc/usr/bin/$name"
done
link gcc "$out/gcc/usr/bin/cc"
link gcc "$out/gcc/usr/bin/$arch-alpine-linux-musl-gcc"
for name in ar nm ranlib; do link "$triplet-gcc-$name-14" "$out/gcc/usr/bin/gcc-$name"; done

mkdir -p "$out/musl-dev/usr/include" "$out/musl-dev/usr/lib"
cp -a "$debian/usr/include/$arch-linux-musl/." "$out/musl-dev/usr/include"
cp -a "$debian/usr/lib/$arch-linux-musl/"*.o "$debian/usr/lib/$arch-linux-musl/"*.a "$out/musl-dev/usr/lib"
link "../../lib/ld-musl-$arch.so.1" "$out/musl-dev/usr/lib/libc.so"
# Alpine's libc has these; Debian's leaves them out.
cat >"$out/musl-dev/usr/include/crypt.h" <<'C'
#ifndef _CRYPT_H
#define _CRYPT_H
struct crypt_data { int initialized; char __buf[256]; };
char *crypt(const char *, const char *);
char *crypt_r(const char *, const char *, struct crypt_data *);
#endif
C

for name in asm-generic drm linux misc mtd rdma scsi sound video xen; do take linux-headers "usr/include/$name"; done
cp -aL "$debian/usr/include/$triplet/asm" "$out/linux-headers/usr/include/asm"

take make usr/bin/make
take patch usr/bin/patch
take pkgconf usr/bin/pkgconf
link pkgconf "$out/pkgconf/usr/bin/pkg-config"
take perl usr/bin/perl "$lib/perl-base" "$lib/perl" usr/share/perl
rm -rf "$out/perl/$lib/perl/"*/CORE

take tar usr/bin/tar
take zstd usr/bin/zstd
take dosfstools usr/sbin/mkfs.fat usr/sbin/mkfs.vfat
take mtools usr/bin/mtools usr/bin/mmd usr/bin/mcopy
take grub usr/bin/grub-mkimage
if [ -d "$debian/usr/lib/grub/i386-pc" ]; then take grub-bios usr/lib/grub/i386-pc; fi
