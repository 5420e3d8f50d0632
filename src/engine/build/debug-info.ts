import type { PackageUnit, Task } from '../project/model.ts'
import { licenseTask } from '../qa/license-task.ts'

/**
 * The tasks that a unit's build runs: those that it declares, one that installs the texts of its licence, and, where
 * `subpackages` has "dbg", one that moves debug information out of what they installed, to where debuggers look for it
 * by build id (by path for what has none).
 *
 * @see GDB manual, Debugging Information in Separate Files
 */
export function tasksOf(unit: PackageUnit): readonly Task[] {
  if (unit.tasks.length === 0) return []
  const own = [...unit.tasks, ...licenseTask(unit)]
  if (!unit.subpackages.includes('dbg')) return own
  return [...own, { name: 'debug info', steps: [{ kind: 'run', command: separate }], network: false, at: unit.at }]
}

/**
 * What has neither symbols nor debug information keeps what it has; what leads to a debug file was separated already
 * (hard links lead to one file). Firmware and data for other machines are left alone, as packing does.
 */
const separate = String.raw`
cd "$DESTDIR"
find . \( -path ./usr/lib/debug -o -path ./usr/share -o -path ./usr/lib/firmware -o -path ./lib/firmware \) -prune \
  -o -type f -size +51c -print | LC_ALL=C sort | while IFS= read -r file; do
  case $(head -c 4 "$file" | od -An -c | tr -d ' ') in 177ELF) ;; *) continue ;; esac
  case $(readelf -hW "$file") in *'Type: '*' EXEC '* | *'Type: '*' DYN '*) ;; *) continue ;; esac
  case $(readelf -SW "$file") in
    *' .gnu_debuglink '*) continue ;;
    *' .symtab '* | *' .debug_info '*) ;;
    *) continue ;;
  esac
  id=$(readelf -n "$file" 2>/dev/null | sed -n 's/^.*Build ID: \([0-9a-f]\{4,\}\)$/\1/p' | head -n 1)
  if [ -n "$id" ]; then debug=usr/lib/debug/.build-id/$(echo "$id" | cut -c 1-2)/$(echo "$id" | cut -c 3-).debug
  else debug=usr/lib/debug/$file.debug; fi
  mkdir -p "$(dirname "$debug")"
  chmod u+w "$file"
  # Equal programs have one build id and share the file.
  [ -e "$debug" ] || objcopy --only-keep-debug "$file" "$debug"
  chmod 644 "$debug"
  objcopy --strip-unneeded --add-gnu-debuglink="$debug" "$file"
done
`.trim()
