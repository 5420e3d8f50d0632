// Brings a package of npm's registry into a cache, if its bytes are not there, or unpacks it from there.
// usage: npm.js CACHE PACKAGE@VERSION sha512-… [unpack]
const { execFileSync } = require('node:child_process')
const { createHash } = require('node:crypto')
const { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } = require('node:fs')
const { join } = require('node:path')

const [cache, spec, integrity, unpack] = process.argv.slice(2)

function fail(message) {
  console.error(`error: ${message}`)
  process.exit(1)
}

if (!/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity)) {
  fail(`${integrity} is no digest of npm; this prints it: npm view ${spec} dist.integrity`)
}
const kept = join(cache, `${Buffer.from(integrity.slice(7), 'base64').toString('hex')}.tgz`)
const digestOf = (path) => `sha512-${createHash('sha512').update(readFileSync(path)).digest('base64')}`

function fetch() {
  const temp = mkdtempSync(join(cache, 'temp-'))
  try {
    execFileSync('npm', ['pack', '--silent', '--cache', join(temp, 'npm'), '--pack-destination', temp, spec], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    const [name] = readdirSync(temp).filter((each) => each.endsWith('.tgz'))
    const found = digestOf(join(temp, name))
    if (found !== integrity) fail(`${spec} has the digest ${found}, and not ${integrity}`)
    renameSync(join(temp, name), kept)
  } finally {
    rmSync(temp, { recursive: true, force: true })
  }
}

if (unpack === undefined) {
  if (existsSync(kept) && digestOf(kept) === integrity) console.log(`${spec} is in the cache`)
  else fetch()
} else {
  if (!existsSync(kept) || digestOf(kept) !== integrity) fail(`${spec} is not in the cache: the task fetch has to run first`)
  const source = process.env.SRCDIR
  mkdirSync(source, { recursive: true })
  execFileSync('tar', ['--extract', '--gzip', '--no-same-owner', '--strip-components=1', '--file', kept, '--directory', source])
}
