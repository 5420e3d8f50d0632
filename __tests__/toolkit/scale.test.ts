import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { makeArchive, makeKey, stanza } from '../feeds/debian/archive.ts'
import { unitName, writeBigProject } from '../support/big-project.ts'
import { checkout, scratch, type Texts } from '../support/project.ts'

// What a command looks at grows with what it is about, never with its square. Counted, not timed: see bench/resolve.ts.

const packages = ['gcc', 'tar', 'zlib1g', 'zlib1g-dev', 'systemd', 'openssh-server', 'linux-image']

/** A distro whose feed lies beside the project: no network. */
async function distroIn(folder: string): Promise<Texts> {
  const key = await makeKey({ date: new Date(Date.now() - 3_600_000) })
  const text = packages.map((name) => stanza(name, name, name === 'zlib1g-dev' ? { Depends: 'zlib1g' } : {})).join('')
  const files = await makeArchive({ packages: text, keys: [key], date: new Date(Date.now() - 60_000) })
  for (const [path, content] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
  const unit = (name: string, provides: string, needs: string): string =>
    `unit(name = "${name}", version = "1", distro = "debian", provides = ["${provides}"], runtime_deps = ["${needs}"])\n`
  const root = (name: string, provides: string, needs: string): string =>
    `container(name = "${name}", version = "1", distro = "debian", provides = ["${provides}"], packages = ["${needs}"])\n`
  return {
    'MODULE.star': `module_info(name = "distro")\napt_feed(name = "main", url = "file://${folder}", suite = "testy", keyring = "keys/archive.asc")\n`,
    'keys/archive.asc': key.publicKey,
    'containers/roots.star': root('toolchain-x', 'toolchain', 'gcc') + root('tools-x', 'tools', 'tar'),
    'units/system.star':
      unit('base-x', 'base', 'systemd') +
      unit('ssh-x', 'ssh-server', 'openssh-server') +
      unit('linux-x', 'linux', 'linux-image'),
  }
}

interface Counted {
  readonly stdout: string
  /** Looks at the state of a file. */
  readonly looks: number
  /** Files opened. */
  readonly opens: number
  readonly indices: number
}

const count = `import fs from 'node:fs';import{syncBuiltinESMExports}from'node:module'
const counts={looks:0,opens:0,indices:0}
for(const[name,kind]of[['statSync','looks'],['lstatSync','looks'],['existsSync','looks'],['openSync','opens'],['readFileSync','opens']]){
const real=fs[name];fs[name]=Object.assign((path,...rest)=>{counts[kind]++;if(String(path).endsWith('.index'))counts.indices++;return real(path,...rest)},real)}
syncBuiltinESMExports();process.on('exit',()=>process.stderr.write('counts='+JSON.stringify(counts)+'\\n'))`

function project(t: TestContext, texts: Texts, units: number) {
  const root = join(scratch(t), 'a folder')
  writeBigProject(root, { units, modules: 5, distro: texts })
  return (...argv: string[]): Counted => {
    const preload = `data:text/javascript,${encodeURIComponent(count)}`
    const run = spawnSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', '--import', preload, join(checkout, 'src/cli/main.mjs'), ...argv],
      { cwd: root, env: { PATH: process.env['PATH'], HOME: root }, encoding: 'utf8', maxBuffer: 2 ** 27 },
    )
    assert.equal(run.status, 0, run.stderr)
    const found: Omit<Counted, 'stdout'> = JSON.parse(/counts=(.*)/.exec(run.stderr)?.[1] ?? '{}')
    return { ...found, stdout: run.stdout }
  }
}

test('what a warm command looks at grows with the number of units; of what is kept it opens a few files', async (t) => {
  const texts = await distroIn(scratch(t))
  const [few, many] = [project(t, texts, 60), project(t, texts, 180)]
  const grown = (...argv: string[]): { readonly looks: number; readonly opens: number; readonly indices: number } => {
    for (const run of [few, many]) run(...argv)
    const [less, more] = [few(...argv), many(...argv)]
    const by = (name: 'looks' | 'opens'): number => (more[name] - less[name]) / 120
    return { looks: by('looks'), opens: by('opens'), indices: more.indices }
  }
  const listed = grown('list')
  // Its file, its folder, whether it was built and whether that failed.
  assert.ok(listed.looks <= 4.1, `list: ${listed.looks} looks for a unit more`)
  assert.deepEqual([listed.opens, listed.indices], [0, 0])
  const planned = grown('plan', 'all')
  // Its template, its result, what was built last.
  assert.ok(planned.looks <= 8, `plan all: ${planned.looks} looks for a unit more`)
  assert.ok(planned.opens <= 1.1, `plan all: ${planned.opens} files opened for a unit more`)
  const one = grown('plan', unitName(1))
  assert.ok(one.looks <= 2.1, `plan of one unit: ${one.looks} looks for a unit that has nothing to do with it`)
  assert.equal(one.opens, 0)
})

test('plans do not depend on where a project lies and who wrote which file first', async (t) => {
  const texts = await distroIn(scratch(t))
  const plans = [texts, Object.fromEntries(Object.entries(texts).reverse())].map((order) => {
    const run = project(t, order, 40)
    const cold = run('plan', 'all', '--json').stdout
    assert.equal(run('plan', 'all', '--json').stdout, cold)
    return cold
  })
  assert.equal(plans[0], plans[1])
  assert.match(plans[0] ?? '', new RegExp(unitName(39)))
})
