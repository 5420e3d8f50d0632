import { chmodSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Texts } from '../../../support/project.ts'
import { fakeFeed, packages } from '../fake-world.ts'
import { app, type Change, edit, images, lib, units } from './row.ts'

export const packageRows: Readonly<Record<string, Change>> = {
  'its name': {
    of: ['package.name'],
    texts: (before) => units('name = "got"', 'name = "gotten"')(images('"got"', '"gotten"')(before)),
    changes: ['got', 'im'],
  },
  'its version': { of: ['package.version'], texts: units('"2.0"', '"2.1"'), changes: app },
  'its release': { of: ['package.release'], texts: units('release = 1', 'release = 2'), changes: app },
  'its description': { of: ['package.description'], texts: units('An app', 'The app'), changes: app },
  'its kind': {
    of: ['package.kind'],
    texts: units(
      'unit(name = "got", version = "1", source = "https://a.org/got.tar.gz", sha256 = "' +
        '1'.repeat(64) +
        '", tasks = [task("t", run = "x")])',
      'unit(name = "got", version = "1")',
    ),
    changes: ['got', 'im'],
  },
  'its scope': {
    of: ['package.scope'],
    texts: units('name = "got", ', 'name = "got", scope = "machine", '),
    changes: ['got', 'im'],
  },
  'a task': { of: ['package.tasks', 'task.steps'], texts: units('"make"', '"make all"'), changes: app },
  'the name of a task': {
    of: ['task.name'],
    texts: units('task("install", steps', 'task("instal", steps'),
    changes: app,
  },
  'the network of a task': { of: ['task.network'], texts: units(', network = True', ''), changes: app },
  'the container of a task': {
    of: ['task.container'],
    texts: units(', container = "shell"', ''),
    changes: ['shell', ...app],
  },
  'a destination': { texts: units('$DESTDIR/etc/app.conf', '$DESTDIR/etc/b.conf'), changes: app },
  'a mode': { texts: units('0o755', '0o700'), changes: app },
  'a copy instead of a template': { texts: units('install_template', 'install_file'), changes: app },
  'the boundary between two steps': { texts: units('["make", ', '["mak", "e", '), changes: app },
  'the order of its tasks': {
    texts: units(
      '        task("check", run = "true", container = "shell"),\n    ],',
      '    ] + [task("check", run = "true", container = "shell")][:1] + [task("more", run = "true")],',
    ),
    changes: app,
  },
  'its environment': { of: ['package.environment'], texts: units('fast', 'slow'), changes: app },
  'the name of a variable': { texts: units('"MODE"', '"MODUS"'), changes: app },
  'template context': { of: ['package.extra'], texts: units('1502', '1503'), changes: app },
  'the type of template context': { texts: units('1502', '"1502"'), changes: app },
  'the name of template context': { texts: units('port = ', 'prt = '), changes: app },
  'what it provides': { of: ['package.provides'], texts: units('["apps = 2"]', '["apps2 = 2"]'), changes: app },
  'the version of what it provides': { texts: units('["apps = 2"]', '["apps = 3"]'), changes: app },
  'what it replaces': { of: ['package.replaces'], texts: units('"oldapp"', '"oldapp << 2"'), changes: app },
  'what it conflicts with': { of: ['package.conflicts'], texts: units('"badapp"', '"worseapp"'), changes: app },
  'its services': { of: ['package.services'], texts: units('services = ["app"]', 'services = ["app2"]'), changes: app },
  'its configuration files': {
    of: ['package.conffiles'],
    texts: units('"/etc/app.conf"]', '"/etc/b.conf"]'),
    changes: app,
  },
  'its shell': { of: ['package.shell'], texts: units('port = 1502', 'port = 1502, shell = "sh"'), changes: app },
  'its subpackages': { of: ['package.subpackages'], texts: units('["dev"]', '["dev", "dbg"]'), changes: app },
  'the patterns of a subpackage': {
    of: ['package.extraSubpackages'],
    texts: units('/usr/share/doc/*', '/usr/share/doc/**'),
    changes: app,
  },
  'the suffix of a subpackage': { texts: units('{"doc"', '{"docs"'), changes: app },
  'its licence': { of: ['package.license'], texts: units('"MIT"', '"BSD-2-Clause"'), changes: app },
  'the mode of a file': {
    of: ['package.permissions'],
    texts: units('port = 1502', 'port = 1502, permissions = {"/usr/bin/tool": "4755"}'),
    changes: app,
  },
  "the upstream's own tests": {
    of: ['package.upstreamTests'],
    texts: units('port = 1502', 'port = 1502, upstream_tests = task("suite", run = "make check")'),
    changes: app,
  },
  'a check that is not made': {
    of: ['package.qaSkip'],
    texts: units('qa_skip = {"stripped": "data"},', ''),
    changes: app,
  },
  // What it needs.
  'one dependency less, which nobody needs then': {
    of: ['package.deps'],
    texts: units('["lib", "zlib1g-dev"]', '["zlib1g-dev"]'),
    changes: lib,
  },
  'one feed dependency less': { texts: units(', "zlib1g-dev"', ''), changes: app },
  'a dependency for its distro': {
    of: ['package.distroDeps'],
    texts: units('distro_deps = {"debian": ["dash"]}', 'distro_deps = {"debian": ["bash"]}'),
    changes: app,
  },
  'a run-time dependency': {
    of: ['package.runtimeDeps'],
    texts: units('runtime_deps = ["bash"]', 'runtime_deps = ["make"]'),
    changes: app,
  },
  'the version of a run-time dependency': {
    texts: units('runtime_deps = ["bash"]', 'runtime_deps = ["bash >= 2"]'),
    changes: app,
  },
  'an alternative of a run-time dependency': {
    texts: units('runtime_deps = ["bash"]', 'runtime_deps = ["bash | dash"]'),
    changes: app,
  },
  'a run-time dependency for its distro': {
    of: ['package.distroRuntimeDeps'],
    texts: units('distro_runtime_deps = {"debian": ["dash"]}', 'distro_runtime_deps = {"debian": ["make"]}'),
    changes: app,
  },
  'a dependency of a dependency': { texts: edit('lib/lib.c', 'one', 'uno'), changes: lib },
  'the version of a feed dependency': {
    feed: packages.map((line) => line.replace('zlib1g-dev 1.3', 'zlib1g-dev 1.4')),
    changes: app,
  },
  'its container': {
    of: ['package.container'],
    texts: units('name = "got", ', 'name = "got", container = "shell", '),
    changes: ['got', 'im'],
  },
  'roots of another machine that builds': {
    of: ['package.containerArch'],
    texts: units('name = "got", ', 'name = "got", container_arch = "host", '),
    universe: { host: { arch: 'arm64', packageArch: 'arm64', feeds: [fakeFeed(packages, 'fake.main', 'arm64')] } },
    changes: ['got', 'im'],
  },
  // What flows to it.
  'what flows from a unit': {
    of: ['package.publicConfig', 'config.cflags'],
    texts: units('-DLIB', '-DLIBRARY'),
    changes: lib,
  },
  'flags for C++': { of: ['config.cxxflags'], texts: units('-DXX', '-DYY'), changes: lib },
  'flags for the preprocessor': { of: ['config.cppflags'], texts: units('-DPP', '-DQQ'), changes: lib },
  'flags for the linker': { of: ['config.ldflags'], texts: units('-lx', '-ly'), changes: lib },
  'folders of headers': {
    of: ['config.includePaths'],
    texts: units('/usr/include/lib', '/usr/include/l'),
    changes: lib,
  },
  'variables that flow': { of: ['config.environment'], texts: units('{"LIB": "1"}', '{"LIB": "2"}'), changes: lib },
  // What lies in its files.
  'a byte of its source': { of: ['package.source'], texts: edit('app/app.c', 'two', 'twp'), changes: app },
  'one more file in its source': { texts: (before) => ({ ...before, 'app/new.c': '' }), changes: app },
  'a file of its source under another name': {
    texts: ({ 'app/sub/more.c': more = '', ...before }: Texts) => ({ ...before, 'app/sub/other.c': more }),
    changes: app,
  },
  'an empty folder in its source': { prepare: (root) => mkdirSync(join(root, 'app/empty')), changes: app },
  'a link in its source': { prepare: (root) => symlinkSync('app.c', join(root, 'app/link')), changes: app },
  'the executable bit of a source file': { prepare: (root) => chmodSync(join(root, 'app/app.c'), 0o755), changes: app },
  'the first byte of a patch': {
    of: ['package.patches'],
    texts: edit('units/patches/fix.patch', 'a patch', 'b patch'),
    changes: app,
  },
  'the last byte of a patch': { texts: edit('units/patches/fix.patch', 'patch\n', 'patch\n\n'), changes: app },
  'a byte of a template': { texts: edit('units/u/app.conf', 'port', 'Port'), changes: app },
  'a byte of an installed file': { texts: edit('units/u/tool', 'sh', 'bash'), changes: app },
  'the digest of an archive': { texts: units('1'.repeat(64), '3'.repeat(64)), changes: ['got', 'im'] },
  'a commit': { texts: units('2'.repeat(40), '3'.repeat(40)), changes: ['cloned'] },
  // What its functions do.
  'the body of a function': { texts: edit('units/f.star', '"make "', '"cmake "'), changes: ['scripted'] },
  'a helper that a function calls': {
    texts: edit('classes/helpers.star', '"make "', '"cmake "'),
    changes: ['scripted'],
  },
  'a value that a function sees': { texts: edit('units/f.star', '"-x"', '"-y"'), changes: ['scripted'] },
}
