/** A unit of C built under both workers, by the command line. */
import assert from 'node:assert/strict'
import { copyFileSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { dockerClient } from '#engine/build/docker.ts'
import { compareDebs } from '#feeds/debian/compare.ts'
import { dockerDaemon } from '../support/docker-daemon.ts'
import { debianProject, testProject } from '../support/project.ts'
import { sharedCache } from '../support/shared-cache.ts'

const unit = `unit(
    name = "greeter", version = "1.0", license = "MIT", source = path("//src/greeter"),
    tasks = [task("build", run = """
id -u >who; umask >>who; hostname >>who; env | sort >environment
make CFLAGS="$CFLAGS" && install -D -s -o root -g root -m 755 greeter $DESTDIR/usr/bin/greeter
install -D -m 644 who environment -t $DESTDIR/usr/share/greeter
""")],
    qa_skip = {"buildpaths": "what tasks see is compared here", "license": "of a test"},
)
`

test('a unit of C is the same package under bubblewrap and under Docker', { timeout: 900_000 }, async (t) => {
  const daemon = await dockerDaemon(t)
  if ('why' in daemon) return t.skip(daemon.why)
  const project = testProject(
    t,
    {
      'PROJECT.star': debianProject,
      'units/greeter.star': unit,
      'src/greeter/greeter.c': '#include <stdio.h>\nint main(void) { puts("hello from " __FILE__); return 0; }\n',
      'src/greeter/Makefile': 'greeter: greeter.c\n\t$(CC) $(CFLAGS) -o $@ $<\n',
    },
    sharedCache(),
  )
  const packages: string[] = []
  for (const worker of ['bwrap', 'docker']) {
    const ran = await project.yoe(['build', '--force', 'greeter'], {
      env: { YOE_WORKER: worker, DOCKER_HOST: `unix://${daemon.socket}` },
    })
    assert.equal(ran.code, 0, ran.stdout + ran.stderr)
    const [made] = globSync('build/**/greeter_*.deb', { cwd: project.root })
    const kept = join(project.root, `${worker}.deb`)
    copyFileSync(join(project.root, made ?? ''), kept)
    packages.push(kept)
  }
  // Both were really there: the root is an image now.
  const docker = await dockerClient(daemon.socket)
  assert.ok((await docker.listImages({ filters: JSON.stringify({ label: ['io.yoe=root'] }) })).length > 0)
  const [first = '', second = ''] = packages
  assert.deepEqual(await compareDebs(first, second), [])
  assert.ok(readFileSync(first).equals(readFileSync(second)))
})
