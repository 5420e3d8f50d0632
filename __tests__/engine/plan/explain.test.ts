import assert from 'node:assert/strict'
import { test } from 'node:test'
import { userErrors } from '#engine/errors.ts'
import type { Texts } from '../../support/project.ts'
import { shown } from '../project/evaluating.ts'
import { fakeFeed, packages, plan } from './fake-world.ts'

const unit = (name: string, more = '', version = '1'): string =>
  `unit(name = "${name}", version = "${version}"${more === '' ? '' : `, ${more}`})\n`
const built = (name: string, more = ''): string => unit(name, `tasks = [task("t", run = "true")], ${more}`)

const image = (artifacts: string): Texts => ({
  'images/i.star': `\nimage(name = "gateway", artifacts = ${artifacts})\n`,
})

/** What one resolution says, with the packages of one feed or two. */
interface Case {
  readonly texts: Texts
  readonly feed?: readonly string[]
  readonly security?: readonly string[]
  readonly targets?: readonly string[]
  readonly says: readonly string[]
}

const pinned = (pins: string): Texts => ({
  'PROJECT.star': `project(name = "demo", defaults = defaults(machine = "box", distro = "debian"), prefer_modules = ${pins})
apt_feed(name = "main", distro = "debian", url = "file:///f", suite = "s", keyring = "k.gpg")
apt_feed(name = "security", distro = "debian", url = "file:///f", suite = "s", keyring = "k.gpg")
`,
  'k.gpg': '',
})

const unitHint = 'raise the version of that unit, or ask for one that is there'
const feedHint =
  'ask for a version that is there; yoe update looks for newer packages, prefer_modules takes it from elsewhere'

