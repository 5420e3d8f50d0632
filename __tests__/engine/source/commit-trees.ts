import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createFetcher } from '../../../src/engine/source/download.ts'
import { type CommitParts, fetchCommit } from '../../../src/engine/source/git.ts'
import { noMirrors } from '../../../src/engine/source/mirrors.ts'
import { litter, type Scratch } from '../store/fixture.ts'
import { listing } from './unpacking.ts'

/** The tree of a commit, as it is unpacked. */
export async function treeOf(
  scratch: Scratch,
  origin: { readonly url: string; readonly head: string },
  more: CommitParts & { readonly offline?: boolean; readonly candidates?: readonly string[] } = {},
): Promise<readonly string[]> {
  const store = await scratch.store()
  const { offline = false, candidates = [origin.url] } = more
  const fetcher = createFetcher({ mirrors: noMirrors, offline, temp: join(store.root, 'tmp'), limits: { backoff: 1 } })
  const { url, head: commit } = origin
  const tar = await fetchCommit({ url, candidates, commit, store, fetcher, offline, report: scratch.report, ...more })
  assert.deepEqual(litter(store.root), [], 'nothing unfinished is left')
  const out = join(scratch.path, 'out')
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out)
  execFileSync('tar', ['-xf', tar, '-C', out])
  // git archive gives folders and programs a mode for everybody of the group; that is not what this is about.
  return listing(out).map((line) => line.replace(/ \d+ /, ' ').replace(/ \d+$/, ''))
}
