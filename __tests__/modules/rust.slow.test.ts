/** A program in Rust with crates of others, built from its release. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, test } from 'node:test'
import type { TestProject } from '../support/project.ts'
import { assertFinished, build, fails, nativeProject, passes, release, sameOffline, unpacked } from './native.ts'

// Quick to compile, since it is compiled twice: nobody times it.
const units = `load("@module-core//classes/rust.star", "rust_binary")
rust_binary(
    name = "feature-check", version = "2.2.0", license = "BSD-2-Clause",
    ${release('https://gitlab.com/ppentchev/feature-check/-/archive/release/2.2.0/feature-check-2.2.0.tar.xz', 'f/feature-check/feature-check_2.2.0.orig.tar.xz', '54575b2e1e5a1dda03a1aa0368d64751a8bbbca0b0de49e651e7147ea46304e1')},
    crate = "rust",
    environment = {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "0"},
    tests = [
        test("knows what it can do", run = "feature-check feature-check 'single >= 1.0'"),
        test("and what it can't", run = "! feature-check feature-check 'single >= 9'"),
    ],
)
rust_binary(name = "unlocked", version = "1", license = "MIT", source = path("//unlocked"))
rust_binary(name = "stale", version = "1", license = "MIT", source = path("//stale"))
rust_binary(
    name = "parts", version = "1", license = "MIT", source = path("//parts"), crate = "cli", binaries = ["one"], features = ["loud"],
    tests = [test("is what was asked for", run = "one | grep -x ONE && test ! -e $DESTDIR/usr/bin/two")],
)
`

const manifest = '[package]\nname = "app"\nversion = "1.0.0"\nedition = "2021"\n'
const main = 'fn main() {}\n'

let project: TestProject

before((t) => {
  assert.ok('after' in t)
  project = nativeProject(t, {
    'units/rust.star': units,
    'unlocked/Cargo.toml': manifest,
    'unlocked/src/main.rs': main,
    'stale/Cargo.toml': `${manifest}\n[dependencies]\nitoa = "1"\n`,
    'stale/Cargo.lock': 'version = 3\n\n[[package]]\nname = "app"\nversion = "1.0.0"\n',
    'stale/src/main.rs': main,
    'parts/Cargo.toml': '[workspace]\nmembers = ["cli"]\nresolver = "2"\n',
    'parts/Cargo.lock': 'version = 3\n\n[[package]]\nname = "app"\nversion = "1.0.0"\n',
    'parts/cli/Cargo.toml': `${manifest}\n[features]\nloud = []\n`,
    'parts/cli/src/bin/one.rs': 'fn main() { println!("{}", if cfg!(feature = "loud") { "ONE" } else { "one" }) }\n',
    'parts/cli/src/bin/two.rs': main,
  })
})

test('feature-check is fetched by its Cargo.lock, and works', async (t) => {
  const debs = await build(project, 'feature-check')
  const { root, paths } = unpacked(t, debs.get('feature-check'))
  assert.deepEqual(
    paths.filter((path) => !/^\/usr\/share\/(doc|licenses)\//.test(path)),
    ['/usr/bin/feature-check'],
  )
  assertFinished(join(root, 'usr/bin/feature-check'))
  await passes(project, 'feature-check', 2)
})

test('built anew without network, it is the same', () => sameOffline(project, 'feature-check'))

test('one of the programs of a workspace, with a feature', async () => {
  await build(project, '--offline', 'parts')
  await passes(project, 'parts')
})

test('a Cargo.lock that is missing, or says something else than Cargo.toml, is told with the mend', async () => {
  assert.match(await fails(project, 'unlocked'), /Cargo\.lock is missing.*cargo generate-lockfile/)
  assert.match(await fails(project, 'stale'), /Where Cargo\.lock is not what Cargo\.toml asks for, run 'cargo update/)
})