const cases: Readonly<Record<string, Case>> = {
  'a version that no feed has': {
    texts: image('["aa"]'),
    feed: ['aa 1: bb(>=2)', 'bb 1.9'],
    says: [
      `images/i.star:2: UNSATISFIABLE image gateway wants aa; aa needs bb (>= 2); fake.main has bb 1.9 | ${feedHint}`,
    ],
  },
  'a version that a unit of ours wants': {
    texts: { ...image('["aa"]'), 'units/u.star': unit('aa', 'runtime_deps = ["bb >= 2"]') },
    feed: ['bb 1.9'],
    says: [
      `images/i.star:2: UNSATISFIABLE image gateway wants aa; aa needs bb (>= 2); fake.main has bb 1.9 | ${feedHint}`,
    ],
  },
  'a version of a unit that another one wants': {
    texts: {
      ...image('["aa"]'),
      'units/u.star': unit('aa', 'runtime_deps = ["bb (>= 2)"]') + unit('bb', '', '1.9'),
    },
    says: [
      `images/i.star:2: UNSATISFIABLE image gateway wants aa; aa needs bb (>= 2); the unit at units/u.star:2 has bb 1.9-r0 | ${unitHint}`,
    ],
  },
  'a version of a unit that a package of a feed wants, which another feed has': {
    texts: { ...image('["aa"]'), 'units/u.star': unit('bb', '', '1.9') },
    feed: ['aa 1: bb(>=2)', 'bb 2.5'],
    says: [
      `images/i.star:2: UNSATISFIABLE image gateway wants aa; aa needs bb (>= 2); the unit at units/u.star:1 has bb 1.9-r0 (the unit outranks feeds, where fake.main has 2.5) | ${unitHint}`,
    ],
  },
  'a pin that leaves out what is wanted': {
    texts: { ...pinned('{"bb": "main"}'), ...image('["aa"]') },
    feed: ['aa 1: bb(>=2)', 'bb 1.9'],
    security: ['bb 2.1'],
    says: [
      `images/i.star:2: UNSATISFIABLE image gateway wants aa; aa needs bb (>= 2); main has bb 1.9 (PROJECT.star:1 takes bb from main; security has 2.1) | ${feedHint}`,
    ],
  },
  'a unit that is built, in a version that is not there': {
    texts: { 'units/u.star': built('aa', 'deps = ["bb >= 2"]') + unit('bb', '', '1.9') },
    targets: ['aa'],
    says: [
      `units/u.star:1: UNSATISFIABLE unit aa wants bb (>= 2); the unit at units/u.star:2 has bb 1.9-r0 | ${unitHint}`,
    ],
  },
  'a feed package that is built with, in a version that is not there': {
    texts: { 'units/u.star': built('aa', 'deps = ["bb >= 2"]') },
    targets: ['aa'],
    feed: ['bb 1.9'],
    says: [`units/u.star:1: UNSATISFIABLE unit aa wants bb (>= 2); fake.main has bb 1.9 | ${feedHint}`],
  },
  'a virtual name in a version, of a unit that provides it in another': {
    texts: {
      ...image('["aa"]'),
      'units/u.star': unit('aa', 'runtime_deps = ["vv >= 2"]') + unit('bb', 'provides = ["vv = 1.5"]'),
    },
    says: [
      `images/i.star:2: UNSATISFIABLE image gateway wants aa; aa needs vv (>= 2); the unit at units/u.star:2 has it only as provided by bb in version 1.5 | ${unitHint}`,
    ],
  },
  'a virtual name in a version, of a unit that provides it in none': {
    texts: { 'units/u.star': unit('aa', 'runtime_deps = ["vv >= 2"]') + unit('bb', 'provides = ["vv"]') },
    targets: ['aa'],
    says: [
      `units/u.star:1: UNSATISFIABLE unit aa needs vv (>= 2); the unit at units/u.star:2 provides vv in no version | ${unitHint}`,
    ],
  },
  'alternatives of which none is there in its version': {
    texts: { 'units/u.star': unit('aa', 'runtime_deps = ["bb >= 2 | cc >= 3 | nope"]') },
    targets: ['aa'],
    feed: ['bb 1', 'cc 1'],
    says: [
      `units/u.star:1: UNSATISFIABLE unit aa needs bb (>= 2) | cc (>= 3); fake.main has bb 1, fake.main has cc 1 | ${feedHint}`,
    ],
  },
  'a name that a package needs and nothing has': {
    texts: image('["aa"]'),
    feed: ['aa 1: libbar', 'libbaz 1'],
    says: [
      'images/i.star:2: UNIT_NOT_FOUND image gateway wants aa; aa needs libbar; no unit or feed has libbar | did you mean "libbaz"?',
    ],
  },
  'units that conflict': {
    texts: { ...image('["aa", "bb"]'), 'units/u.star': unit('aa', 'conflicts = ["bb"]') + unit('bb') },
    says: [
      'images/i.star:2: UNSATISFIABLE image gateway wants aa; aa conflicts with bb, but image gateway wants bb | leave out aa or bb',
    ],
  },
  'a unit that conflicts with some versions of what another needs': {
    texts: {
      ...image('["aa", "bb"]'),
      'units/u.star': unit('aa', 'conflicts = ["cc << 2"]') + unit('bb', 'runtime_deps = ["dd"]'),
    },
    feed: ['dd 1: cc', 'cc 1.5'],
    says: [
      'images/i.star:2: UNSATISFIABLE image gateway wants aa; aa conflicts with cc (<< 2), but image gateway wants bb; bb needs dd; dd needs cc | @hint',
    ],
  },
  'a feed package that breaks a unit': {
    texts: { ...image('["aa", "bb"]'), 'units/u.star': unit('bb') },
    feed: ['aa 1 - bb(<<2)'],
    says: [
      'images/i.star:2: UNSATISFIABLE image gateway wants aa; aa conflicts with bb (<< 2), but image gateway wants bb | leave out aa or bb',
    ],
  },
  'two virtual packages of which one is enough': {
    texts: {
      ...image('["aa", "bb"]'),
      'units/u.star': unit('aa', 'provides = ["mta"], conflicts = ["mta"]') + unit('bb', 'runtime_deps = ["exim"]'),
    },
    feed: ['exim 4 | mta'],
    says: [
      'images/i.star:2: UNSATISFIABLE image gateway wants aa; aa conflicts with mta, but image gateway wants bb; bb needs exim | @hint',
    ],
  },
  'a machine that wants what can not be had': {
    texts: {
      ...image('[]'),
      'machines/m.star':
        '\n\nmachine(name = "box", arch = "x86_64", kernel = kernel(unit = "linux-image"), packages = ["firmware"])\n',
    },
    feed: ['firmware 1: loader(>=2)', 'loader 1'],
    says: [
      `machines/m.star:3: UNSATISFIABLE machine box wants firmware; firmware needs loader (>= 2); fake.main has loader 1 | ${feedHint}`,
    ],
  },
  'a container of what can not be had': {
    texts: {
      'units/u.star':
        'container(name = "cc", distro = "debian", packages = ["aa"])\nunit(name = "uu", version = "1", container = "cc", tasks = [task("t", run = "true")])\n',
    },
    targets: ['uu'],
    feed: ['aa 1: bb'],
    says: ['units/u.star:1: UNIT_NOT_FOUND container cc wants aa; aa needs bb; no unit or feed has bb'],
  },
  'a container of units': {
    texts: { 'units/u.star': `container(name = "cc", distro = "debian", packages = ["uu"])\n${unit('uu')}` },
    targets: ['cc'],
    says: [
      'units/u.star:1: BAD_FIELD container "cc" names "uu", which is a unit | a container is made of packages of feeds; put the unit in the deps of those that need it',
    ],
  },
  'a unit of another distro': {
    texts: { ...image('["aa"]'), 'units/u.star': unit('aa', 'distro = "ubuntu"') },
    says: [
      'images/i.star:2: UNIT_NOT_FOUND nothing is called or provides "aa", asked for by image "gateway" | "aa" is there for ubuntu only; this is for debian',
    ],
  },
  'an image that the machine has no kernel for': {
    texts: {
      ...image('[]'),
      'machines/m.star':
        'machine(name = "box", arch = "x86_64", distro_kernels = {"ubuntu": kernel(unit = "linux-image")})\n',
    },
    says: [
      'images/i.star:2: UNSATISFIABLE image "gateway" can\'t be built for machine "box": machine "box" has a kernel for ubuntu, not for debian | choose another --machine, or give the image a distro that this one serves',
    ],
  },
  'a package of a feed, to be built': {
    texts: {},
    targets: ['bash'],
    says: [
      'USAGE "bash" is a package of a feed, which nothing has to be built for | name a unit or an image; yoe list shows them',
    ],
  },
  'several at once, each at its line': {
    texts: {
      ...image('["aa", "cc"]'),
      'units/u.star': unit('aa', 'runtime_deps = ["bb >= 2"]') + unit('cc', 'runtime_deps = ["dd >= 3"]'),
    },
    feed: ['bb 1', 'dd 1'],
    says: [
      `images/i.star:2: UNSATISFIABLE image gateway wants aa; aa needs bb (>= 2); fake.main has bb 1 | ${feedHint}`,
      `images/i.star:2: UNSATISFIABLE image gateway wants cc; cc needs dd (>= 3); fake.main has dd 1 | ${feedHint}`,
    ],
  },
}

for (const [what, { texts, feed = [], security, targets = ['gateway'], says }] of Object.entries(cases)) {
  test(`explains ${what}`, async () => {
    const [main, more] = security === undefined ? ['fake.main', []] : ['main', [fakeFeed(security, 'security')]]
    await assert.rejects(
      plan(texts, targets, { feed: fakeFeed([...packages, ...feed], main), feeds: more }),
      (failure) => {
        const said = userErrors(failure)?.map(shown) ?? []
        assert.deepEqual(
          said.map((text, index) =>
            says[index]?.endsWith(' | @hint') === true ? text.replace(/ \| .*$/, ' | @hint') : text,
          ),
          says,
        )
        return true
      },
    )
  })
}
