/** The developer's loop by the command line, in the real sandbox: edit, build, extract, pin; and a shell. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { TestRepository } from '../support/git.ts'
import { debianProject, scratch, type TestProject, type Texts, testProject, writeTexts } from '../support/project.ts'
import { faultsOf } from '../support/schema.ts'
import { sharedCache } from '../support/shared-cache.ts'

const cache = sharedCache()

/** Its name is in keys, and no earlier run's results are this run's. */
const ownProject = debianProject.replace('"demo"', `"demo-${Date.now().toString(36)}"`)

/** A program whose second file fails to compile while `broken` is in it. */
const sources = (word: string): Texts => ({
  LICENSE: 'MIT\n',
  Makefile: `CFLAGS += -Wall
tool: main.o word.o
	$(CC) -s -o $@ $^ $(LDFLAGS)
%.o: %.c
	@echo "compiling $<"
	$(CC) $(CFLAGS) -c -o $@ $<
install: tool
	install -D tool $(DESTDIR)/usr/bin/tool
`,
  'main.c': '#include <stdio.h>\nconst char *word(void);\n\nint main(void)\n{\n\tputs(word());\n\treturn 0;\n}\n',
  'word.c': `const char *word(void);\n\nconst char *word(void)\n{\n\treturn "${word}";\n}\n`,
})

const unitText = (source: string, version = '1.0', more = ''): string => `unit(
    name = "tool",
    version = "${version}",
    license = "MIT",
    ${source},
    tasks = [
        task("prepare", run = "echo preparing; touch prepared"),
        task("compile", run = "make"),
        task("install", run = "make install; ln -s tool $DESTDIR/usr/bin/also"),
    ],${more}
)
`

/** Makes an archive of sources, and what a unit says of it. */
function archived(folder: string, version: string, texts: Texts): string {
  const root = join(folder, `tool-${version}`)
  writeTexts(root, texts)
  const path = `${root}.tar.gz`
  execFileSync('tar', ['-czf', path, '-C', folder, `tool-${version}`])
  const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex')
  return `source = "${pathToFileURL(path).href}",\n    sha256 = "${sha256}"`
}

interface World {
  readonly project: TestProject
  readonly folder: string
  readonly tree: string
  /** Runs yoe, which has to succeed. */
  readonly yoe: (...args: readonly string[]) => Promise<string>
  readonly git: (...args: readonly string[]) => string
  readonly key: () => Promise<string>
  readonly prints: () => string
}

function world(t: TestContext, texts: (folder: string) => Texts): World {
  const folder = scratch(t)
  const project = testProject(t, { 'PROJECT.star': ownProject, ...texts(folder) }, cache)
  const tree = join(project.root, 'build/debian/tool.x86_64/src')
  const yoe = async (...args: readonly string[]): Promise<string> => {
    const ran = await project.yoe(args)
    assert.equal(ran.code, 0, `yoe ${args.join(' ')}\n${ran.stdout}${ran.stderr}`)
    return ran.stdout + ran.stderr
  }
  return {
    project,
    folder,
    tree,
    yoe,
    git: (...args) =>
      execFileSync('git', ['-c', 'user.name=Ann', '-c', 'user.email=ann@x', ...args], {
        cwd: tree,
        encoding: 'utf8',
      }).trim(),
    key: async () => {
      const { units } = JSON.parse((await project.yoe(['plan', 'tool', '--json'])).stdout)
      return units.find(({ unit }: { readonly unit: string }) => unit === 'tool').hash
    },
    prints: () => {
      const out = scratch(t)
      const deb =
        readdirSync(join(tree, '..'))
          .filter((name) => name.endsWith('.deb'))
          .sort()
          .at(-1) ?? ''
      execFileSync('dpkg-deb', ['-x', join(tree, '..', deb), out])
      return execFileSync(join(out, 'usr/bin/tool'), { encoding: 'utf8' }).trim()
    },
  }
}

