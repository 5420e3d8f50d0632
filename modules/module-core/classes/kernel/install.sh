# install.sh [DEVICE_TREE…]
set -e
unset CFLAGS CXXFLAGS CPPFLAGS LDFLAGS # meant for programs
. "$HOME/native.sh"
release=$($KERNEL_MAKE -s kernelrelease)
arch=$(echo "$KERNEL_MAKE" | sed 's/.* ARCH=\([a-z0-9_]*\).*/\1/')
install -D -m 644 "arch/$arch/boot/$KERNEL_IMAGE" "$DESTDIR/boot/vmlinuz-$release"
install -m 644 System.map "$DESTDIR/boot/System.map-$release"
install -m 644 .config "$DESTDIR/boot/config-$release"
if grep -q '^CONFIG_MODULES=y' .config; then
  # Where the distro's modprobe looks: /lib is /usr/lib, or a folder of its own. depmod is part of it.
  if [ -L /lib ]; then top=$DESTDIR/usr; else top=$DESTDIR; fi
  $KERNEL_MAKE -j"$NPROC" INSTALL_MOD_PATH="$top" INSTALL_MOD_STRIP=1 modules_install
  rm -f "$top/lib/modules/$release/build" "$top/lib/modules/$release/source"
fi
for tree in "$@"; do
  found=$(find "arch/$arch/boot/dts" -path "*/${tree%.dtb}.dtb" | head -n 1)
  install -m 644 "$found" "$DESTDIR/boot/${tree##*/}"
done
