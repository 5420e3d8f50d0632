import type { Json } from '../project/model.ts'

/** A unit's work tree in dev state: built as it is, instead of the declared source and patches. */
export interface DevSource {
  /** Digest of all that is in the tree. */
  readonly content: string
  /** HEAD, of git sources, whose history tasks can see. */
  readonly commit?: string
  /** How many commits it is past upstream. */
  readonly commits: number
  /** Paths that differ from what is committed, sorted. */
  readonly edits: readonly string[]
  /** Paths that differ from upstream, committed or not, sorted. */
  readonly files: readonly string[]
  /** The version that the tree is of, when the unit is declared with another source by now. */
  readonly behind?: string
  /** The version that the tree is of, when the unit is declared with another version of the same source by now. */
  readonly former?: string
}

/** What stands for the source and the patches of such a unit in its key. */
export function devIdentity({ content, commit }: DevSource): Json {
  return { kind: 'dev', content, ...(commit === undefined ? {} : { commit }) }
}
