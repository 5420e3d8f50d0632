import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WorkState } from '#engine/build/resume.ts'
import { firstTask } from '#engine/build/resume.ts'

/** `configure compile* install!`: `!` was not done, `+` began with something in the destdir. */
function state(text: string, complete = false): WorkState {
  const tasks = text
    .split(' ')
    .filter(Boolean)
    .map((word) => ({
      digest: word.replaceAll(/[!+]/g, ''),
      empty: !word.includes('+'),
      done: !word.includes('!'),
    }))
  return { base: 'b', content: 'c', tasks, complete }
}

const tasks = ['configure', 'compile', 'install', 'strip']

const rows: Readonly<
  Record<string, readonly [before: WorkState | undefined, changed: readonly string[], first: number]>
> = {
  'nothing is known': [undefined, [], 0],
  'all was done: what changed may be anything': [state('configure compile install strip+', true), ['a.c'], 0],
  'one failed': [state('configure compile!'), [], 1],
  'one failed, and its source was mended': [state('configure compile!'), ['src/a.c', 'b.h'], 1],
  'the first failed': [state('configure!'), [], 0],
  'one that installs failed: it installs into nothing again': [state('configure compile install!'), [], 2],
  'one that adds to what another installed': [state('configure compile install strip+!'), [], 2],
  'stopped between two': [state('configure compile'), [], 1],
  'a task that was done is another now': [state('configure compile-old install!'), [], 1],
  'the first one is another now': [state('configure-old compile!'), [], 0],
}
const definitions = [
  ...['configure.ac', 'm4/x.m4', 'src/Makefile.in', 'CMakeLists.txt', 'cmake/x.cmake', 'meson.build', 'go.mod'],
  ...['Cargo.lock', 'sub/Kconfig.debug', 'package.json', 'pyproject.toml', 'build.zig.zon'],
]
for (const path of definitions) {
  test(`how it is built was changed: ${path}`, () => {
    assert.equal(firstTask(state('configure compile!'), tasks, ['a.c', path]), 0)
  })
}

for (const [name, [before, changed, first]] of Object.entries(rows)) {
  test(name, () => assert.equal(firstTask(before, tasks, changed), first))
}
