/** A project with applications in script languages, real ones with packages of their registries. */
import { debianProject, type Texts } from '../support/project.ts'

const figlet = 'sha512-gO8l3wvqo0V7wEFLXPbkX83b7MVjRrk1oRLfYlZXol8nEpb/ON9pcKLI4qpBv5YtOTfrINtqb7b40iYY2FTWFg=='

export const project = { 'PROJECT.star': debianProject } satisfies Texts

/** `greet` with a source and a compiled wheel, `marks` from a source archive by its digest, `yamllint` of upstream. */
export const python: Texts = {
  ...project,
  'units/greet.star': `load("@module-core//classes/python.star", "python_venv")
python_venv(
    name = "greet",
    version = "1.0",
    license = "MIT",
    source = path("//greet"),
    pip_packages = ["jinja2==3.1.6", "markupsafe==3.0.2"],
    entry_points = {"greet": "greet:main", "greet-module": "greet"},
    tests = [
        test("greets", run = "$DESTDIR/usr/lib/python-venvs/greet/bin/python -m greet you | grep -x 'hello you'"),
        test("is fast", run = "$DESTDIR/usr/lib/python-venvs/greet/bin/python -c 'import markupsafe._speedups'"),
    ],
)
`,
  'greet/pyproject.toml': `[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "greet"
version = "1.0"
license = "MIT"
dependencies = ["jinja2>=3"]
`,
  'greet/LICENSE': 'MIT License\n',
  'greet/greet/__init__.py': `import sys

from jinja2 import Template


def main():
    print(Template("hello {{ who }}").render(who=sys.argv[1]))
`,
  'greet/greet/__main__.py': 'from greet import main\n\nmain()\n',
  'units/marks.star': `load("@module-core//classes/python.star", "python_venv")
python_venv(
    name = "marks",
    version = "1.0",
    license = "BSD-3-Clause",
    requirements = "requirements.txt",
    tests = [test("compiled", run = "$DESTDIR/usr/lib/python-venvs/marks/bin/python -c 'import markupsafe._speedups'")],
)
`,
  'units/marks/requirements.txt': `--no-binary markupsafe
markupsafe==3.0.2 \\
    --hash=sha256:ee55d3edf80167e48ea11a923c7386f4669df67d7994554387f84e7d8b0a2bf0
`,
  'units/yamllint.star': `load("@module-core//classes/python.star", "python_unit")
python_unit(
    name = "yamllint",
    version = "1.37.1",
    license = "GPL-3.0-or-later",
    scope = "noarch",
    source = "http://ftp.debian.org/debian/pool/main/y/yamllint/yamllint_1.37.1.orig.tar.gz",
    sha256 = "ed8dc3aa0cf1933f4ec963e419551a4c566a530ffe2af991e6affc7f81c15ca4",
    runtime_deps = ["python3-pathspec", "python3-yaml"],
    tests = [test("lints", run = """
export PYTHONPATH=$SYSROOT/usr/lib/python3/dist-packages
echo 'a: 1' >good.yaml && python3 -m yamllint --strict -d relaxed good.yaml
printf 'a: 1\\\\na: 2\\\\n' >bad.yaml && (python3 -m yamllint bad.yaml || true) | grep 'duplication of key "a"'
""")],
)
`,
}

const packageJson = (name: string, more: object): string =>
  `${JSON.stringify({ name, version: '1.0.0', private: true, ...more }, undefined, 2)}\n`

const npmLock = (name: string, root: object, packages: object): string =>
  packageJson(name, {
    lockfileVersion: 3,
    requires: true,
    packages: { '': { name, version: '1.0.0', ...root }, ...packages },
  })

const versionsNeeds = {
  dependencies: { commander: '12.1.0', semver: '^7.6.0', 'unix-dgram': '2.0.6' },
  devDependencies: { typescript: '5.6.3' },
}