const edit = (tree: string, from: string, to: string): void => {
  const path = join(tree, 'word.c')
  writeFileSync(path, readFileSync(path, 'utf8').replace(from, to))
}

test('edit, build, commit, extract, pin: the same key as with the patch declared; then a new version', async (t) => {
  const { project, folder, tree, yoe, git, key, prints } = world(t, (at) => ({
    'units/tool.star': unitText(archived(at, '1.0', sources('one'))),
  }))
  await yoe('build', 'tool')
  assert.equal(prints(), 'one')
  const pinned = await key()
  assert.match(await yoe('dev', 'status'), /every work tree is as its unit declares it/)
  // What was typed is what is built, though nobody said so before.
  edit(tree, 'one', 'edited')
  const first = await yoe('build', 'tool')
  assert.match(first, /tool was edited \(word\.c\): it is in dev mode now/)
  assert.match(first, /units\/tool\.star:1: tool is in dev mode \(1 edit past upstream: word\.c\)/)
  assert.equal(prints(), 'edited')
  assert.ok(!existsSync(join(tree, 'tool')), 'what builds make is not in the tree')
  assert.equal(git('status', '--porcelain', '--ignored'), 'M word.c')
  const edited = await key()
  assert.notEqual(edited, pinned)
  // Only what changed is compiled again.
  edit(tree, 'edited', 'again')
  const again = await yoe('build', 'tool', '--verbose')
  assert.match(again, /compiling word\.c/)
  assert.doesNotMatch(again, /compiling main\.c/)
  git('commit', '--quiet', '--all', '--message', 'Say again')
  const dirtyKey = await key()
  const status = JSON.parse((await project.yoe(['dev', 'status', '--json'])).stdout)
  assert.deepEqual(faultsOf('dev', status), [])
  assert.deepEqual(
    status.units.map(({ unit, state, commits, edits }: Record<string, unknown>) => [unit, state, commits, edits]),
    [['tool', 'dev-mod', 1, []]],
  )
  assert.match(await yoe('build', 'tool'), /nothing changed/, 'a commit changes no content')
  assert.equal(await key(), dirtyKey)
  assert.match(await yoe('dev', 'diff', 'tool'), /Say again\n.*word\.c/s)
  // Neither is lost by accident, nor built where nobody else has it.
  const refused = await project.yoe(['dev', 'pin', 'tool'])
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /SOURCE_STATE.*would lose.*\n.*Say again/)
  const ci = await project.yoe(['build', 'tool'], { env: { CI: 'true' } })
  assert.equal(ci.code, 2)
  assert.match(ci.stderr, /unit "tool" is in dev mode, and CI builds what the project declares/)

  assert.match(await yoe('dev', 'extract', 'tool'), /wrote {4}units\/tool\/0001-Say-again\.patch/)
  const text = readFileSync(join(project.root, 'units/tool.star'), 'utf8')
  assert.match(text, /^ {4}patches = \["tool\/0001-Say-again\.patch"\],$/m)
  const patch = readFileSync(join(project.root, 'units/tool/0001-Say-again.patch'), 'utf8')
  assert.match(patch, /^From 0{40} .*\nFrom: Ann <ann@x>\nDate: .*\nSubject: \[PATCH\] Say again\n/)
  assert.match(await yoe('dev', 'extract', 'tool'), /^$/, 'the same commits are the same patches')
  await yoe('dev', 'pin', 'tool')
  await yoe('build', 'tool')
  assert.equal(prints(), 'again')
  const extracted = await key()
  // A project that never was in dev mode comes to the same.
  const other = world(t, () => ({
    'units/tool.star': text,
    'units/tool/0001-Say-again.patch': patch,
  }))
  assert.equal(await other.key(), extracted)

  // A patch that was added by hand is there in dev mode, so that extracting does not take it out of the list.
  const [more, moreText] = ['units/tool/more.patch', '--- a/MORE\n+++ b/MORE\n@@ -0,0 +1 @@\n+more\n'] as const
  project.write({
    'units/tool.star': text.replace('Say-again.patch"', 'Say-again.patch", "tool/more.patch"'),
    [more]: moreText.replace('--- a/MORE', '--- /dev/null'),
  })
  await yoe('dev', 'tool')
  assert.equal(git('log', '--format=%s'), 'more\nSay again\ntool 1.0')
  await yoe('dev', 'pin', 'tool')
  project.write({ 'units/tool.star': text })

  // A new version: the commits go along, and say so where they can't.
  await yoe('dev', 'tool')
  const forgotten = text.replace('version = "1.0"', 'version = "2.0"')
  project.write({ 'units/tool.star': forgotten })
  assert.match(await yoe('build', 'tool'), /its tree is 1\.0, and so is its sha256 or tag/)
  const bumped = unitText(archived(folder, '2.0', { ...sources('two'), NEWS: 'two\n' }), '2.0')
  project.write({ 'units/tool.star': bumped })
  const conflict = await project.yoe(['build', 'tool'])
  assert.equal(conflict.code, 2)
  assert.match(conflict.stderr, /are being rebased, and wait for you in .*src\n.*word\.c\n.*cd .*src\n.*git status/s)
  assert.equal((await project.yoe(['build', 'tool'])).code, 2, 'it still waits')
  writeFileSync(join(tree, 'word.c'), sources('both')['word.c'] ?? '')
  git('add', 'word.c')
  git('-c', 'core.editor=true', 'rebase', '--continue')
  await yoe('build', 'tool')
  assert.equal(prints(), 'both')
  assert.equal(git('log', '--format=%s'), 'Say again\ntool 2.0')
  assert.ok(existsSync(join(tree, 'NEWS')))
  await yoe('dev', 'extract', 'tool')
  await yoe('dev', 'pin', 'tool')
  await yoe('build', 'tool')
  assert.equal(prints(), 'both')
})

