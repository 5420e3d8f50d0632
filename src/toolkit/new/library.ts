import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** What the files of each build system say where headers, pkg-config files or libraries to link with are installed. */
const installs: Readonly<Record<string, readonly (readonly [file: RegExp, says: RegExp])[]>> = {
  autotools: [
    [
      /^Makefile\.(am|in)$/,
      /^\s*(?:(?:no)?(?:base_|dist_))*(?:\w*include_HEADERS|lib_(?:LT)?LIBRARIES|pkgconfig_DATA)\s*\+?=/m,
    ],
    // Of a configure script that somebody wrote by hand.
    [/^Makefile\.in$/, /^\t.*(?:install|cp\b).*\$[({]\w*(?:includedir|pkgconfigdir)/im],
  ],
  cmake: [
    [
      /^CMakeLists\.txt$/,
      /\binstall\s*\([^)]*(?:\.h(?:h|pp|xx)?\b|PUBLIC_HEADER|FILE_SET|EXPORT\b|(?:HDRS|HEADERS|INC_?DIR)\b|\.pc\b|[\s{"/_]include)/i,
    ],
  ],
  make: [[/^(?:GNU)?[Mm]akefile$/, /^\t.*(?:install|cp\b).*(?:include|_INC\b|INC_?DIR|\.pc\b)/im]],
  meson: [
    [/^meson\.build$/, /\binstall_headers\s*\(|\bimport\(\s*['"]pkgconfig['"]|^[^#\n]*install_dir\s*:[^,\n]*include/m],
  ],
}

/** Folders whose files say nothing about what is installed, or are others' work. */
const elsewhere =
  /^(?:\..*|docs?|demos?|examples?|samples?|tests?|testing|t|fuzz\w*|bench\w*|contrib|third[-_]?party|external|extern|deps|vendor|subprojects|node_modules)$/i

/**
 * Whether sources of this class install what only those want who build against them, by their own build files: then a unit
 * for them needs `subpackages = ["dev"]`. A guess: nothing of them is run, and whoever is told wrongly is told by the build.
 *
 * @param root absolute, of unpacked sources
 */
export function installsForDevelopment(root: string, className: string): boolean {
  const known = installs[className]
  if (known === undefined) return false
  return buildFiles(root, 3).some(({ name, path }) =>
    known.some(([file, says]) => file.test(name) && says.test(readText(path))),
  )
}

interface Named {
  readonly name: string
  readonly path: string
}

function buildFiles(folder: string, depth: number): readonly Named[] {
  const entries = readdirSync(folder, { withFileTypes: true }).slice(0, 1000)
  const files = entries.filter((entry) => entry.isFile()).map(({ name }) => ({ name, path: join(folder, name) }))
  if (depth === 1) return files
  const folders = entries.filter((entry) => entry.isDirectory() && !elsewhere.test(entry.name))
  return [...files, ...folders.flatMap(({ name }) => buildFiles(join(folder, name), depth - 1))]
}

/** '' for what is too large to be written by anybody. */
function readText(path: string): string {
  return statSync(path).size > 4 << 20 ? '' : readFileSync(path, 'latin1')
}