/** `hello` as its own tasks install it, `versions` with a source in TypeScript and an addon that is compiled. */
export const nodejs: Texts = {
  ...project,
  'units/hello.star': `load("@module-core//classes/nodejs.star", "nodejs_app")
nodejs_app(
    name = "hello",
    version = "1.0.0",
    license = "MIT",
    tasks = [
        task("install-app", steps = [
            install_file("package.json", "$DESTDIR/usr/lib/node-apps/hello/package.json"),
            install_file("package-lock.json", "$APP_BUILD/package-lock.json"),
            install_file("hello.js", "$APP_BUILD/hello.js"),
        ]),
    ],
    entry_points = {"hello": "hello.js", "figlet": "figlet", "banner": "figlet:bin/index.js"},
    tests = [test("says hello", run = "node $DESTDIR/usr/lib/node-apps/hello/hello.js | grep -F '| |__   ___| | | ___'")],
)
`,
  'units/hello/package.json': packageJson('hello', { dependencies: { figlet: '1.7.0' } }),
  'units/hello/package-lock.json': npmLock(
    'hello',
    { dependencies: { figlet: '1.7.0' } },
    { 'node_modules/figlet': { version: '1.7.0', integrity: figlet, bin: { figlet: 'bin/index.js' } } },
  ),
  'units/hello/hello.js': "console.log(require('figlet').textSync('hello'))\n",
  'units/versions.star': `load("@module-core//classes/nodejs.star", "nodejs_app")
nodejs_app(
    name = "versions",
    version = "1.0.0",
    license = "MIT",
    source = path("//versions"),
    build_scripts = ["build"],
    entry_points = {"versions": "dist/main.js", "semver": "semver"},
    tests = [
        test("runs", run = "node $DESTDIR/usr/lib/node-apps/versions/dist/main.js 1.2.3 | grep -x 'valid 1.2.3'"),
        test("has no compilers", run = "! test -e $DESTDIR/usr/lib/node-apps/versions/node_modules/typescript"),
    ],
)
`,
  'versions/package.json': packageJson('versions', {
    scripts: { build: 'tsc --outDir dist main.ts' },
    ...versionsNeeds,
  }),
  'versions/package-lock.json': npmLock('versions', versionsNeeds, {
    'node_modules/bindings': {
      version: '1.5.0',
      integrity: 'sha512-p2q/t/mhvuOj/UeLlV6566GD/guowlr0hHxClI0W9m7MWYkL1F0hLo+0Aexs9HSPCtR1SXQ0TD3MMKrXZajbiQ==',
      dependencies: { 'file-uri-to-path': '1.0.0' },
    },
    'node_modules/commander': {
      version: '12.1.0',
      integrity: 'sha512-Vw8qHK3bZM9y/P10u3Vib8o/DdkvA2OtPtZvD871QKjy74Wj1WSKFILMPRPSdUSx5RFK1arlJzEtA4PkFgnbuA==',
    },
    'node_modules/file-uri-to-path': {
      version: '1.0.0',
      integrity: 'sha512-0Zt+s3L7Vf1biwWZ29aARiVYLx7iMGnEUl9x33fbB/j3jR81u/O2LbqK+Bm1CDSNDKVtJ/YjwY7TUd5SkeLQLw==',
    },
    'node_modules/nan': {
      version: '2.30.0',
      integrity: 'sha512-P5mokDkSvCGBz6mZDD/2l+w9QoICRXdCyZ9ONGmTePr40oihJg3Kpn0YU3twKd6PJnwSlLBWNQeOT6yWEV2c4A==',
    },
    'node_modules/semver': {
      version: '7.8.6',
      integrity: 'sha512-9lpSSU4Mly3mrtruwLs1eLK6+gzbzqeBFwRNjIjE+9LuDpWdYctrQlQ3ej1Ilgi7gknpsTRnPoLP8DpCHqHIJw==',
      bin: { semver: 'bin/semver.js' },
    },
    'node_modules/typescript': {
      version: '5.6.3',
      integrity: 'sha512-hjcS1mhfuyi4WW8IWtjP7brDrG2cuDZukyrYrSauoXGNgx0S7zceP07adYkJycEr56BOUTNPzbInooiN3fn1qw==',
      dev: true,
      bin: { tsc: 'bin/tsc' },
    },
    'node_modules/unix-dgram': {
      version: '2.0.6',
      integrity: 'sha512-AURroAsb73BZ6CdAyMrTk/hYKNj3DuYYEuOaB8bYMOHGKupRNScw90Q5C71tWJc3uE7dIeXRyuwN0xLLq3vDTg==',
      hasInstallScript: true,
      dependencies: { bindings: '^1.5.0', nan: '^2.16.0' },
    },
  }),
  'versions/main.ts': `declare const require: (name: string) => any
const { Command } = require('commander')
const { valid } = require('semver')
const { createSocket } = require('unix-dgram')

const program = new Command('versions').argument('<version>').action((version: string) => {
  createSocket('unix_dgram', () => {}).close()
  console.log('valid', valid(version))
})
program.parse()
`,
}

export const bun: Texts = {
  ...project,
  'units/bun-hello.star': `load("@module-core//classes/bun.star", "bun_app")
bun_app(
    name = "bun-hello",
    version = "1.0.0",
    license = "MIT",
    source = path("//bun-hello"),
    entry_points = {"bun-hello": "hello.ts", "bun-figlet": "figlet"},
    tests = [test("says hello", run = "bun $DESTDIR/usr/lib/bun-apps/bun-hello/hello.ts | grep -F '| |__   ___| | | ___'")],
)
`,
  'bun-hello/package.json': packageJson('bun-hello', { type: 'module', dependencies: { figlet: '1.7.0' } }),
  'bun-hello/bun.lock': `{
  "lockfileVersion": 1,
  "workspaces": {
    "": { "name": "bun-hello", "dependencies": { "figlet": "1.7.0", }, },
  },
  "packages": {
    "figlet": ["figlet@1.7.0", "", { "bin": { "figlet": "bin/index.js" } }, "${figlet}"],
  }
}
`,
  'bun-hello/hello.ts': `import figlet from 'figlet'

const text: string = process.argv[2] ?? 'hello'
console.log(figlet.textSync(text))
`,
}