test('a failed build goes on at the task that failed; edits in a pinned tree are never lost', async (t) => {
  const { project, tree, yoe, git, prints } = world(t, (at) => ({
    'units/tool.star': unitText(archived(at, '1.0', sources('one'))),
  }))
  await yoe('dev', 'tool')
  edit(tree, 'return "one"', 'broken')
  const failed = await project.yoe(['build', 'tool'])
  assert.equal(failed.code, 1)
  assert.match(failed.stderr, /task "compile" failed/)
  edit(tree, 'broken', 'return "mended"')
  const resumed = await yoe('build', 'tool', '--verbose')
  assert.match(resumed, /task prepare was done before/)
  assert.doesNotMatch(resumed, /│ preparing/)
  assert.doesNotMatch(resumed, /compiling main\.c/)
  assert.equal(prints(), 'mended')
  // In a source, a command is about its unit.
  const here = await project.yoe(['build', '--json'], { cwd: tree })
  assert.equal(here.code, 0, here.stderr)
  assert.match(here.stderr, /tool, whose source this is/)
  const dropped = await yoe('dev', 'pin', 'tool', '--discard')
  const [, commit = ''] = /git show ([0-9a-f]{12})/.exec(dropped) ?? []
  assert.match(git('show', `${commit}:word.c`), /mended/)
  await yoe('build', 'tool')
  // Something else asks for a build: an image, say. It stops before it wipes what was typed.
  edit(tree, 'one', 'typed')
  project.write({
    'units/tool.star': readFileSync(join(project.root, 'units/tool.star'), 'utf8').replace('preparing', 'other'),
    'units/user.star': 'unit(name = "user", version = "1", deps = ["tool"], build = ["true"])\n',
  })
  const stopped = await project.yoe(['build', 'user'])
  assert.equal(stopped.code, 2)
  assert.match(stopped.stderr, /has edits of yours that this build would lose: word\.c/)
  const kept = await project.yoe(['clean'])
  assert.equal(kept.code, 2)
  assert.match(kept.stderr, /has commits or edits that are nowhere else/)
  assert.match(readFileSync(join(tree, 'word.c'), 'utf8'), /typed/)
})

