import assert from 'node:assert/strict'
import type { Universe } from '#engine/plan/resolve.ts'
import type { Texts } from '../../../support/project.ts'
import { units as compiled, type Id } from '../everything.ts'

/** Replaces `from`, which must be there once at least, in one file. */
export const edit =
  (file: string, from: string, to: string): ((texts: Texts) => Texts) =>
  (before) => {
    const text = before[file] ?? ''
    assert.ok(text.includes(from), `${file} has no ${from}`)
    return { ...before, [file]: text.replace(from, to) }
  }
export const units = (from: string, to: string): ((texts: Texts) => Texts) => edit('units/u.star', from, to)
export const images = (from: string, to: string): ((texts: Texts) => Texts) => edit('images/i.star', from, to)
export const machines = (from: string, to: string): ((texts: Texts) => Texts) => edit('machines/m.star', from, to)
export const containers = (from: string, to: string): ((texts: Texts) => Texts) => edit('containers/c.star', from, to)

/** One change of the sample project, and whose keys it changes. */
export interface Change {
  /** Fields of the model that this row is about: `package.version`. */
  readonly of?: readonly string[]
  readonly texts?: (texts: Texts) => Texts
  readonly prepare?: (root: string) => void
  readonly feed?: readonly string[]
  readonly universe?: Partial<Universe>
  /** Whose keys change, or that are no longer there; every other key stays. */
  readonly changes: readonly Id[]
}

export const app: readonly Id[] = ['app', 'im']
export const lib: readonly Id[] = ['lib', 'app', 'im']
export const machine: readonly Id[] = ['im', 'board']
export const everyUnit: readonly Id[] = [...compiled, 'im']
