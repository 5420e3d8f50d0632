import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { tooLong } from './tables.ts'

const root = join(import.meta.dirname, '..', '..')
// Generated, or of another shape.
const exempt = new Set(['docs/actions.md', 'docs/decisions/actions-cache.md'])
const pages = globSync(['*.md', 'docs/**/*.md', 'examples/*/README.md'], { cwd: root }).sort()

describe('pages', () => {
  for (const page of pages) {
    const text = readFileSync(join(root, page), 'utf8')
    it(`${page} links to files that are there`, () => {
      const targets = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, target]) => target ?? '')
      for (const target of targets.filter((each) => !/^[a-z]+:/.test(each)))
        assert.ok(existsSync(join(root, dirname(page), target)), target)
    })
    it(`${page} names files of the sources that are there`, () => {
      for (const [, path = ''] of text.matchAll(/`((?:src|bench|scripts|__tests__)\/[\w./-]+\.\w+)`/g))
        assert.ok(
          [root, join(root, dirname(page))].some((base) => existsSync(join(base, path))),
          path,
        )
    })
    if (page.includes('/') && !exempt.has(page))
      it(`${page} keeps to the width`, () => assert.deepEqual(tooLong(text), []))
  }

  it('say context, decision and consequence of every decision', () => {
    const decisions = pages.filter((page) => page.startsWith('docs/decisions/') && !exempt.has(page))
    assert.ok(decisions.length >= 8)
    for (const page of decisions) {
      const text = readFileSync(join(root, page), 'utf8')
      for (const part of ['Context', 'Decision', 'Consequence'])
        assert.ok(text.includes(`**${part}.**`), `${page}: ${part}`)
    }
  })
})
