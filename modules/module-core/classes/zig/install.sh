# install.sh VERSION SHA256: unpacks what fetch.sh brought.
set -e
wheel=$(echo /zig/wheels/ziglang-"$1"-*.whl)
echo "$2  $wheel" | sha256sum --check --quiet
mkdir -p "$DESTDIR$PREFIX/bin" "$DESTDIR$PREFIX/lib"
python3 -m zipfile -e "$wheel" wheel
cp -r wheel/ziglang "$DESTDIR$PREFIX/lib/zig"
rm "$DESTDIR$PREFIX/lib/zig/"*.py
chmod 755 "$DESTDIR$PREFIX/lib/zig/zig"
ln -s ../lib/zig/zig "$DESTDIR$PREFIX/bin/zig"
