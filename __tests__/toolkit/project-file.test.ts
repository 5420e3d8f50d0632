import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { buildFolder, locateProject } from '#toolkit/project-file.ts'
import { scratch, writeTexts } from '../support/project.ts'

const texts = {
  'a/PROJECT.star': '',
  'a/units/deep/x.star': '',
  'a/projects/customer-a.star': '',
  'a/other.star': '',
  'lonely/dir/only.star': '',
  'ä ö/PROJECT.star': '',
  'ä ö/my projects/größe.star': '',
}

/** Where one is, what is asked for, `YOE_PROJECT`; then root and file. */
const found: readonly (readonly [string, string | undefined, string | undefined, readonly [string, string]])[] = [
  ['a', undefined, undefined, ['a', 'PROJECT.star']],
  ['a/units/deep', undefined, undefined, ['a', 'PROJECT.star']],
  ['.', 'a', undefined, ['a', 'PROJECT.star']],
  ['.', 'a/PROJECT.star', undefined, ['a', 'PROJECT.star']],
  ['.', 'a/projects/customer-a.star', undefined, ['a', 'projects/customer-a.star']],
  ['a/projects', 'customer-a.star', undefined, ['a', 'projects/customer-a.star']],
  ['.', 'a/other.star', undefined, ['a', 'other.star']],
  ['.', 'lonely/dir/only.star', undefined, ['lonely/dir', 'only.star']],
  ['.', undefined, 'a/other.star', ['a', 'other.star']],
  ['lonely', undefined, '../a', ['a', 'PROJECT.star']],
  ['.', 'a', 'lonely/dir/only.star', ['a', 'PROJECT.star']],
  ['.', 'ä ö/my projects/größe.star', undefined, ['ä ö', 'my projects/größe.star']],
]

describe('a project is found', () => {
  for (const [cwd, named, variable, [root, entry]] of found) {
    it(`in ${cwd}, asked for ${named ?? 'nothing'}, YOE_PROJECT ${variable ?? 'unset'}: ${entry} of ${root}`, (t) => {
      const folder = scratch(t)
      writeTexts(folder, texts)
      const env = { YOE_PROJECT: variable }
      assert.deepEqual(locateProject(join(folder, cwd), named, env), { root: join(folder, root), entry })
    })
  }
})

it('what is not there is an error with a suggestion', (t) => {
  const folder = scratch(t)
  writeTexts(folder, texts)
  const locate = (named: string): unknown => locateProject(folder, named, {})
  const hint = 'name the folder that holds it, or a .star file that declares a project'
  assert.throws(() => locate('lonely'), { code: 'PROJECT_NOT_FOUND', hint })
  assert.throws(() => locate('a/projects'), { code: 'PROJECT_NOT_FOUND', hint: `${hint}; it has: customer-a.star` })
  assert.throws(() => locate('a/projects/customer-b.star'), {
    code: 'PROJECT_NOT_FOUND',
    hint: 'did you mean "customer-a.star"?',
  })
  assert.throws(() => locate('nowhere/x.star'), { code: 'PROJECT_NOT_FOUND' })
  assert.throws(() => locateProject('/', undefined, {}), { code: 'PROJECT_NOT_FOUND', hint: /^yoe init NAME/ })
})

it('projects of one root build into folders of their own', () => {
  const entries = ['projects/a.star', 'projects+a.star', 'projects%2Ba.star', 'a.star', 'x/y/a.star', 'PROJECT.star']
  const folders = entries.map(buildFolder)
  assert.deepEqual(folders, ['@projects+a', '@projects%2Ba', '@projects%252Ba', '@a', '@x+y+a', ''])
})
