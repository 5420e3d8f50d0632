/** A unit whose tasks call functions, by the command line, in the real sandbox, with packages of the real feed. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { debianProject, type Texts, testProject } from '../support/project.ts'
import { sharedCache } from '../support/shared-cache.ts'

const cache = sharedCache()

const texts: Texts = {
  'PROJECT.star': debianProject,
  'containers/plain.star': 'container(name = "plain", distro = "debian", packages = ["bash", "coreutils"])\n',
  'classes/say.star': `def _words(ctx):
    return [ctx.name, ctx.arch] + ctx.extra["words"]

def say(name, **kwargs):
    def build(ctx):
        for word in _words(ctx):
            run("echo %s >>words" % word)
        print("there are", len(run("cat words").output.split("\\n")) - 1, "words")
        if run("test -e /counter/count", check = False).status != 0:
            run("echo 0 >/counter/count")
        run("echo $(($(cat /counter/count) + 1)) >/counter/count; cat /counter/count")
        install_template("say.conf", "$DESTDIR/etc/say.conf")
        run("install -D words $DESTDIR/usr/share/%s/words" % ctx.name)

    unit(
        name = name,
        license = "MIT",
        shell = "sh",
        cache_dirs = {"/counter": "count", "/build/home/.cache/same": "count"},
        tasks = [
            task("build", fn = build),
            task("look", container = "plain", steps = [
                "test ! -e /usr/bin/gcc; cat ~/.cache/same/count",
                lambda: run("test ! -e /usr/bin/gcc; ! echo x >/usr/x"),
                # What bash knows and sh does not.
                "! [[ a == a ]] 2>/dev/null",
            ]),
        ],
        **kwargs
    )
`,
  'classes/say/say.conf': 'words = {{range .words}}{{.}} {{end}}\n',
  'units/uu.star': 'load("//classes/say.star", "say")\nsay("uu", version = "VERSION", words = ["two", "three"])\n',
}

test('functions, their helpers and files, a container and a shell of their own, and a folder that outlives builds', async (t) => {
  const project = testProject(t, texts, cache)
  // Nobody else's count, and no result of another run of this test: both are kept as long as the shared cache.
  const stamp = `${Date.now()}.${process.pid}`
  const own = (path: string): string =>
    (texts[path] ?? '').replaceAll('"count"', `"count-${stamp}"`).replace('VERSION', stamp)
  project.write({ 'classes/say.star': own('classes/say.star'), 'units/uu.star': own('units/uu.star') })
  const build = async (...args: readonly string[]) => {
    const ran = await project.yoe(['build', 'uu', ...args])
    assert.equal(ran.code, 0, ran.stderr)
    const deb = ran.stdout.trim().split('\n').at(-1) ?? ''
    const log = await project.yoe(['log', 'uu'])
    return { deb: resolve(project.root, deb), log: log.stdout, said: ran.stderr }
  }
  const first = await build()
  const listed = execFileSync('dpkg-deb', ['--contents', first.deb], { encoding: 'utf8' })
  const files = listed
    .split('\n')
    .flatMap((line) => (/^-(\S+) .* \.(\/\S+)$/.exec(line) ?? []).slice(1).join(' ') || [])
  assert.deepEqual(files, ['rw-r--r-- /etc/say.conf', 'rwxr-xr-x /usr/share/uu/words'], listed)
  const show = (path: string): string =>
    execFileSync('bash', ['-c', 'dpkg-deb --fsys-tarfile "$0" | tar -xO "./$1"', first.deb, path], { encoding: 'utf8' })
  assert.equal(show('etc/say.conf'), 'words = two three \n')
  assert.equal(show('usr/share/uu/words'), 'uu\nx86_64\ntwo\nthree\n')
  assert.match(first.log, /^\+ build\(\)$(?:.|\n)*^there are 4 words$(?:.|\n)*^1$(?:.|\n)*^=== task look$(?:.|\n)*^1$/m)

  const again = await build('--force')
  assert.match(again.log, /^2$/m, 'the folder was kept')
  assert.deepEqual(execFileSync('sha256sum', [again.deb]), execFileSync('sha256sum', [first.deb]))

  const known = await build()
  assert.doesNotMatch(known.log, /^3$/m, 'nothing ran')
  project.write({ 'classes/say.star': `# Says words.\n${own('classes/say.star')}` })
  assert.doesNotMatch((await build()).log, /^3$/m, 'a comment rebuilds nothing')
  project.write({ 'classes/say/say.conf': 'changed\n' })
  assert.match((await build()).log, /^3$/m, 'a file that a function installs does')
})

test('a function that fails names its lines, the task and the unit', async (t) => {
  const project = testProject(
    t,
    {
      ...texts,
      'classes/say.star': `def _fails():
    run("echo why; exit 4")

def say(name, **kwargs):
    unit(name = name, tasks = [task("build", fn = lambda: _fails())], **kwargs)
`,
    },
    cache,
  )
  const ran = await project.yoe(['build', 'uu'])
  assert.equal(ran.code, 1, ran.stderr)
  assert.match(ran.stderr, /units\/uu\.star:2/)
  assert.match(
    ran.stderr,
    /unit "uu": task "build": run\("echo why; exit 4"\) failed with exit code 4 \(classes\/say\.star:5 in lambda, classes\/say\.star:2 in _fails\)/,
  )
  assert.match(ran.stderr, /^.*why$/m)
})