test('a git source: the true commit, its branch, and what is checked out as the new pin', async (t) => {
  const { project, folder, tree, yoe, git, prints } = world(t, (at) => {
    const origin = new TestRepository(join(at, 'origin'), {
      ...sources('one'),
      Makefile: `${sources('')['Makefile']}\nversion:\n\tgit describe --tags >version; ! git config x y; ! rm .git; ! git commit --allow-empty -m x\n`,
    })
    origin.tag('v1.0')
    const declared = `source = "${origin.url}",\n    tag = "v1.0",\n    branch = "main"`
    return { 'units/tool.star': unitText(declared).replace('run = "make"', 'run = "make version; cat version; make"') }
  })
  const origin = new TestRepository(join(folder, 'origin'))
  const built = await yoe('build', 'tool', '--verbose')
  assert.match(built, /│ v1\.0\n/, 'tasks see the history')
  assert.equal(git('rev-parse', 'upstream'), origin.git('rev-parse', 'v1.0'))
  origin.commit({ 'word.c': sources('next')['word.c'] ?? '' })
  origin.commit({ 'word.c': sources('last')['word.c'] ?? '' })
  origin.tag('v1.1')
  // The tree that the first build made has the commit of the test's own `new TestRepository`, too.
  const entered = await yoe('dev', 'tool')
  assert.match(entered, /tracking origin\/main \(\d commits past v1\.0\)/)
  assert.equal(git('rev-parse', 'HEAD'), origin.head)
  assert.equal(git('rev-parse', '--abbrev-ref', '@{upstream}'), 'origin/main')
  await yoe('build', 'tool')
  assert.equal(prints(), 'last')
  assert.match(await yoe('dev', 'status'), /tool +dev +1\.0 .*tracking origin\/main/)
  edit(tree, 'last', 'mine')
  assert.equal((await project.yoe(['dev', 'pin', 'tool', '--update'])).code, 2, 'edits are in no commit')
  git('commit', '--quiet', '--all', '--message', 'Mine')
  const alone = await project.yoe(['dev', 'pin', 'tool', '--update'])
  assert.match(alone.stderr, /is yours alone: .* Mine/)
  git('reset', '--quiet', '--hard', 'HEAD^')
  assert.match(await yoe('dev', 'pin', 'tool', '--update'), /pinned at v1\.1/)
  assert.match(
    readFileSync(join(project.root, 'units/tool.star'), 'utf8'),
    /^ {4}tag = "v1\.1",\n {4}branch = "main",$/m,
  )
  await yoe('build', 'tool')
  assert.equal(prints(), 'last')
})

