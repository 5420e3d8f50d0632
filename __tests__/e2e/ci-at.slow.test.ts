/** The line that a red job prints, typed on a laptop: a commit is built as CI built it, beside what is being worked on. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { sharedCache } from '../support/shared-cache.ts'

const root = resolve(import.meta.dirname, '..', '..')
const dir = mkdtempSync(join(tmpdir(), 'yoe-ci-at-'))
after(() => rmSync(dir, { recursive: true, force: true }))

const git = (folder: string, ...args: readonly string[]): string =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], {
    cwd: folder,
    encoding: 'utf8',
  }).trim()

function yoe(folder: string, ...args: readonly string[]) {
  const env = { ...process.env, YOE_CACHE: sharedCache(), XDG_CONFIG_HOME: join(dir, 'config') }
  return spawnSync(join(root, 'bin/yoe'), [...args], { cwd: folder, encoding: 'utf8', env })
}

const main = (body: string): string =>
  `#include <greet.h>\n#include <stdio.h>\n\nint main(void)\n{\n\t${body}\n\treturn 0;\n}\n`

test('a commit that failed fails in the same way; one that was good gives the same image, whatever lies around', () => {
  const work = join(dir, 'work')
  cpSync(join(root, '__tests__/fixtures/product'), work, { recursive: true })
  const machine = join(work, 'machines/box.star')
  const arch = process.arch === 'arm64' ? 'arm64' : 'x86_64'
  writeFileSync(machine, readFileSync(machine, 'utf8').replace('"x86_64"', `"${arch}"`))
  git(dir, 'init', '-q', '-b', 'main', 'work')
  writeFileSync(join(work, '.gitignore'), 'build/\ncache/\nrepo/\nlocal.star\n')
  const commit = (body: string): string => {
    writeFileSync(join(work, 'app/main.c'), main(body))
    git(work, 'add', '-A')
    git(work, 'commit', '-qm', body)
    return git(work, 'rev-parse', 'HEAD')
  }
  // Of this run alone, so that no earlier one has built it.
  const good = commit(`puts(greet()); puts("${Date.now()}");`)
  const bad = commit('puts(greet())')
  writeFileSync(join(work, 'app/main.c'), 'this is being worked on')
  const at = ['ci', '--cell', 'box/base', '--through', 'image', '--at']

  const red = yoe(work, ...at, bad)
  assert.equal(red.status, 1, red.stderr)
  assert.match(red.stderr, /unit "app"[\s\S]*main\.c[\s\S]*expected/)
  const [, tree = ''] = /The work tree stays for you to look at: (\S+)/.exec(red.stderr) ?? []
  assert.equal(git(tree, 'rev-parse', 'HEAD'), bad)

  const green = yoe(work, ...at, good.slice(0, 12))
  assert.equal(green.status, 0, green.stderr)
  const [image = '', digest = ''] = green.stdout.trim().split('\n')
  assert.equal(image, join(work, 'build/at', good.slice(0, 12), 'box-base.img'))
  assert.ok(existsSync(image) && !existsSync(join(image, '..', 'tree')))
  git(dir, 'clone', '-q', work, 'clone')
  git(join(dir, 'clone'), 'checkout', '-q', good)
  const clean = yoe(join(dir, 'clone'), 'ci', '--cell', 'box/base', '--through', 'image')
  assert.equal(clean.status, 0, clean.stderr)
  assert.equal(clean.stdout.trim().split('\n')[1], digest)
  assert.match(digest, /^sha256 [0-9a-f]{64}$/)
  assert.equal(readFileSync(join(work, 'app/main.c'), 'utf8'), 'this is being worked on')
})
