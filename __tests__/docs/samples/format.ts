import { autotools, core, type Samples, systemd } from './sample.ts'

const pack = (name: string): string => `unit(name = "${name}", version = "1")\n`
const sha = `sha256 = "${'a'.repeat(64)}"`

const partitions = `[
    partition(label = "boot", type = "vfat", size = "64M", contents = ["MLO", "u-boot.img", "zImage", "*.dtb"]),
    partition(label = "rootfs", type = "ext4", size = "fill", root = True),
]`

const ssh = (more = ''): string => `autotools(
    name = "sshd", version = "9.6p1", description = "Secure shell", license = "BSD",
    source = "https://x.org/sshd-9.6p1.tar.gz", ${sha},
    configure_args = ["--sysconfdir=/etc/ssh"], deps = ["zlib", "tls"], runtime_deps = ["zlib", "tls"],
    services = ["sshd"], conffiles = ["/etc/ssh/sshd_config"],${more}
)
`

/** Of "Unit & Configuration Format". */
export const formatSamples: Samples = {
  'a class with subpackages': {
    section: 'Sub-packages',
    texts: { 'PROJECT.star': core, 'units/u.star': autotools + ssh('\n    subpackages = ["dev", "dbg"],') },
    units: ['sshd'],
  },
  'packages split off by lists of files': {
    section: 'Sub-packages',
    texts: {
      'PROJECT.star': core,
      'units/u.star':
        autotools +
        ssh(
          '\n    extra_subpackages = {"server": files("/usr/sbin/sshd"), "client": files("/usr/bin/ssh", "/usr/bin/scp")},',
        ),
    },
    units: ['sshd'],
  },
  'subpackages in an image': {
    section: 'Sub-packages',
    texts: { 'units/i.star': 'image(name = "dev-image", artifacts = ["sshd", "sshd-dev", "gdb"])\n' },
    units: ['dev-image'],
  },
  'a board with the sources of its kernel and boot loader': {
    section: 'Machine Definition',
    texts: {
      'machines/m.star': `machine(
    name = "bone", arch = "arm64", description = "A board",
    kernel = kernel(repo = "https://x.org/linux.git", branch = "6.6", defconfig = "bb.org_defconfig", device_trees = ["a.dtb"]),
    bootloader = uboot(repo = "https://x.org/u-boot.git", branch = "v2024.01", defconfig = "evm_defconfig"),
)
`,
    },
    units: [],
  },
  'a machine that QEMU emulates': {
    section: 'Machine Definition',
    texts: {
      'machines/m.star': `machine(
    name = "qemu", arch = "x86_64", kernel = kernel(unit = "linux-qemu", cmdline = "console=ttyS0 root=/dev/vda2 rw"),
    qemu = qemu_config(machine = "q35", cpu = "host", memory = "1G", firmware = "ovmf", display = "none"),
)
`,
    },
    units: [],
  },
  'an image': {
    section: 'Image Unit',
    texts: {
      'units/i.star': `image(
    name = "base-image", version = "1.0.0", description = "Boots", artifacts = ["sshd", "app"],
    timezone = "UTC", locale = "en_US.UTF-8", services = ["sshd", "NetworkManager"], partitions = ${partitions},
)
`,
    },
    units: ['base-image'],
  },
  'image() loaded from a class': {
    section: 'Image Unit',
    texts: { 'PROJECT.star': core, 'units/i.star': 'load("//classes/image.star", "image")\n' },
    said: 'units/i.star:1: LOAD_NOT_FOUND there is no file classes/image.star',
  },
  'variants of an image by concatenation': {
    section: 'Image Composition and Variants',
    texts: {
      'units/i.star': `BASE = ["sshd", "monitor"]
PARTITIONS = ${partitions}
image(name = "base-image", version = "1.0.0", artifacts = BASE, services = ["sshd"], partitions = PARTITIONS)
image(name = "dev-image", version = "1.0.0", artifacts = BASE + ["gdb"], exclude = ["monitor"], partitions = PARTITIONS)
`,
    },
    units: ['base-image', 'dev-image'],
  },
  'packages of an image called packages': {
    section: 'Image Composition and Variants',
    texts: { 'units/i.star': 'image(name = "base-image", packages = ["sshd"])\n' },
    said: 'units/i.star:1: UNKNOWN_FIELD image() has no field "packages"',
  },
  'packages by architecture': {
    section: 'Image Composition and Variants',
    texts: {
      'machines/m.star': 'machine(name = "mm", arch = "arm64")\n',
      'units/i.star':
        'artifacts = ["sshd"]\nif ctx.arch == "arm64":\n    artifacts += ["firmware"]\nimage(name = "base-image", artifacts = artifacts)\n',
    },
    units: ['base-image'],
  },
  'machine.arch': {
    section: 'Image Composition and Variants',
    texts: { 'units/i.star': 'if machine.arch == "arm64":\n    pass\n' },
    said: 'units/i.star:1: STAR_EVAL builtin_function_or_method has no .arch field or method',
  },
  'a package by a class': {
    section: 'Package Unit',
    texts: { 'PROJECT.star': core, 'units/u.star': autotools + ssh() },
    units: ['sshd'],
  },
  'a package by commands': {
    section: 'Package Unit',
    texts: {
      'units/u.star': `unit(
    name = "sshd", version = "9.6p1", source = "https://x.org/sshd.tar.gz", ${sha}, deps = ["zlib"], runtime_deps = ["zlib"],
    build = ["./configure --prefix=$PREFIX", "make -j$NPROC", "make DESTDIR=$DESTDIR install"],
    services = ["sshd"], conffiles = ["/etc/ssh/sshd_config"],
)
`,
    },
    units: ['sshd'],
  },
  'patches beside the unit': {
    section: 'Patches',
    texts: {
      'units/box/one.patch': '',
      'units/box.star': `unit(name = "box", version = "1.36.1", source = "https://x.org/b.tar.bz2", ${sha}, patches = ["box/one.patch"], build = ["make"])\n`,
    },
    units: ['box'],
  },
  'an archive without a digest': {
    section: 'Patches',
    texts: {
      'units/u.star': 'unit(name = "box", version = "1", source = "https://x.org/b.tar.bz2", build = ["make"])\n',
    },
    said: 'units/u.star:1: BAD_FIELD unit "box": an archive needs its sha256',
  },
  'a module that adds a patch to the unit of another': {
    section: 'Patches',
    texts: {
      'PROJECT.star': 'project(name = "demo", modules = [module(local = "base"), module(local = "vendor")])\n',
      'base/one.patch': '',
      'base/box.star': `def box(extra_patches = [], **overrides):
    unit(name = "box", version = "1", source = "https://x.org/b.tgz", ${sha}, patches = ["@base//one.patch"] + extra_patches, **overrides)
`,
      'vendor/units/audit.patch': '',
      'vendor/units/u.star': 'load("@base//box.star", "box")\nbox(extra_patches = ["audit.patch"])\n',
    },
    units: ['box'],
  },
  'a relative patch in a function that another module calls': {
    section: 'Patches',
    texts: {
      'PROJECT.star': 'project(name = "demo", modules = [module(local = "base"), module(local = "vendor")])\n',
      'base/box/one.patch': '',
      'base/box.star': `def box():\n    unit(name = "box", version = "1", source = "https://x.org/b.tgz", ${sha}, patches = ["box/one.patch"])\n`,
      'vendor/units/u.star': 'load("@base//box.star", "box")\nbox()\n',
    },
    units: ['box'],
  },
  'tasks in containers of their own': {
    section: 'Tasks and Per-Task Containers',
    texts: {
      'units/u.star': `unit(
    name = "complex-app", version = "1", container = "go-tools",
    tasks = [
        task("codegen", container = "protoc", run = "protoc --go_out=. api.proto"),
        task("compile", run = "go build -o $DESTDIR/usr/bin/app"),
        task("install", run = "install -D app.service $DESTDIR/usr/lib/systemd/system/"),
    ],
)
`,
    },
    units: ['complex-app'],
  },
  'an image of a registry as container': {
    section: 'Tasks and Per-Task Containers',
    texts: { 'units/u.star': 'unit(name = "app", version = "1", container = "golang:1.22-alpine")\n' },
    units: ['app'],
  },
  'a class of one’s own with tasks': {
    section: 'Tasks and Per-Task Containers',
    texts: {
      'classes/autotools.star': `def autotools(name, version, source, configure_args = [], **kwargs):
    unit(
        name = name, version = version, source = source,
        tasks = [
            task("configure", run = "test -f configure || autoreconf -fi && ./configure " + " ".join(configure_args)),
            task("compile", run = "make -j$NPROC"),
            task("install", run = "make DESTDIR=$DESTDIR install"),
        ],
        **kwargs,
    )
`,
      'units/u.star': `load("//classes/autotools.star", "autotools")\nautotools(name = "zlib", version = "1", source = "https://x.org/z.tgz", ${sha})\n`,
    },
    units: ['zlib'],
  },
  'a task more than the class has': {
    section: 'Tasks and Per-Task Containers',
    texts: {
      'PROJECT.star': core,
      'units/app/app.init': '',
      'units/app.star': `${autotools}autotools(
    name = "app", version = "1",
    tasks = [task("init-script", steps = [
        "mkdir -p $DESTDIR/etc/init.d",
        install_file("app.init", "$DESTDIR/etc/init.d/app", mode = 0o755),
    ])],
)
`,
    },
    units: ['app'],
  },
  'an application in Go': {
    section: 'Application Unit',
    texts: {
      'PROJECT.star': core,
      'units/u.star': `load("@module-core//classes/go.star", "go_binary")
go_binary(name = "myapp", version = "1.2.3", source = "https://github.com/example/myapp.git", tag = "v1.2.3", go_package = "./cmd/myapp")
`,
    },
    units: ['myapp'],
  },
  'a project with all of its settings': {
    section: 'Project Configuration',
    texts: {
      'PROJECT.star': `project(
    name = "demo", version = "0.1.0", description = "\`demo\` distribution",
    defaults = defaults(machine = "mm", image = "base-image"),
    cache = cache(path = "/var/cache/demo", retention_days = 90),
    sources = sources(go_proxy = "https://goproxy.example"),
    modules = [module("https://x.org/tools.git", ref = "main", path = "modules/tools"), module("git@x.org:vendor/bsp.git", ref = "main")],
)
`,
      'machines/m.star': 'machine(name = "mm", arch = "arm64")\n',
    },
    units: [],
  },
  'a cache in S3': {
    section: 'Project Configuration',
    texts: {
      'PROJECT.star': `project(name = "demo", cache = cache(remote = [s3_cache(
    name = "team", bucket = "yoe-cache", endpoint = "https://minio.internal:9000", region = "us-east-1",
)]))
`,
    },
    units: [],
  },
  'a key of the cache in the project': {
    section: 'Project Configuration',
    texts: {
      'PROJECT.star': 'project(name = "demo", cache = cache(path = "c", signing = "keys/cache.pub"))\n',
      'keys/cache.pub': 'ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n',
    },
    units: [],
  },
  'two classes on one unit': {
    section: 'Class Composition',
    texts: {
      'PROJECT.star': core,
      'units/sshd/sshd.service': '',
      'units/sshd.star': `${autotools}${systemd}autotools(name = "sshd", version = "9.6p1", configure_args = ["--sysconfdir=/etc/ssh"], deps = ["zlib"])
systemd_service(name = "sshd", unit = "sshd.service", conffiles = ["/etc/ssh/sshd_config"])
`,
    },
    units: ['sshd'],
  },
  'a class of two classes': {
    section: 'Class Composition',
    texts: {
      'PROJECT.star': core,
      'classes/both.star': `${autotools}${systemd}def both(name, unit, conffiles = [], **kwargs):
    autotools(name = name, **kwargs)
    systemd_service(name = name, unit = unit, conffiles = conffiles)
`,
      'units/app/app.service': '',
      'units/app.star':
        'load("//classes/both.star", "both")\nboth("app", "app.service", conffiles = ["/etc/a"], version = "1")\n',
    },
    units: ['app'],
  },
  'a class of one’s own': {
    section: 'Custom Classes',
    texts: {
      'PROJECT.star': core,
      'classes/service.star': `${autotools}${systemd}def service(name, version, source, **kwargs):
    """The pattern of our services."""
    autotools(name = name, version = version, source = source, **kwargs,)
    systemd_service(name = name, unit = name + ".service", conffiles = ["/etc/" + name + "/config.toml"],)
`,
      'units/app/app.service': '',
      'units/app.star': `load("//classes/service.star", "service")\nservice("app", "1", "https://x.org/app.git", tag = "v1")\n`,
    },
    units: ['app'],
  },
  'a builtin of one’s own': {
    section: 'Extensibility',
    texts: { 'units/u.star': 'deploy(target = "production")\n' },
    said: 'units/u.star:1: STAR_EVAL undefined: deploy',
  },
  'modules of repositories': {
    section: 'Declaring Modules',
    texts: {
      'PROJECT.star':
        'project(name = "demo", version = "1.0.0", modules = [module("https://x.org/tools.git", ref = "main", path = "modules/tools"), module("git@x.org:vendor/bsp.git", ref = "v2.1.0")])\n',
      '.modules/bsp/units/u.star': pack('firmware'),
    },
    units: ['firmware'],
  },
  'a module that needs others': {
    section: 'Module Manifests',
    texts: {
      'PROJECT.star': 'project(name = "demo", modules = [module("https://x.org/vendor/bsp", ref = "v1.0")])\n',
      '.modules/bsp/MODULE.star':
        'module_info(name = "vendor-bsp", description = "Boards", deps = [module("x.org/vendor/hal", ref = "v1.3.0"), module("x.org/vendor/firmware", ref = "v5.4")])\n',
      '.modules/hal/units/u.star': pack('hal'),
      '.modules/firmware/units/u.star': pack('firmware'),
    },
    units: ['hal', 'firmware'],
  },
  'a project that overrides what a module asks for': {
    section: 'Dependency Resolution Rules',
    texts: {
      'PROJECT.star':
        'project(name = "demo", modules = [module("x.org/vendor/bsp", ref = "v2.1.0"), module("x.org/vendor/hal", ref = "v1.4.0")])\n',
      '.modules/bsp/MODULE.star': 'module_info(name = "bsp", deps = [module("x.org/vendor/hal", ref = "v1.3.0")])\n',
      '.modules/hal/units/u.star': pack('hal'),
    },
    units: ['hal'],
  },
  'folders in the place of modules': {
    section: 'Local Module Overrides',
    texts: {
      'PROJECT.star':
        'project(name = "demo", modules = [module("https://x.org/yoe.git", local = "yoe", path = "modules/tools"), module("git@x.org:vendor/bsp.git", local = "bsp")])\n',
      'yoe/modules/tools/units/u.star': pack('tool'),
      'bsp/units/u.star': pack('firmware'),
    },
    units: ['tool', 'firmware'],
  },
  'references to files': {
    section: 'Label-Based References',
    texts: {
      'PROJECT.star': 'project(name = "demo", modules = [module(local = "vendor")])\n',
      'classes/c.star': 'def class_of_ours():\n    pass\n',
      'units/sshd.star': 'ssh_config = "x"\n',
      'vendor/kernel.star': 'def vendor_kernel():\n    unit(name = "linux-vendor", version = "1")\n',
      'units/u.star': `load("//classes/c.star", "class_of_ours")
load("//units/sshd.star", "ssh_config")
load("@vendor//kernel.star", "vendor_kernel")
load("../classes/c.star", other = "class_of_ours")
vendor_kernel()
`,
    },
    units: ['linux-vendor'],
  },
  'classes of module-core by //': {
    section: 'Label-Based References',
    texts: { 'PROJECT.star': core, 'units/u.star': 'load("//classes/autotools.star", "autotools")\n' },
    said: 'units/u.star:1: LOAD_NOT_FOUND there is no file classes/autotools.star',
  },
  'a unit that modules extend in turn': {
    section: 'Module Composition',
    texts: {
      'PROJECT.star':
        'project(name = "demo", modules = [module("yoe:module-core"), module(local = "base"), module(local = "vendor")])\n',
      'base/sshd.star': `${autotools}def sshd(extra_deps = [], extra_configure_args = [], **overrides):
    autotools(name = "sshd", version = "9.6p1", deps = ["zlib"] + extra_deps, configure_args = ["--x"] + extra_configure_args, **overrides)
`,
      'vendor/units/sshd.star': 'load("@base//sshd.star", "sshd")\nsshd(extra_deps = ["vendor-crypto"])\n',
      'units/sshd.star': 'load("@base//sshd.star", "sshd")\nsshd(extra_configure_args = ["--with-pam"])\n',
    },
    units: ['sshd', 'sshd'],
  },
  'extra arguments for templates': {
    section: 'File Templates',
    texts: {
      'units/app/app.conf.tmpl': 'port = {{.port}}\n',
      'units/app.star': `unit(
    name = "app", version = "2.0.0", port = 8080, workers = 4, enable_tls = True,
    tasks = [task("config", steps = ["mkdir -p $DESTDIR/etc/app", install_template("app.conf.tmpl", "$DESTDIR/etc/app/app.conf")])],
)
`,
    },
    units: ['app'],
  },
}