test('a shell sees what tasks see, on a terminal of its own; nothing is kept but edits in dev mode', async (t) => {
  const { project, tree, yoe } = world(t, (at) => ({
    'units/tool.star': unitText(archived(at, '1.0', sources('one')), '1.0', '\n    environment = {"MARK": "yes"},'),
  }))
  const once = await project.yoe([
    'shell',
    'tool',
    '-c',
    'echo $SRCDIR $DESTDIR $MARK $VERSION; make >/dev/null && ./tool; tty || exit 5',
  ])
  assert.equal(once.code, 5, once.stderr)
  assert.equal(once.stdout, '/build/src /build/destdir yes 1.0\none\nnot a tty\n')
  assert.ok(!existsSync(join(tree, 'tool')))
  const typed = [
    'stty size; tty; touch kept; rm .git',
    `perl -e '$c = "x"; print defined ioctl(STDIN, 0x5412, $c) ? "pushed" : "refused: $!", "\\n"'`,
    'sleep 100 & jobs; kill %1; exit 7',
  ]
  const through = ['script', '--quiet', '--return', '--command']
  await yoe('dev', 'tool')
  const inTerminal = async (): Promise<string> => {
    const main = [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      join(import.meta.dirname, '../../src/cli/main.mjs'),
    ]
    const lines = typed.map((line) => `sleep 1; echo ${JSON.stringify(line).replaceAll('$', '\\$')}`)
    const asked = `stty rows 33 cols 99; ${main.join(' ')} shell tool; echo "left $?"`
    // The inner terminal is asked for when the shell is there; what is typed earlier waits.
    const command = `(sleep 15; ${lines.join('; ')}; sleep 2) | ${through.join(' ')} '${asked}' /dev/null`
    return execFileSync('bash', ['-c', command], {
      cwd: project.root,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], HOME: project.root, YOE_CACHE: cache, TERM: 'xterm' },
    })
  }
  const said = await inTerminal()
  assert.match(said, /33 99/)
  assert.match(said, /\/dev\/(console|pts\/\d+)/)
  assert.match(said, /refused: Operation not permitted/)
  assert.match(said, /\[1\]\+? +Running/)
  assert.match(said, /left 7/)
  assert.ok(existsSync(join(tree, 'kept')), 'an edit')
  assert.ok(readFileSync(join(tree, '.git'), 'utf8').startsWith('gitdir:'))
  const plain = await project.yoe(['shell', '-c', 'ls -A /build/src; command -v gcc'])
  assert.equal(plain.stdout, '/usr/bin/gcc\n', plain.stderr)
  assert.deepEqual(readdirSync(join(project.root, 'build/debian')), ['tool.x86_64'])
})

test('watching builds at a save and installs on a device, by ssh', async (t) => {
  const { project, folder, yoe } = world(t, () => ({
    ...Object.fromEntries(Object.entries(sources('one')).map(([path, text]) => [`tool/${path}`, text])),
    'units/tool.star': unitText('source = path("//tool")'),
  }))
  await yoe('build', 'tool')
  // A device is a shell with an apt-get of ours: what yoe does there is seen, and run.
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  const program = (name: string, text: string): void => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  program('ssh', `echo "$@" | head -n 1 >>${folder}/asked; for last; do :; done; exec sh -c "$last"`)
  program('apt-get', `echo "$@" >>${folder}/installed; for last; do :; done; dpkg-deb -x "$last" ${folder}/device`)
  const env = { PATH: `${bin}:${process.env['PATH']}` }
  const watching = project.start(['dev', 'watch', 'tool', '--deploy', 'pi@dev.local:2222'], { env })
  t.after(() => watching.child.kill('SIGKILL'))
  const device = async (word: string): Promise<void> => {
    for (let tries = 0; tries < 300; tries++) {
      const path = join(folder, 'device/usr/bin/tool')
      if (existsSync(path) && execFileSync(path, { encoding: 'utf8' }).trim() === word) return
      assert.equal(watching.child.exitCode, null, watching.said())
      await new Promise((done) => setTimeout(done, 200))
    }
    assert.fail(`the device never says ${word}\n${watching.said()}`)
  }
  await device('one')
  const said = async (text: RegExp): Promise<void> => {
    for (let tries = 0; tries < 150 && !text.test(watching.said()); tries++)
      await new Promise((done) => setTimeout(done, 200))
    assert.match(watching.said(), text)
  }
  await said(/waiting for changes in .*tool/)
  project.write({ 'tool/word.c': 'broken' })
  await said(/TASK_FAILED/)
  project.write({ 'tool/word.c': sources('two')['word.c'] ?? '' })
  await device('two')
  assert.match(readFileSync(join(folder, 'asked'), 'utf8'), /^-p 2222 -l pi -- dev\.local sh -c /)
  assert.match(
    readFileSync(join(folder, 'installed'), 'utf8'),
    /^install --yes --quiet --reinstall --allow-downgrades \.\/tool_1\.0-r0_amd64\.deb$/m,
  )
  watching.child.kill('SIGINT')
  assert.equal((await watching.ended).code, 0)
  rmSync(bin, { recursive: true })
})
