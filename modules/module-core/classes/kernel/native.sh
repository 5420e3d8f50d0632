# A distro that has no compilers for other architectures calls its own gcc, without the prefix.
prefix=$(echo "$KERNEL_MAKE" | sed 's/.* CROSS_COMPILE=\([^ ]*\).*/\1/')
if ! command -v "${prefix}gcc" >/dev/null; then
  case $(gcc -dumpmachine) in
  "${prefix%%-*}"-*) KERNEL_MAKE=$(echo "$KERNEL_MAKE" | sed 's/ CROSS_COMPILE=[^ ]*//') ;;
  esac
fi
