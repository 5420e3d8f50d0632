import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { WorkspaceOptions } from './workspace.ts'
import { loadProject, openWorkspace } from './workspace.ts'

export interface Scaffold {
  readonly name: string
  readonly machine: string
  readonly distro: NewDistro
}

/** What differs between projects of one distro and of another. */
interface Flavour {
  readonly module: string
  /** Lines of the image: what the boot test runs. */
  readonly tests: readonly string[]
}

const flavours = {
  debian: {
    module: 'module-debian',
    tests: [
      `test("hello said hello", run = "journalctl -u hello | grep -q 'Hello from yoe'"),`,
      'test("no failed services", run = "systemctl --failed --quiet --no-legend | (! grep .)"),',
    ],
  },
  alpine: {
    module: 'module-alpine',
    tests: [
      `test("hello said hello", run = "grep -q 'hello: Hello from yoe' /var/log/messages"),`,
      'test("no failed services", run = "! rc-status --crashed"),',
    ],
  },
} as const satisfies Readonly<Record<string, Flavour>>

/** The distros that a project can start with. */
export type NewDistro = keyof typeof flavours

export const newDistros: readonly NewDistro[] = ['debian', 'alpine']

export function isNewDistro(text: string): text is NewDistro {
  return Object.hasOwn(flavours, text)
}

/** The files of a new project, by path; it builds as it stands. */
export function scaffold({ name, machine, distro }: Scaffold): readonly (readonly [string, string])[] {
  return [
    ['PROJECT.star', project(name, machine, distro)],
    ['.gitignore', 'build/\ncache/\nrepo/\nlocal.star*\n'],
    ['README.md', readme(name)],
    ['units/hello.star', unit],
    ['units/hello/hello.conf.tmpl', '# {{.name}} {{.version}}\ngreeting = {{.greeting}}\n'],
    ['units/hello/hello.service', service],
    ['units/hello/hello.initd', initScript],
    ['hello/Makefile', makefile],
    ['hello/hello.c', source],
    [`images/${name}-image.star`, image(name, flavours[distro].tests)],
  ]
}

/**
 * Evaluates files of a new project, before they are written where they belong.
 * @throws {YoeErrors} MACHINE_NOT_FOUND, with the machines that there are
 */
export async function checkScaffold(
  files: readonly (readonly [string, string])[],
  { env, report, signal }: Pick<WorkspaceOptions, 'env' | 'report' | 'signal'>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'yoe-init-'))
  try {
    for (const [path, content] of files) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), content)
    }
    const options = { cwd: folder, project: folder, offline: true, locked: undefined, env, report, signal }
    await loadProject(openWorkspace(options), undefined)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const project = (name: string, machine: string, distro: NewDistro): string => `project(
    name = "${name}",
    version = "0.1.0",
    defaults = defaults(
        machine = "${machine}",
        image = "${name}-image",
        distro = "${distro}",
    ),
    modules = [
        module("yoe:${flavours[distro].module}"),
        module("yoe:module-core"),
    ],
)
`

const readme = (name: string): string => `# ${name}

\`yoe build\` builds the image, \`yoe test\` runs the tests of units, \`yoe run\` boots the image in QEMU, \`yoe run
--boot-test\` runs its tests, \`yoe publish --to DIR\` writes the signed package feed. \`units/hello.star\` is the program
to replace by your own; systemd starts it by \`hello.service\`, OpenRC by \`hello.initd\`.
`

const unit = `load("@module-core//classes/make.star", "make")
load("@module-core//classes/openrc.star", "openrc_service")
load("@module-core//classes/systemd.star", "systemd_service")

make(
    name = "hello",
    version = "0.1.0",
    description = "Says hello when the system is up",
    license = "MIT",
    source = path("//hello"),
    conffiles = ["/etc/hello.conf"],
    greeting = "Hello from yoe",
    tasks = [task("configuration", steps = [install_template("hello.conf.tmpl", "$DESTDIR/etc/hello.conf")])],
    tests = [test("greets", run = "hello $DESTDIR/etc/hello.conf | grep -x 'Hello from yoe'")],
)

systemd_service(name = "hello", unit = "hello.service")
openrc_service(name = "hello", script = "hello.initd")
`

const service = `[Unit]
Description=Hello

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/hello /etc/hello.conf

[Install]
WantedBy=multi-user.target
`

const initScript = `#!/sbin/openrc-run

description="Hello"

depend() {
	after logger
}

start() {
	ebegin "Saying hello"
	/usr/bin/hello /etc/hello.conf 2>&1 | logger -t hello
	eend $?
}
`

const makefile = `hello: hello.c
\t$(CC) $(CFLAGS) $(CPPFLAGS) -Wall -Wextra -o $@ $< $(LDFLAGS)

install: hello
\tinstall -D hello $(DESTDIR)$(PREFIX)/bin/hello
`

const source = `#include <stdio.h>

/* Prints the greeting of the configuration file that it is given. */
int main(int argc, char **argv)
{
	char line[256], greeting[200];
	FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;

	if (!file) {
		fprintf(stderr, "usage: hello CONFIG\\n");
		return 2;
	}
	while (fgets(line, sizeof line, file))
		if (sscanf(line, "greeting = %199[^\\n]", greeting) == 1)
			puts(greeting);
	return 0;
}
`

const image = (name: string, tests: readonly string[]): string => `image(
    name = "${name}-image",
    version = "0.1.0",
    artifacts = ["base", "ssh-server", "hello"],
    hostname = "${name.replaceAll(/[^a-z0-9-]/g, '-').slice(0, 60)}",
    tests = [
${tests.map((line) => `        ${line}\n`).join('')}    ],
)
`
