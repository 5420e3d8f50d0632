import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { version } from '#engine/version.ts'
import { checkout, scratch } from './support/project.ts'

const run = promisify(execFile)

/** For each rule, files that break it and nothing else: path to text. */
const plants: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'engine-knows-no-adapter': { 'src/engine/store/planted.ts': "import '#toolkit/assets.ts'\n" },
  'feeds-and-bsp-know-the-engine-only': { 'src/feeds/debian/planted.ts': "import '#cli/output.ts'\n" },
  'feeds-know-no-board': { 'src/feeds/debian/planted.ts': "import '#bsp/console.ts'\n" },
  'boards-know-no-format': { 'src/bsp/planted.ts': "import '#feeds/debian/version.ts'\n" },
  'toolkit-knows-no-face': { 'src/toolkit/planted.ts': "import '#cli/output.ts'\n" },
  'faces-are-strangers': { 'src/cli/planted.ts': "import '#github/neutral.ts'\n" },
  'github-knows-no-cli': { 'src/github/planted.ts': "import '#cli/output.ts'\n" },
  'resolving-does-no-io': { 'src/engine/plan/planted.ts': "import 'node:fs'\n" },
  'starlark-wasm-stands-alone': { 'packages/starlark-wasm/src/planted.ts': "import '../../../src/engine/arch.ts'\n" },
  'no-cycles': {
    'src/engine/planted-a.ts': "import { b } from './planted-b.ts'\n\nexport const a = (): unknown => b\n",
    'src/engine/planted-b.ts': "import { a } from './planted-a.ts'\n\nexport const b = (): unknown => a\n",
  },
  'all-imports-resolve': { 'src/engine/planted.ts': "import './nowhere.ts'\n" },
}

/** More ways to break a rule than its first one. */
const further: readonly (readonly [rule: string, file: string, text: string])[] = [
  ['engine-knows-no-adapter', 'src/engine/store/planted.ts', "export const load = () => import('#github/base.ts')\n"],
  [
    'engine-knows-no-adapter',
    'src/engine/store/planted.ts',
    "import type { Output } from '#cli/output.ts'\n\nexport type X = Output\n",
  ],
  ['engine-knows-no-adapter', 'src/engine/store/planted.ts', "import 'openpgp'\n"],
  ['engine-knows-no-adapter', 'src/engine/store/planted.ts', "import '@actions/core'\n"],
  ['engine-knows-no-adapter', 'src/engine/store/planted.ts', "export * from '../../feeds/debian/version.ts'\n"],
  ['feeds-and-bsp-know-the-engine-only', 'src/bsp/planted.ts', "import '@actions/core'\n"],
  ['toolkit-knows-no-face', 'src/toolkit/planted.ts', "import '@actions/core'\n"],
  ['faces-are-strangers', 'src/cli/planted.ts', "import '@actions/core'\n"],
  ['resolving-does-no-io', 'src/engine/catalog/planted.ts', "import 'node:child_process'\n"],
]

/** A copy of the sources, small enough to be checked in seconds. */
function copy(to: string): string {
  for (const part of [
    'src',
    'actions',
    'packages/starlark-wasm/src',
    'packages/starlark-wasm/package.json',
    'package.json',
    'tsconfig.json',
  ])
    cpSync(join(checkout, part), join(to, part), { recursive: true })
  symlinkSync(join(checkout, 'node_modules'), join(to, 'node_modules'))
  // The same rules, for packages that are behind a link here.
  const rules = JSON.stringify(join(checkout, '.dependency-cruiser.mjs'))
  writeFileSync(
    join(to, '.dependency-cruiser.mjs'),
    `import rules from ${rules}\n\nexport default { ...rules, options: { ...rules.options, preserveSymlinks: true } }\n`,
  )
  return to
}

/** The rules that a tree breaks, with the file that does. */
async function broken(root: string): Promise<readonly string[]> {
  const args = ['--config', '--output-type', 'json', 'src', 'actions', 'packages/starlark-wasm/src']
  const tool = join(checkout, 'node_modules/.bin/depcruise')
  const found = await run(process.execPath, [tool, ...args], { cwd: root, maxBuffer: 1 << 28 }).catch(
    (failure: { stdout: string }) => failure,
  )
  const { summary }: { summary: { violations: { rule: { name: string }; from: string }[] } } = JSON.parse(found.stdout)
  return summary.violations.map(({ rule, from }) => `${rule.name} ${from}`)
}

function rulesOf(config: string): readonly string[] {
  return [...config.matchAll(/name: '([a-z-]+)'/g)].map(([, name = '']) => name)
}

test('every rule of the layers refuses what it is there for', async (t) => {
  const root = copy(scratch(t))
  assert.deepEqual(await broken(root), [], 'the sources keep every rule')
  const rules = rulesOf(readFileSync(join(checkout, '.dependency-cruiser.mjs'), 'utf8'))
  assert.deepEqual(Object.keys(plants).sort(), [...rules].sort(), 'there is a plant for every rule')
  // All of them at once, each under a name of its own: one run of the tool.
  const expected: string[] = []
  const all = [
    ...Object.entries(plants).flatMap(([rule, files]) =>
      Object.entries(files).map(([file, text]) => [rule, file, text] as const),
    ),
    ...further,
  ]
  all.forEach(([rule, file, text], index) => {
    const path = rule === 'no-cycles' ? file : file.replace('planted', `planted-${index}`)
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
    // A cycle is told once, at its first file.
    if (!path.endsWith('planted-b.ts')) expected.push(`${rule} ${path}`)
  })
  const found = await broken(root)
  for (const line of expected) assert.ok(found.includes(line), `not refused: ${line}`)
  // A plant breaks its own rule alone.
  for (const line of found) assert.ok(expected.includes(line), `refused, too: ${line}`)
})

test('the version is one', () => {
  const { version: declared }: { version: string } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'))
  assert.equal(version, declared)
})
