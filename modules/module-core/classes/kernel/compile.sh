# compile.sh [DEVICE_TREE…]
set -e
unset CFLAGS CXXFLAGS CPPFLAGS LDFLAGS # meant for programs
. "$HOME/native.sh"
targets=$KERNEL_IMAGE
if grep -q '^CONFIG_MODULES=y' .config; then targets="$targets modules"; fi
arch=$(echo "$KERNEL_MAKE" | sed 's/.* ARCH=\([a-z0-9_]*\).*/\1/')
for tree in "$@"; do
  source=$(find "arch/$arch/boot/dts" -path "*/${tree%.dtb}.dts" | head -n 1)
  if [ -z "$source" ]; then
    echo "arch/$arch/boot/dts has no ${tree%.dtb}.dts" >&2
    exit 1
  fi
  source=${source#arch/*/boot/dts/}
  targets="$targets ${source%.dts}.dtb"
done
$KERNEL_MAKE -j"$NPROC" $targets
