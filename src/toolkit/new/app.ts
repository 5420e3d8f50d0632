import { YoeError } from '#engine/errors.ts'
import { mitLicense } from './mit.ts'

/** Path in the project to content. */
export type Files = readonly (readonly [path: string, content: string])[]

export const languages = ['c', 'cpp', 'go', 'rust', 'zig', 'python', 'nodejs', 'bun'] as const
export type Language = (typeof languages)[number]

export function isLanguage(text: string): text is Language {
  return languages.some((language) => language === text)
}

/** What a program can be called in every language's own packages. */
const appName = {
  pattern: /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/,
  says: 'lower-case letters, digits and single "-", starting with a letter',
} as const

interface Template {
  readonly file: string
  readonly class: string
  /** Arguments of the class beside the usual ones. */
  readonly arguments?: (name: string) => readonly string[]
  readonly sources: (name: string) => Readonly<Record<string, string>>
  /** How a test starts it out of its destdir, where the command in /usr/bin can't. */
  readonly run?: (name: string) => string
}

const says = (name: string): string => `Hello from ${name}`

/** A name in languages that have no "-" in names. */
const word = (name: string): string => name.replaceAll('-', '_')

const templates: Readonly<Record<Language, Template>> = {
  c: {
    file: 'make',
    class: 'make',
    sources: (name) => ({
      Makefile: makefile(name),
      'main.c': `#include <stdio.h>\n\nint main(void)\n{\n\tputs("${says(name)}");\n\treturn 0;\n}\n`,
    }),
  },
  cpp: {
    file: 'cmake',
    class: 'cmake',
    sources: (name) => ({
      'CMakeLists.txt': `cmake_minimum_required(VERSION 3.20)
project(${name} VERSION 0.1.0 LANGUAGES CXX)

add_executable(${name} main.cpp)
target_compile_features(${name} PRIVATE cxx_std_20)
install(TARGETS ${name})
`,
      'main.cpp': `#include <iostream>\n\nint main()\n{\n\tstd::cout << "${says(name)}" << std::endl;\n}\n`,
    }),
  },
  go: {
    file: 'go',
    class: 'go_binary',
    sources: (name) => ({
      'go.mod': `module ${name}\n\ngo 1.21\n`,
      'main.go': `package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Println("${says(name)}")\n}\n`,
    }),
  },
  rust: {
    file: 'rust',
    class: 'rust_binary',
    sources: (name) => ({
      'Cargo.toml': `[package]\nname = "${name}"\nversion = "0.1.0"\nedition = "2021"\nlicense = "MIT"\n`,
      'Cargo.lock': `version = 3\n\n[[package]]\nname = "${name}"\nversion = "0.1.0"\n`,
      'src/main.rs': `fn main() {\n    println!("${says(name)}");\n}\n`,
    }),
  },
  zig: {
    file: 'zig',
    class: 'zig_binary',
    sources: (name) => ({
      'build.zig': `const std = @import("std");

pub fn build(b: *std.Build) void {
    const module = b.createModule(.{
        .root_source_file = b.path("main.zig"),
        .target = b.standardTargetOptions(.{}),
        .optimize = b.standardOptimizeOption(.{}),
    });
    b.installArtifact(b.addExecutable(.{ .name = "${name}", .root_module = module }));
}
`,
      'main.zig': `const std = @import("std");

pub fn main() !void {
    try std.fs.File.stdout().writeAll("${says(name)}\\n");
}
`,
    }),
  },
  python: {
    file: 'python',
    class: 'python_venv',
    arguments: (name) => [`entry_points = {"${name}": "${word(name)}:main"},`],
    run: (name) => `$DESTDIR/usr/lib/python-venvs/${name}/bin/python -c 'import ${word(name)}; ${word(name)}.main()'`,
    sources: (name) => ({
      'pyproject.toml': `[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "${name}"
version = "0.1.0"

[tool.setuptools]
py-modules = ["${word(name)}"]
`,
      [`${word(name)}.py`]: `def main():\n    print("${says(name)}")\n`,
    }),
  },
  nodejs: {
    file: 'nodejs',
    class: 'nodejs_app',
    arguments: (name) => [`entry_points = {"${name}": "main.js"},`],
    run: (name) => `node $DESTDIR/usr/lib/node-apps/${name}/main.js`,
    sources: (name) => ({ 'package.json': packageJson(name), 'main.js': `console.log('${says(name)}')\n` }),
  },
  bun: {
    file: 'bun',
    class: 'bun_app',
    arguments: (name) => [`entry_points = {"${name}": "main.ts"},`],
    run: (name) => `bun $DESTDIR/usr/lib/bun-apps/${name}/main.ts`,
    sources: (name) => ({
      'package.json': packageJson(name),
      'main.ts': `const greeting: string = '${says(name)}'\nconsole.log(greeting)\n`,
    }),
  },
}

/**
 * The files of a new application: its source in a folder of its name, a unit, and a service that starts it, for systemd and
 * for OpenRC.
 * @throws {YoeError} BAD_NAME
 */
export function newApp(language: Language, name: string): Files {
  if (!appName.pattern.test(name) || name.length > 60) {
    throw new YoeError('BAD_NAME', `an application can't be called ${JSON.stringify(name)}`, {
      hint: `use ${appName.says}`,
    })
  }
  const template = templates[language]
  const sources = Object.entries(template.sources(name)).map(([path, text]) => [`${name}/${path}`, text] as const)
  return [
    ...sources,
    [`${name}/LICENSE`, mitLicense(name)],
    [`units/${name}.star`, unit(name, template)],
    [`units/${name}/${name}.service`, service(name)],
    [`units/${name}/${name}.initd`, initScript(name)],
  ]
}

const unit = (
  name: string,
  template: Template,
): string => `load("@module-core//classes/${template.file}.star", "${template.class}")
load("@module-core//classes/openrc.star", "openrc_service")
load("@module-core//classes/systemd.star", "systemd_service")

${template.class}(
    name = "${name}",
    version = "0.1.0",
    description = "Greets when the system is up",
    license = "MIT",
    source = path("//${name}"),
${(template.arguments?.(name) ?? []).map((line) => `    ${line}\n`).join('')}    tests = [test("greets", run = "${template.run?.(name) ?? name} | grep -x '${says(name)}'")],
)

systemd_service(name = "${name}", unit = "${name}.service")
openrc_service(name = "${name}", script = "${name}.initd")
`

const service = (name: string): string => `[Unit]
Description=${name}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/${name}

[Install]
WantedBy=multi-user.target
`

const initScript = (name: string): string => `#!/sbin/openrc-run

description="${name}"

depend() {
\tafter logger
}

start() {
\tebegin "Starting ${name}"
\t/usr/bin/${name} 2>&1 | logger -t ${name}
\teend $?
}
`

const makefile = (name: string): string => `${name}: main.c
\t$(CC) $(CPPFLAGS) $(CFLAGS) -Wall -Wextra -o $@ $< $(LDFLAGS)

install: ${name}
\tinstall -D ${name} $(DESTDIR)$(PREFIX)/bin/${name}
`

const packageJson = (name: string): string =>
  `${JSON.stringify({ name, version: '0.1.0', license: 'MIT', type: 'module' }, undefined, 2)}\n`
