import type { PackageUnit, Task } from '../project/model.ts'

/**
 * A task that installs the texts which lie at the top of the source, where the unit's own tasks installed none. Links
 * out of the source are no texts of it (automake makes such).
 */
export function licenseTask({ source, at }: PackageUnit): readonly Task[] {
  if (source === undefined) return []
  return [{ name: 'licence texts', steps: [{ kind: 'run', command: install }], network: false, at }]
}

const install = `
cd "$SRCDIR"
to=$DESTDIR/usr/share/licenses/$UNIT
if [ -e "$to" ] || [ -e "$DESTDIR/usr/share/doc/$UNIT/copyright" ]; then exit 0; fi
for file in LICEN[CS]E* [Ll]icen[cs]e* *-LICEN[CS]E* UNLICENSE* COPYING* COPYRIGHT* NOTICE* LICENSES/* *.dist-info/LICEN[CS]E* *.dist-info/licenses/*; do
  [ -f "$file" ] || continue
  case $file in *.py | *.c | *.h | *.js | *.go | *.rs | *.sh | *.in | *.m4) continue ;; esac
  if [ -L "$file" ]; then case $(readlink "$file") in /* | *..*) continue ;; esac; fi
  install -D -m 644 "$file" "$to/$(basename "$file")"
done
`.trim()
