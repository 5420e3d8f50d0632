# Fills the cache of crates with what Cargo.lock names for this compiler's own target: fetch.sh FOLDER_OF_THE_CRATE
manifest=$1/Cargo.toml
target=$(rustc -vV | sed -n 's/^host: //p')
if [ ! -e "$manifest" ]; then
  echo "${manifest#./} is missing: this is no Rust crate. Where it lies in another folder, the unit says so: crate = \"FOLDER\"." >&2
  exit 1
fi
cargo fetch --locked --manifest-path "$manifest" --target "$target" && exit 0
root=$(cargo locate-project --workspace --message-format plain --manifest-path "$manifest") || exit 1
if [ -e "${root%.toml}.lock" ]; then
  echo "Where Cargo.lock is not what Cargo.toml asks for, run 'cargo update --workspace' in the sources, and commit it." >&2
else
  echo "Cargo.lock is missing: it says which crates Cargo.toml means. Run 'cargo generate-lockfile' in the sources, and commit it." >&2
fi
exit 1
