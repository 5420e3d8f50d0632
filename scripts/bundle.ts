/**
 * Makes `dist/`: what the actions run on a runner, where no `npm ci` happens, and `yoe` where it is released. One bundle
 * for all of them, split where the source imports lazily, with the modules and every file that code refers to by
 * `import.meta.url` beside it.
 * Same sources, same bytes, wherever the clone lies. Usage: node scripts/bundle.ts [output folder]
 */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { basename, dirname, join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')
const output = resolve(process.argv[2] ?? join(root, 'dist'))

/** Files that code refers to by `import.meta.url`, by their name in `assets/`. */
const assets = new Map<string, string>()

/** The entries of src/main.ts that runners start: each gets a file of its name for action.yml (or a fork). */
const entries = ['cell', 'plan', 'build', 'image', 'boot-test', 'publish-feed', 'setup', 'cache-client']

mkdirSync(join(root, '.tools'), { recursive: true })
// Inside the clone: then the way from the sources to node_modules is the same everywhere, and module numbers are too.
const work = mkdtempSync(join(root, '.tools', 'bundle-'))
try {
  const packages = globSync('packages/*', { cwd: root }).filter((folder) =>
    existsSync(join(root, folder, 'package.json')),
  )
  plain('src')
  plain('actions')
  for (const folder of packages) workspacePackage(folder)
  const { imports } = manifest(root)
  const mapped = Object.entries(imports ?? {}).map(([from, to]) => [`${from}.ts`, `${to}.js`])
  writeFileSync(join(work, 'package.json'), JSON.stringify({ type: 'module', imports: Object.fromEntries(mapped) }))

  const ncc = join(root, 'node_modules', '@vercel', 'ncc', 'dist', 'ncc', 'cli.js')
  const options = ['--out', 'out', '--target', 'es2022', '--license', 'LICENSES.txt', '--no-cache', '--quiet']
  execFileSync(process.execPath, [ncc, 'build', 'src/main.js', ...options], {
    cwd: work,
    stdio: ['ignore', 'inherit', 'inherit'],
  })

  const out = join(work, 'out')
  for (const entry of entries)
    writeFileSync(join(out, `${entry}.js`), `import { main } from './index.js'\n\nawait main('${entry}')\n`)
  cpSync(join(root, 'src', 'cli', 'released.mjs'), join(out, 'yoe.js'))
  chmodSync(join(out, 'yoe.js'), 0o755)
  // What an SSH client would start on Windows.
  rmSync(join(out, 'pagent.exe'), { force: true })
  for (const [name, path] of assets) cpSync(path, join(out, 'assets', name))
  cpSync(join(root, 'modules'), join(out, 'modules'), { recursive: true })
  mkdirSync(dirname(output), { recursive: true })
  rmSync(output, { recursive: true, force: true })
  cpSync(out, output, { recursive: true })
} finally {
  rmSync(work, { recursive: true, force: true })
}

/** Copies a folder's sources as JavaScript: same names but for the ending, same lines. */
function plain(folder: string, into = folder): void {
  for (const file of globSync('**/*', {
    cwd: join(root, folder),
    exclude: ['**/node_modules', 'test', 'bench', 'go'],
    withFileTypes: true,
  })) {
    if (!file.isFile()) continue
    const from = join(file.parentPath, file.name)
    const to = join(work, into, from.slice(join(root, folder).length))
    if (from.endsWith('.d.ts')) continue
    mkdirSync(dirname(to), { recursive: true })
    if (!from.endsWith('.ts')) cpSync(from, to)
    else writeFileSync(to.replace(/\.ts$/, '.js'), javaScript(readFileSync(from, 'utf8'), dirname(from)))
  }
}

/**
 * Import specifiers are rewritten only where they are relative: `#engine/x.ts` is mapped by the package.json. Files that
 * are named by `new URL('…', import.meta.url)` are laid beside the bundle by us, and the bundler is kept from seeing them:
 * it would write them as text.
 */
function javaScript(source: string, folder: string): string {
  return stripTypeScriptTypes(source)
    .replaceAll(/((?:\bfrom|\bimport)\s*\(?\s*['"]\.{1,2}\/[^'"\n]+)\.ts(['"])/g, '$1.js$2')
    .replaceAll(/new URL\('(\.{1,2}\/[^']+)', import\.meta\.url\)/g, (_, path: string) => {
      const name = basename(path)
      if (assets.has(name)) throw new Error(`two files that code refers to are called ${name}`)
      assets.set(name, join(folder, path))
      return `new URL(...['./assets/${name}', import.meta.url])`
    })
}

/** A package of the workspace shadows its link in node_modules, which leads to TypeScript. */
function workspacePackage(folder: string): void {
  const { name, exports } = manifest(join(root, folder))
  if (name === undefined) return
  const into = join('node_modules', name)
  plain(folder, into)
  const text = JSON.stringify({ name, type: 'module', exports }).replaceAll('.ts"', '.js"')
  writeFileSync(join(work, into, 'package.json'), text)
}

interface Manifest {
  readonly name?: string
  readonly exports?: unknown
  readonly imports?: Readonly<Record<string, string>>
}

function manifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
}
