/** Work trees of small sources, as builds make them, and the real git to look at them. */
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { TreePlace, Upstream } from '#engine/source/work-tree.ts'
import { importUpstream, writePrepared } from '#engine/source/work-tree.ts'
import type { TreeGit } from '#engine/source/work-tree-git.ts'
import { scratch, type Texts, writeTexts } from '../../support/project.ts'

export const hello: Texts = {
  'hello.c': '#include <stdio.h>\n\nint main(void)\n{\n\tputs("hello");\n\treturn 0;\n}\n',
  Makefile: 'hello: hello.c\n',
}

/** git as the user has it, in the tree. */
export function userGit({ source }: TreePlace, ...args: readonly string[]): string {
  const who = ['-c', 'user.name=Ann', '-c', 'user.email=ann@x', '-c', 'safe.directory=*', '-c', 'core.editor=true']
  return execFileSync('git', [...who, ...args], {
    cwd: source,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: source, GIT_CONFIG_NOSYSTEM: '1' },
  }).trimEnd()
}

/** A work tree of `texts`, committed as upstream. */
export async function treeOf(
  t: TestContext,
  texts: Texts = hello,
  upstream: Partial<Upstream> = {},
): Promise<{ readonly place: TreePlace; readonly git: TreeGit; readonly folder: string }> {
  const folder = scratch(t)
  const place = { source: join(folder, 'src'), git: join(folder, 'src.git') }
  mkdirSync(place.source)
  writeTexts(place.source, texts)
  const git = await importUpstream(place, { name: 'hello', version: '1.0', id: 'sha256 a', ...upstream })
  const head = await git.run(['rev-parse', 'HEAD'])
  await writePrepared(place, { source: 'sha256 a', patches: '', version: '1.0', upstream: head, head })
  return { place, git, folder }
}
