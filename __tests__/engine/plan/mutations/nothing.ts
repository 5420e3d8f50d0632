import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packages } from '../fake-world.ts'
import { type Change, containers, edit, images, machines, units } from './row.ts'

export const nothing: Readonly<Record<string, Change>> = {
  'a comment': {
    of: ['package.at', 'task.at'],
    texts: (before) => ({ ...before, 'units/u.star': `# nothing\n\n${before['units/u.star']}` }),
    changes: [],
  },
  'comments in every file': {
    of: ['toolchain.at', 'image.at', 'machine.at', 'partition.at'],
    texts: (before) =>
      Object.fromEntries(
        Object.entries(before).map(([file, text]) => [file, file.endsWith('.star') ? `# nothing\n${text}` : text]),
      ),
    changes: [],
  },
  'the class that declares it': {
    of: ['package.builtVia'],
    texts: units('plain(name = "lib"', 'unit(name = "lib"'),
    changes: [],
  },
  'classes of containers and images': {
    of: ['toolchain.builtVia', 'image.builtVia'],
    texts: (before) => ({
      ...before,
      'containers/c.star': (before['containers/c.star'] ?? '').replace(
        'container(name = "shell"',
        'def made(**kwargs):\n    container(**kwargs)\n\nmade(name = "shell"',
      ),
      'images/i.star': `def made(**kwargs):\n    image(**kwargs)\n\n${(before['images/i.star'] ?? '').replace('image(', 'made(')}`,
    }),
    changes: [],
  },
  'which module declares it': {
    of: ['package.module'],
    texts: ({ 'mods/module-low/units/m.star': text = '', ...before }) => ({ ...before, 'units/m.star': text }),
    changes: [],
  },
  'which module declares containers, images and machines': {
    of: ['toolchain.module', 'image.module', 'machine.module'],
    texts: (before) => ({
      ...before,
      ...{ 'containers/c.star': '', 'machines/m.star': '', 'images/i.star': '' },
      'mods/module-low/containers/c.star': before['containers/c.star'] ?? '',
      'mods/module-low/machines/m.star': before['machines/m.star'] ?? '',
      'mods/module-low/images/i.star': (before['images/i.star'] ?? '').replace('"//overlays/o"', '"//o"'),
      'mods/module-low/o/etc/motd': before['overlays/o/etc/motd'] ?? '',
    }),
    changes: [],
  },
  'other distros that see it': {
    of: ['package.distros', 'image.distros'],
    texts: (before) =>
      units(
        'name = "got", ',
        'name = "got", distros = ["debian", "ubuntu"], ',
      )(images('["debian"]', '["debian", "ubuntu"]')(before)),
    changes: [],
  },
  'what is for people about a container': {
    of: ['toolchain.version', 'toolchain.release', 'toolchain.description', 'toolchain.license', 'toolchain.distros'],
    texts: containers(
      'version = "1", release = 0, description = "A shell", license = "MIT"',
      'version = "2", release = 3, description = "Shells", license = "BSD"',
    ),
    changes: [],
  },
  'what is for people about an image': {
    of: ['image.description', 'image.license'],
    texts: images('description = "An image", license = "MIT"', 'description = "The image", license = "BSD"'),
    changes: [],
  },
  'the checks of an image': { of: ['image.checks'], texts: images('run = "true"', 'run = "false"'), changes: [] },
  'the tests of a unit': {
    of: ['package.tests'],
    texts: units('test("runs", run = "true")', 'test("walks", run = "false")'),
    changes: [],
  },
  'folders that are kept between builds': {
    of: ['package.cacheDirs'],
    texts: units('/cache/app', '/cache/kept'),
    changes: [],
  },
  'how much its tasks may use': {
    of: ['package.limits'],
    texts: units('cache_dirs = ', 'limits = {"time": "8h", "memory": "32G"}, cache_dirs = '),
    changes: [],
  },
  'that a unit was extended, where nothing is added': {
    of: ['package.extensions'],
    texts: (before) => ({ ...before, 'units/v.star': 'extend("app", environment = {"MODE": "fast"})\n' }),
    changes: [],
  },
  'the name that a kernel provides': {
    of: ['kernel.provides'],
    texts: machines('provides = "linux"', 'provides = "kernel"'),
    changes: [],
  },
  'the order of dependencies': { texts: units('["lib", "zlib1g-dev"]', '["zlib1g-dev", "lib"]'), changes: [] },
  'the order of artifacts': { texts: images('"app", "got", "bash"', '"bash", "got", "app"'), changes: [] },
  'the order of variables': { texts: units('{"MODE": "fast"}', '{"MODE": "fast"} | {}'), changes: [] },
  'another unit': {
    texts: (before) => ({
      ...before,
      'units/v.star': 'unit(name = "bystander", version = "1", public_config = {"CFLAGS": "-DX"})\n',
    }),
    changes: [],
  },
  'where declarations stand': {
    texts: ({ 'units/u.star': text = '', ...before }) => {
      const got = text.split('\n').filter((line) => line.startsWith('unit(name = "got"'))
      assert.equal(got.length, 1)
      return { ...before, 'units/a.star': got.join('\n'), 'units/u.star': text.replace(got.join('\n'), '') }
    },
    changes: [],
  },
  'a function that is not called': {
    texts: (before) =>
      edit('units/f.star', 'pass', 'print(1)')(edit('classes/helpers.star', 'return 1', 'return 2')(before)),
    changes: [],
  },
  'comments in a function': {
    texts: edit('units/f.star', '    helper("all")', '    # all\n    helper("all")'),
    changes: [],
  },
  'who serves an archive': {
    texts: units('"https://a.org/got.tar.gz"', '["https://b.org/got.tar.gz", "https://a.org/x.tar.gz"]'),
    changes: [],
  },
  'who serves a repository': { texts: units('https://a.org/cloned.git', 'https://b.org/cloned.git'), changes: [] },
  'what a guest gets from QEMU': {
    of: ['machine.qemu'],
    texts: machines('arch = "x86_64"', 'arch = "x86_64", qemu = qemu_config(machine = "q35", memory = "2G")'),
    changes: [],
  },
  'descriptions of machines': { of: ['machine.description'], texts: machines('"A box"', '"The box"'), changes: [] },
  'kernels for other distros': { texts: machines('kernel(unit = "make")', 'kernel(unit = "dash")'), changes: [] },
  'another machine': {
    texts: (before) => ({ ...before, 'machines/n.star': 'machine(name = "crate", arch = "arm64")\n' }),
    changes: [],
  },
  'the default image': { texts: edit('PROJECT.star', 'machine = "box"', 'machine = "box", image = "im"'), changes: [] },
  'pins that change nothing': {
    texts: edit('PROJECT.star', 'name = "demo"', 'name = "demo", prefer_modules = {"modular": "low"}'),
    changes: [],
  },
  'times of files': { prepare: (root) => utimesSync(join(root, 'app/app.c'), 1, 1), changes: [] },
  'modes that are not the executable bit': {
    prepare: (root) => chmodSync(join(root, 'app/app.c'), 0o600),
    changes: [],
  },
  'what git keeps in a source': {
    prepare: (root) => {
      mkdirSync(join(root, 'app/.git'))
      writeFileSync(join(root, 'app/.git/HEAD'), 'x')
    },
    changes: [],
  },
  'packages of the feed that nothing needs': { feed: [...packages, 'unrelated 1'], changes: [] },
}
