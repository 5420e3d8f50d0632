import type { OnDevice } from '#engine/formats.ts'

/**
 * See {@link OnDevice}. Packages get their signature when they are published; these come by a channel that is trusted.
 * A package that was named by a file stays the one of that file, whatever a feed has later, unless /etc/apk/world is told
 * otherwise. @see apk-world(5), apk-add(8)
 */
export const onDevice: OnDevice = {
  add: (name) => `apk add ${name}`,
  addFiles: `
named() { tar -xzf "$1" -O .PKGINFO 2>/dev/null | sed -n 's/^pkgname = //p'; }
set -- "$main" $(for file; do
  if apk info -e "$(named "$file")" >/dev/null 2>&1; then echo "$file"; fi
done)
cp /etc/apk/world world
apk add --allow-untrusted "$@"
# As before; what was not there is from now on asked for by its name.
name=$(named "$main")
grep -q "^$name\\([<>=~@]\\|$\\)" world || echo "$name" >>world
cat world >/etc/apk/world
`.trim(),
}
