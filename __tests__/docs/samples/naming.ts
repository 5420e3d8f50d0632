import { autotools, core, type Samples } from './sample.ts'

const pack = (name: string): string => `unit(name = "${name}", version = "1")\n`

/** Of "Naming and Resolution". */
export const namingSamples: Samples = {
  'dependencies of both kinds': {
    section: 'Dependencies',
    texts: {
      'PROJECT.star': core,
      'units/u.star': `${autotools}autotools(name = "curl", version = "1", deps = ["tls", "zlib"], runtime_deps = ["tls", "zlib"])\n`,
    },
    units: ['curl'],
  },
  'a kernel by a virtual name': {
    section: 'Virtual packages',
    texts: {
      'machines/m.star':
        'machine(name = "rpi4", arch = "arm64", kernel = kernel(unit = "linux-rpi4", provides = "linux"))\n',
      'units/u.star': 'unit(name = "linux-rpi4", version = "1", provides = ["linux"])\n',
      'images/i.star': 'image(name = "base-image", artifacts = ["busybox", "linux", "init"])\n',
    },
    units: ['linux-rpi4', 'base-image'],
  },
  'a machine without an architecture': {
    section: 'Virtual packages',
    texts: { 'machines/m.star': 'machine(name = "rpi4", kernel = kernel(unit = "linux-rpi4"))\n' },
    said: 'machines/m.star:1: BAD_FIELD machine(): arch is missing',
  },
  'an init system by module': {
    section: 'Virtual packages',
    texts: {
      'projects/a.star': 'project(name = "product-a", modules = [module(local = "config-systemd")])\n',
      'PROJECT.star': 'load("projects/a.star")\n',
      'config-systemd/units/init.star': 'unit(name = "systemd", version = "1", provides = ["init"])\n',
      'config-busybox/units/init.star': 'unit(name = "busybox-init", version = "1", provides = ["init"])\n',
    },
    units: ['systemd'],
  },
  'a unit in the place of a package': {
    section: 'Unit replacement via name shadowing',
    texts: {
      'units/u.star':
        'unit(name = "musl", version = "1.2.5", source = "https://x.org/git/musl", tag = "v1.2.5", tasks = [task("build", run = "make")])\n',
    },
    units: ['musl'],
  },
  'several kernels in one module': {
    section: 'Unit replacement via provides',
    texts: {
      'machines/m.star': `machine(name = "rpi4", arch = "arm64", kernel = kernel(unit = "linux-rpi4", provides = "linux"))
machine(name = "bbb", arch = "arm64", kernel = kernel(unit = "linux-bb", provides = "linux"))
`,
      'units/kernels.star': `unit(name = "linux-rpi4", version = "1", provides = ["linux"])
unit(name = "linux-bb", version = "1", provides = ["linux"])
`,
      'images/i.star': 'image(name = "base", artifacts = ["busybox", "linux"])\n',
    },
    machine: 'bbb',
    units: ['linux-rpi4', 'linux-bb', 'base'],
  },
  'files that another package has': {
    section: 'Shadow files',
    texts: { 'units/u.star': 'unit(name = "util-linux", version = "1", replaces = ["busybox"])\n' },
    units: ['util-linux'],
  },
  'a unit of another name by the function of a module': {
    section: 'Module composition',
    texts: {
      'PROJECT.star': 'project(name = "demo", modules = [module(local = "base"), module(local = "vendor")])\n',
      'base/units/sshd.star':
        'def sshd(name = "sshd", extra_deps = [], **overrides):\n    unit(name = name, version = "1", deps = ["zlib"] + extra_deps, **overrides)\nsshd()\n',
      'vendor/units/sshd.star':
        'load("@base//units/sshd.star", "sshd")\nsshd(name = "sshd-vendor", extra_deps = ["vendor-crypto"])\n',
    },
    units: ['sshd', 'sshd-vendor'],
  },
  'modules that modules need': {
    section: 'Recursive module dependencies',
    texts: {
      'PROJECT.star': 'project(name = "demo", modules = [module(local = "bsp")])\n',
      'bsp/MODULE.star':
        'module_info(name = "bsp", deps = [module("https://x.org/packages.git", ref = "v1.2"), module("https://x.org/vendor/firmware.git", ref = "main")])\n',
      '.modules/firmware/units/u.star': pack('firmware'),
      '.modules/packages/units/u.star': pack('packages-unit'),
    },
    units: ['packages-unit', 'firmware'],
  },
  'a feed of Alpine': {
    section: 'Feeds as synthetic modules',
    texts: {
      'PROJECT.star': 'project(name = "demo", modules = [module(local = "alpine")])\n',
      'alpine/keys/k.rsa.pub': '',
      'alpine/MODULE.star': `module_info(name = "alpine")
alpine_feed(
    name = "main", url = "https://dl-cdn.alpinelinux.org/alpine", branch = "v3.21", section = "main",
    index = "feeds/main", keys = ["keys/k.rsa.pub"],
)
`,
    },
    units: [],
  },
  'a feed of Ubuntu': {
    section: 'Feeds as synthetic modules',
    texts: {
      'PROJECT.star': 'project(name = "demo", modules = [module(local = "ubuntu")])\n',
      'ubuntu/keys/k.gpg': '',
      'ubuntu/MODULE.star': `module_info(name = "ubuntu")
apt_feed(
    name = "main", distro = "ubuntu", url = "http://x.org/ubuntu", arch_urls = {"arm64": "http://ports.x.org/ubuntu"},
    suite = "resolute", component = "main", arches = ["amd64", "arm64"], keyring = "keys/k.gpg",
)
`,
    },
    units: [],
  },
  'an index that is kept in the module': {
    section: 'Feeds as synthetic modules',
    texts: {
      'PROJECT.star': 'project(name = "demo", modules = [module(local = "ubuntu")])\n',
      'ubuntu/keys/k.gpg': '',
      'ubuntu/MODULE.star':
        'apt_feed(name = "main", distro = "ubuntu", url = "http://x.org/u", suite = "s", index = "feeds/main", keyring = "keys/k.gpg")\n',
    },
    said: '@ubuntu//MODULE.star:1: UNKNOWN_FIELD apt_feed() has no field "index"',
  },
  'a unit that only enables a service': {
    section: 'Companion units',
    texts: {
      'units/u.star':
        'unit(name = "docker-enable", version = "0.1.0", runtime_deps = ["docker.io"], services = ["docker"])\n',
    },
    units: ['docker-enable'],
  },
  'projects of one repository': {
    section: 'Projects as module scoping',
    texts: {
      'PROJECT.star': 'load("projects/customer-a.star")\n',
      'projects/dev.star': 'project(name = "dev", modules = [module("yoe:module-core")])\n',
      'projects/customer-a.star': 'project(name = "customer-a", modules = [module(local = "vendor")])\n',
      'vendor/units/u.star': pack('firmware'),
    },
    units: ['firmware'],
  },
  'a default project with more modules': {
    section: 'Projects as module scoping',
    texts: {
      'PROJECT.star':
        'load("projects/customer-a.star", "MODULES")\nproject(name = "default", modules = MODULES + [module(local = "tools")])\n',
      'projects/customer-a.star':
        'MODULES = [module(local = "vendor")]\nproject(name = "customer-a", modules = MODULES)\n',
      'vendor/units/u.star': pack('firmware'),
      'tools/units/u.star': pack('tool'),
    },
    units: ['firmware', 'tool'],
  },
  'a closure in an image class': {
    section: 'Evaluation order',
    texts: {
      'classes/images.star':
        'def my_image(name, artifacts):\n    image(name = name, artifacts = resolve_closure(artifacts))\n',
      'units/u.star': 'unit(name = "app", version = "1", runtime_deps = ["lib"])\nunit(name = "lib", version = "1")\n',
      'images/i.star': 'load("//classes/images.star", "my_image")\nmy_image("im", ["app"])\n',
    },
    units: ['app', 'lib', 'im'],
  },
  'a closure before every unit is known': {
    section: 'Evaluation order',
    texts: { 'units/i.star': 'image(name = "im", artifacts = resolve_closure(["app"]))\n' },
    said: 'units/i.star:1: BAD_FIELD resolve_closure() belongs into files under images/: only then every unit is known',
  },
}
