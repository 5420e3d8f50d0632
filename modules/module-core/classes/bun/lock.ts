// Ends with an error unless bun.lock says of every package which bytes it is. Exits with 3 where there are none.
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'

function fail(...lines: readonly string[]): never {
  process.stderr.write(`error: ${lines.join('\n  ')}\n`)
  process.exit(1)
}

if (!existsSync('package.json'))
  fail(
    'the application has no package.json: name its folder as source, or install_file("package.json", "$APP_BUILD/package.json")',
  )
const { dependencies, devDependencies, optionalDependencies, workspaces } = JSON.parse(
  readFileSync('package.json', 'utf8'),
)
const wanted = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies })
if (!existsSync('bun.lock')) {
  if (wanted.length === 0 && workspaces === undefined) process.exit(3)
  const make = existsSync('bun.lockb')
    ? [
        'bun.lockb is binary, and nobody sees what it pins; this makes a bun.lock of it:',
        'bun install --save-text-lockfile --frozen-lockfile --lockfile-only',
      ]
    : ['run this beside package.json, and keep what it writes there:', 'bun install --lockfile-only']
  fail(`there is no bun.lock that says which versions of ${wanted.join(', ')} are meant`, ...make)
}
const lock = (await import(resolve('bun.lock'), { with: { type: 'jsonc' } })).default
const open = Object.entries(lock.packages ?? {}).flatMap(([name, entry]) => {
  const [spec, ...facts] = entry as readonly unknown[]
  const inside = /@(?:workspace|file|link|root):/.test(String(spec))
  return inside || facts.some((fact) => /^sha512-/.test(String(fact))) ? [] : [`${name} (${spec})`]
})
if (open.length > 0) fail('bun.lock has no digest of these, so anything could come for them:', ...open)
