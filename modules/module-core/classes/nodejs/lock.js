// Ends with an error unless package-lock.json says of every package which bytes it is. Exits with 3 where there are none.
const { existsSync, readFileSync } = require('node:fs')

function fail(...lines) {
  console.error(`error: ${lines.join('\n  ')}`)
  process.exit(1)
}

function json(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (failure) {
    return fail(`${path} can't be read: ${failure.message}`)
  }
}

if (!existsSync('package.json')) {
  fail('the application has no package.json: name its folder as source, or install_file("package.json", "$APP_BUILD/package.json")')
}
const { dependencies, optionalDependencies, devDependencies, workspaces } = json('package.json')
const wanted = Object.keys({ ...dependencies, ...optionalDependencies, ...(process.argv[2] ? devDependencies : {}) })
if (!existsSync('package-lock.json')) {
  if (wanted.length === 0 && workspaces === undefined) process.exit(3)
  fail(
    `there is no package-lock.json that says which versions of ${wanted.join(', ')} are meant`,
    'run this beside package.json, and keep what it writes there: npm install --package-lock-only',
  )
}
const { lockfileVersion, packages } = json('package-lock.json')
if (packages === undefined) {
  fail(`package-lock.json is of version ${lockfileVersion}, which is too old; npm install --package-lock-only makes it anew`)
}
const open = Object.entries(packages).filter(
  ([path, { link, inBundle, integrity }]) => path.includes('node_modules/') && !link && !inBundle && !integrity,
)
if (open.length > 0) {
  const names = open.map(([path, { resolved }]) => (resolved === undefined ? path : `${path} (${resolved})`))
  fail('package-lock.json has no digest of these, so anything could come for them:', ...names)
}
