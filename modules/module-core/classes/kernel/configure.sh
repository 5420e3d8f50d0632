# configure.sh DEFCONFIG: the configuration, then $HOME/fragments/* and $HOME/lines over it. What of them had no effect is told.
set -e
unset CFLAGS CXXFLAGS CPPFLAGS LDFLAGS # meant for programs
. "$HOME/native.sh"
$KERNEL_MAKE "$1"
mkdir -p "$HOME/fragments"
: >"$HOME/wanted"
for fragment in $(ls "$HOME/fragments" | sort -n); do
  cat "$HOME/fragments/$fragment" >>"$HOME/wanted"
  echo >>"$HOME/wanted"
done
cat "$HOME/lines" >>"$HOME/wanted"
# Of several lines about one option, the last one counts.
tac "$HOME/wanted" | awk '
  match($0, /^(# )?CONFIG_[A-Za-z0-9_]+/) {
    option = substr($0, RSTART, RLENGTH); sub(/^# /, "", option)
    if (($0 ~ /^CONFIG_[A-Za-z0-9_]+=/ || $0 ~ / is not set$/) && !(option in seen)) { seen[option] = 1; print }
  }' >"$HOME/last"
sed -n 's/^\(# \)\{0,1\}\(CONFIG_[A-Za-z0-9_]*\).*/\2/p' "$HOME/last" >"$HOME/options"
awk 'NR == FNR { asked[$1] = 1; next }
  { option = $0; sub(/^# /, "", option); sub(/[= ].*/, "", option); if (!(option in asked)) print }' \
  "$HOME/options" .config >"$HOME/config"
cat "$HOME/config" "$HOME/last" >.config
$KERNEL_MAKE olddefconfig
failed=0
while IFS= read -r line; do
  case $line in
    *'=n' | '# '*) # an option that this kernel doesn't have is not set either
      option=${line#'# '}
      option=${option%%[= ]*}
      grep -q "^$option=" .config || continue ;;
    *) if grep -qxF -e "$line" .config; then continue; fi ;;
  esac
  echo "the kernel's configuration has no \"$line\": it depends on what is not set, or this kernel doesn't have it" >&2
  failed=1
done <"$HOME/last"
exit $failed
