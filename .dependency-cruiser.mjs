/**
 * The doors of ARCHITECTURE.md, held by a machine. A rule that can't fail is no rule: __tests__/layers.test.ts plants
 * forbidden imports and sees each refused.
 */
export default {
  forbidden: [
    {
      name: 'engine-knows-no-adapter',
      comment:
        'package formats, boards, GitHub and the command line are registered with the engine, never imported by it',
      severity: 'error',
      from: { path: '^src/engine/' },
      to: {
        path: '^(src/(feeds|bsp|github|cli|toolkit|tui)/|actions/|node_modules/(@actions|@octokit|octokit|openpgp)/)',
      },
    },
    {
      name: 'feeds-and-bsp-know-the-engine-only',
      severity: 'error',
      from: { path: '^src/(feeds|bsp)/' },
      to: { path: '^(src/(github|cli|toolkit|tui)/|actions/|node_modules/(@actions|@octokit|octokit)/)' },
    },
    { name: 'feeds-know-no-board', severity: 'error', from: { path: '^src/feeds/' }, to: { path: '^src/bsp/' } },
    { name: 'boards-know-no-format', severity: 'error', from: { path: '^src/bsp/' }, to: { path: '^src/feeds/' } },
    {
      name: 'toolkit-knows-no-face',
      severity: 'error',
      from: { path: '^src/toolkit/' },
      to: { path: '^(src/(github|cli|tui)/|actions/|node_modules/@actions/)' },
    },
    {
      name: 'faces-are-strangers',
      comment: 'the command line and GitHub share the toolkit, not each other',
      severity: 'error',
      from: { path: '^src/cli/' },
      to: { path: '^(src/github/|node_modules/@actions/)' },
    },
    { name: 'github-knows-no-cli', severity: 'error', from: { path: '^src/github/' }, to: { path: '^src/cli/' } },
    {
      name: 'resolving-does-no-io',
      comment: 'a pure function from values to values: same declarations, same answer',
      severity: 'error',
      from: { path: '^src/engine/(plan|catalog)/' },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?crypto$' },
    },
    { name: 'starlark-wasm-stands-alone', severity: 'error', from: { path: '^packages/' }, to: { path: '^src/' } },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'all-imports-resolve', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(/testdata/|/node_modules/)' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default'],
      mainFields: ['module', 'main', 'types'],
    },
  },
}
