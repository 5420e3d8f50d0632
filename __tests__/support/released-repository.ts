/** A repository that scripts/release can release, small: its bundler is a stand-in that takes no time. */
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { TestRepository } from './git.ts'
import type { Texts } from './project.ts'

const bundler = `import { chmodSync, cpSync, mkdirSync, writeFileSync } from 'node:fs'
const [, , out = ''] = process.argv
mkdirSync(out, { recursive: true })
cpSync('src/yoe.js', out + '/yoe.js')
chmodSync(out + '/yoe.js', 0o755)
cpSync('modules', out + '/modules', { recursive: true })
writeFileSync(out + '/crlf.js', 'a\\r\\nb\\r\\n')
writeFileSync(out + '/package.json', '{"type":"module"}')
`

export const released: Texts = {
  'package.json':
    '{ "name": "yoe", "version": "1.2.3", "license": "Apache-2.0", "type": "module", "engines": { "node": ">=24" } }\n',
  'CHANGELOG.md': '# Changelog\n\n## 1.2.3 (2026-11-22)\n\n- New.\n\n## 1.2.2\n\n- Old.\n',
  'README.md': 'yoe\n',
  LICENSE: 'free\n',
  '.gitignore': '/dist/\nignored\n',
  '.gitattributes': '*.gz binary\n',
  'action.yml': 'runs: { using: node24, main: dist/cell.js }\n',
  'actions/plan/action.yml': 'runs: { using: node24, main: ../../dist/plan.js }\n',
  'docs/schemas/plan.json': '{}\n',
  'modules/core/MODULE.star': 'x = 1\n',
  'modules/core/ignored': 'not by git\n',
  'scripts/bundle.ts': bundler,
  'src/yoe.js': '#!/usr/bin/env node\nconsole.log(JSON.stringify([import.meta.filename, ...process.argv.slice(2)]))\n',
}

/** @param folder absolute; the same commit wherever it is, made at the same second */
export function releasedRepository(folder: string, texts: Texts = {}): TestRepository {
  mkdirSync(dirname(folder), { recursive: true })
  const repository = new TestRepository(folder)
  repository.commit({ ...released, ...texts })
  repository.git('add', '--force', 'modules/core/ignored')
  repository.git('commit', '--quiet', '--amend', '--no-edit', '--date', '2026-11-22T12:00:00Z')
  return repository
}

/** A second clone of it. */
export function cloneOf(repository: TestRepository, folder: string): string {
  mkdirSync(dirname(folder), { recursive: true })
  repository.git('clone', '--quiet', repository.folder, folder)
  return join(folder)
}
