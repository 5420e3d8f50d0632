/** A project that uses every field which can decide about a result, and some that can't. */
import type { Texts } from '../../support/project.ts'
import { base } from './fake-world.ts'

export const texts: Texts = {
  ...base,
  'PROJECT.star':
    'project(name = "demo", defaults = defaults(machine = "box", distro = "debian"), modules = [module(local = "mods/module-low")])\n',
  'mods/module-low/MODULE.star': 'module_info(name = "low")\n',
  'mods/module-low/units/m.star': 'unit(name = "modular", version = "1", tasks = [task("t", run = "x")])\n',
  'containers/c.star': `${base['containers/c.star']}container(name = "shell", version = "1", release = 0, description = "A shell", license = "MIT", distro = "debian", provides = ["shells"], packages = ["bash"])\n`,
  'machines/m.star': `machine(
    name = "box", arch = "x86_64", description = "A box",
    kernel = kernel(unit = "linux-image", provides = "linux", cmdline = "quiet", repo = "https://a.org/linux.git", branch = "main", tag = "v6", defconfig = "box_defconfig", device_trees = ["box.dtb"]),
    distro_kernels = {"ubuntu": kernel(unit = "make")},
    bootloader = uboot(unit = "loader", repo = "https://a.org/uboot.git", branch = "main", tag = "v1", defconfig = "box_uboot"),
    public_config = {"CFLAGS": "-O3"},
    packages = ["make"], distro_packages = {"debian": ["dash"]},
    partitions = [partition(label = "root", type = "ext4", size = "1G", root = True), partition(label = "boot", type = "vfat", size = "64M", contents = ["*.dtb"])],
)
`,
  'classes/c.star': `def plain(name, **kwargs):
    unit(name = name, **kwargs)
`,
  'units/u.star': `load("//classes/c.star", "plain")
plain(name = "lib", version = "1.0", source = path("//lib"), tasks = [task("install", run = "make install")], public_config = {
    "CFLAGS": "-DLIB", "CXXFLAGS": "-DXX", "CPPFLAGS": "-DPP", "LDFLAGS": "-lx", "include_paths": ["/usr/include/lib"], "environment": {"LIB": "1"}})
unit(
    name = "app", version = "2.0", release = 1, description = "An app", license = "MIT",
    source = path("//app"), patches = ["patches/fix.patch"],
    deps = ["lib", "zlib1g-dev"], distro_deps = {"debian": ["dash"]}, runtime_deps = ["bash"], distro_runtime_deps = {"debian": ["dash"]},
    provides = ["apps = 2"], replaces = ["oldapp"], conflicts = ["badapp"], services = ["app"], conffiles = ["/etc/app.conf"],
    environment = {"MODE": "fast"}, cache_dirs = {"/cache/app": "app"},
    subpackages = ["dev"], extra_subpackages = {"doc": ["/usr/share/doc/*"]}, qa_skip = {"stripped": "data"},
    tests = [test("runs", run = "true")], port = 1502,
    tasks = [
        task("fetch", run = "true", network = True),
        task("install", steps = ["make", install_template("app.conf", "$DESTDIR/etc/app.conf"), install_file("tool", "$DESTDIR/usr/bin/tool", 0o755)]),
        task("check", run = "true", container = "shell"),
    ],
)
unit(name = "got", version = "1", source = "https://a.org/got.tar.gz", sha256 = "${'1'.repeat(64)}", tasks = [task("t", run = "x")])
unit(name = "cloned", version = "1", source = "https://a.org/cloned.git", tag = "${'2'.repeat(40)}", tasks = [task("t", run = "x")])
unit(name = "board", version = "1", scope = "machine", tasks = [task("t", run = "x")])
unit(name = "loader", version = "1", tasks = [task("t", run = "x")])
`,
  'units/u/app.conf': 'port {{.port}}\n',
  'units/u/tool': '#!/bin/sh\n',
  'units/f.star': `load("//classes/helpers.star", "helper")

FLAGS = ["-x"]

def build(ctx):
    run("make " + " ".join(FLAGS))
    helper("all")

def unrelated():
    pass

unit(name = "scripted", version = "1", tasks = [task("build", fn = build)])
`,
  'classes/helpers.star': `def helper(target):
    run("make " + target)

def other():
    return 1
`,
  'units/patches/fix.patch': 'a patch\n',
  'lib/lib.c': 'int one;\n',
  'app/app.c': 'int two;\n',
  'app/sub/more.c': '',
  'overlays/o/etc/motd': 'hello\n',
  'images/i.star': `image(
    name = "im", version = "1", release = 2, description = "An image", license = "MIT", distros = ["debian"],
    artifacts = ["app", "got", "bash", "left-out"], distro_artifacts = {"debian": ["dash"]}, exclude = ["left-out"],
    hostname = "host", timezone = "UTC", locale = "C.UTF-8",
    services = ["app"], overlays = ["//overlays/o"], tests = [test("works", run = "true")],
    users = [user(name = "op", uid = 1001, groups = ["dialout"], shell = "/bin/sh", home = "/srv", password = "*", authorized_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1Zc0p8hZ0x1Q2bq6wq0K3s5m1f7J8m2nS4xq9v1k2l op"])],
)
`,
}

export const targets = ['im', 'cloned', 'board', 'modular', 'scripted']

/** Short names of the nodes that the targets lead to. */
export const ids = {
  lib: 'debian/lib.x86_64',
  app: 'debian/app.x86_64',
  got: 'debian/got.x86_64',
  cloned: 'debian/cloned.x86_64',
  board: 'debian/board.box',
  loader: 'debian/loader.x86_64',
  modular: 'debian/modular.x86_64',
  scripted: 'debian/scripted.x86_64',
  im: 'debian/im.box',
  shell: 'debian/shell.x86_64',
  toolchain: 'debian/toolchain-fake.x86_64',
  tools: 'debian/tools-fake.x86_64',
} as const
export type Id = keyof typeof ids

/** Units that are compiled. */
export const units: readonly Id[] = ['lib', 'app', 'got', 'cloned', 'board', 'loader', 'modular', 'scripted']
