import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { packages } from '../fake-world.ts'
import { app, type Change, containers, edit, everyUnit, images, machine, machines } from './row.ts'

export const otherRows: Readonly<Record<string, Change>> = {
  // Roots.
  'the version of a package of the toolchain': {
    of: ['toolchain.packages'],
    feed: packages.map((line) => line.replace('gcc 14', 'gcc 15')),
    changes: ['toolchain', ...everyUnit],
  },
  'the version of a package of the tools': {
    feed: packages.map((line) => line.replace('mmdebstrap 1', 'mmdebstrap 2')),
    changes: ['tools', 'toolchain', 'shell', ...everyUnit],
  },
  'one more package in the toolchain': {
    texts: containers('"gcc", ', '"gcc", "bash", '),
    changes: ['toolchain', ...everyUnit],
  },
  'the name of a root': {
    of: ['toolchain.name'],
    texts: containers('name = "toolchain-fake"', 'name = "toolchain-other"'),
    changes: ['toolchain', ...everyUnit],
  },
  'what is a root': {
    of: ['toolchain.kind', 'toolchain.provides'],
    texts: (before) =>
      containers(
        'provides = ["shells"]',
        'provides = ["toolchain"]',
      )(containers('provides = ["toolchain"]', 'provides = ["other"]')(before)),
    changes: ['toolchain', ...everyUnit],
  },
  'an image of a registry for a root': {
    of: ['toolchain.image'],
    texts: containers('packages = ["gcc", "make"]', `image = "a.org/b@sha256:${'0'.repeat(64)}"`),
    changes: ['toolchain', ...everyUnit],
  },
  'a Dockerfile for a root': {
    of: ['toolchain.dockerfile'],
    texts: (before) => ({
      ...containers('packages = ["gcc", "make"]', 'dockerfile = "Dockerfile"')(before),
      'containers/toolchain-fake/Dockerfile': 'FROM yoe/shell\n',
    }),
    changes: ['toolchain', ...everyUnit],
  },
  // Images.
  'the name of an image': { of: ['image.name', 'image.kind'], texts: images('"im"', '"im2"'), changes: ['im'] },
  'the version of an image': {
    of: ['image.version'],
    texts: images('version = "1"', 'version = "2"'),
    changes: ['im'],
  },
  'the release of an image': { of: ['image.release'], texts: images('release = 2', 'release = 3'), changes: ['im'] },
  'the host name': { of: ['image.hostname'], texts: images('"host"', '"guest"'), changes: ['im'] },
  'the time zone': { of: ['image.timezone'], texts: images('"UTC"', '"Europe/Berlin"'), changes: ['im'] },
  'the locale': { of: ['image.locale'], texts: images('"C.UTF-8"', '"C"'), changes: ['im'] },
  'the services of an image': {
    of: ['image.services'],
    texts: images('services = ["app"]', 'services = []'),
    changes: ['im'],
  },
  'the name of a user': { of: ['image.users', 'user.name'], texts: images('"op"', '"operator"'), changes: ['im'] },
  'the number of a user': { of: ['user.uid'], texts: images('1001', '1002'), changes: ['im'] },
  'the groups of a user': { of: ['user.groups'], texts: images('"dialout"', '"audio"'), changes: ['im'] },
  'the shell of a user': { of: ['user.shell'], texts: images('"/bin/sh"', '"/bin/dash"'), changes: ['im'] },
  'the home of a user': { of: ['user.home'], texts: images('"/srv"', '"/home/op"'), changes: ['im'] },
  'the password of a user': {
    of: ['user.password'],
    texts: images('password = "*"', 'password = "!"'),
    changes: ['im'],
  },
  'the keys of a user': { of: ['user.authorizedKeys'], texts: images(' op"]', ' operator"]'), changes: ['im'] },
  'a byte of an overlay': {
    of: ['image.overlays'],
    texts: edit('overlays/o/etc/motd', 'hello', 'hallo'),
    changes: ['im'],
  },
  'the mode of a file of an overlay': {
    prepare: (root) => chmodSync(join(root, 'overlays/o/etc/motd'), 0o755),
    changes: ['im'],
  },
  'an artifact': { of: ['image.artifacts'], texts: images('"bash", ', '"bash", "zlib1g", '), changes: ['im'] },
  'a subpackage as an artifact': { texts: images('"app", ', '"app", "app-dev", '), changes: ['im'] },
  'an artifact for its distro': {
    of: ['image.distroArtifacts'],
    texts: images('distro_artifacts = {"debian": ["dash"]}', 'distro_artifacts = {"debian": ["zlib1g"]}'),
    changes: ['im'],
  },
  'what is left out': {
    of: ['image.exclude'],
    texts: (before) => images('exclude = ["left-out"]', 'exclude = ["left-out", "got"]')(before),
    changes: ['got', 'im'],
  },
  'the partitions of an image': {
    of: ['image.partitions'],
    texts: images(
      'locale =',
      'partitions = [partition(label = "all", type = "ext4", size = "2G", root = True)], locale =',
    ),
    changes: ['im'],
  },
  'the version of a package of the image': {
    feed: packages.map((line) => line.replace('dash 0', 'dash 0.5')),
    // It is in the sysroot of app, too.
    changes: app,
  },
  // Machines.
  'the name of a machine': {
    of: ['machine.name'],
    texts: (before) => machines('"box"', '"crate"')(edit('PROJECT.star', '"box"', '"crate"')(before)),
    changes: machine,
  },
  'the architecture of a machine': {
    of: ['machine.arch'],
    texts: machines('"x86_64"', '"arm64"'),
    changes: ['tools', 'toolchain', 'shell', ...everyUnit],
  },
  'what flows from a machine': { of: ['machine.publicConfig'], texts: machines('-O3', '-O1'), changes: everyUnit },
  'the packages of a machine': {
    of: ['machine.packages'],
    texts: machines('packages = ["make"]', 'packages = []'),
    changes: ['im'],
  },
  'the packages of a machine for a distro': {
    of: ['machine.distroPackages'],
    texts: (before) =>
      machines(
        '{"debian": ["dash"]}',
        '{"debian": ["zlib1g"]}',
      )(images('distro_artifacts = {"debian": ["dash"]}', 'distro_artifacts = {}')(before)),
    changes: ['im'],
  },
  'the size of a partition': {
    of: ['machine.partitions', 'partition.size'],
    texts: machines('"1G"', '"2G"'),
    changes: ['im'],
  },
  'the label of a partition': { of: ['partition.label'], texts: machines('"boot"', '"esp"'), changes: ['im'] },
  'the type of a partition': { of: ['partition.type'], texts: machines('"vfat"', '"ext4"'), changes: ['im'] },
  'the root among partitions': {
    of: ['partition.root'],
    texts: (before) =>
      machines(
        'size = "1G", root = True',
        'size = "1G"',
      )(machines('type = "vfat", size = "64M"', 'type = "ext4", root = True, size = "64M"')(before)),
    changes: ['im'],
  },
  'the contents of a partition': {
    of: ['partition.contents'],
    texts: machines('["*.dtb"]', '["*.dtbo"]'),
    changes: ['im'],
  },
  'the kernel': {
    of: ['machine.kernel', 'kernel.unit'],
    texts: machines('unit = "linux-image"', 'unit = "zlib1g"'),
    changes: ['im'],
  },
  'a kernel for its distro': {
    of: ['machine.distroKernels'],
    texts: machines('"ubuntu": kernel(unit = "make")', '"debian": kernel(unit = "make")'),
    changes: ['im', 'board'],
  },
  "the kernel's command line, which boot loaders hold": {
    of: ['kernel.cmdline'],
    texts: machines('"quiet"', '"debug"'),
    changes: ['im'],
  },
  "the kernel's console, which templates hold": {
    texts: machines('"quiet"', '"quiet console=ttyS1"'),
    changes: machine,
  },
  "the kernel's repository": { of: ['kernel.repo'], texts: machines('linux.git', 'linux-box.git'), changes: ['board'] },
  "the kernel's branch": {
    of: ['kernel.branch'],
    texts: machines('git", branch = "main"', 'git", branch = "next"'),
    changes: ['board'],
  },
  "the kernel's tag": { of: ['kernel.tag'], texts: machines('"v6"', '"v7"'), changes: ['board'] },
  "the kernel's configuration": {
    of: ['kernel.defconfig'],
    texts: machines('box_defconfig', 'crate_defconfig'),
    changes: ['board'],
  },
  'the device trees': {
    of: ['kernel.deviceTrees'],
    texts: machines('["box.dtb"]', '["box.dtb", "crate.dtb"]'),
    changes: ['board'],
  },
  'the boot loader': {
    of: ['machine.bootloader', 'bootloader.unit'],
    texts: machines('unit = "loader"', 'unit = "zlib1g"'),
    changes: ['loader', 'im'],
  },
  'that there is a boot loader': {
    of: ['bootloader.kind'],
    texts: (before) => ({
      ...before,
      'machines/m.star': (before['machines/m.star'] ?? '').replace(/bootloader = .*\n/, '\n'),
    }),
    changes: ['loader', 'im', 'board'],
  },
  "the boot loader's repository": {
    of: ['bootloader.repo'],
    texts: machines('uboot.git', 'u-boot.git'),
    changes: ['board'],
  },
  "the boot loader's branch": {
    of: ['bootloader.branch'],
    texts: machines('uboot.git", branch = "main"', 'uboot.git", branch = "next"'),
    changes: ['board'],
  },
  "the boot loader's tag": { of: ['bootloader.tag'], texts: machines('"v1"', '"v2"'), changes: ['board'] },
  "the boot loader's configuration": {
    of: ['bootloader.defconfig'],
    texts: machines('box_uboot', 'crate_uboot'),
    changes: ['board'],
  },
  // The project.
  'the name of the project, which packages and templates hold': {
    texts: edit('PROJECT.star', '"demo"', '"other"'),
    changes: everyUnit,
  },
  'the version of the project, which templates hold': {
    texts: edit('PROJECT.star', 'name = "demo"', 'name = "demo", version = "9"'),
    changes: ['app', 'scripted', 'im'],
  },
}
