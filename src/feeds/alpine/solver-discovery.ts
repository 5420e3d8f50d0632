import type { Name } from './solver-state.ts'

/**
 * Looks at everything that a name can lead to, depth first, on a stack of our own: chains may be longer than the language's.
 *
 * @param spend is told of each step
 */
export function discover(root: Name, spend: (looks: number) => void): void {
  if (root.isSeen) return
  const stack: Visit[] = [new Visit(root)]
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.next()
    if (next === undefined) stack.pop()
    else if (!next.isSeen) stack.push(new Visit(next))
    spend(1)
  }
}

/** A name whose providers are being looked at: their needs, then what joins it. */
class Visit {
  readonly #name: Name
  #provider = 0
  #need = -1
  #joining: readonly Name[] | undefined
  #join = 0

  constructor(name: Name) {
    this.#name = name
    name.isSeen = true
    for (const { candidate } of name.providers) for (const need of candidate.needs) need.name.mark(name)
  }

  /** The name to look at before going on; undefined at the end. */
  next(): Name | undefined {
    const name = this.#name
    for (let one = name.providers[this.#provider]; one !== undefined; one = name.providers[this.#provider]) {
      const { candidate } = one
      if (this.#need === -1 && candidate.isSeen) this.#need = candidate.needs.length
      candidate.isSeen = true
      if (this.#need === -1) this.#need = 0
      for (let need = candidate.needs[this.#need]; need !== undefined; need = candidate.needs[this.#need]) {
        if (!need.name.isSeen) return need.name
        candidate.depth = Math.max(candidate.depth, need.name.depth + 1)
        this.#need++
      }
      name.joinsNever &&= candidate.joinsNever
      name.depth = Math.max(name.depth, candidate.depth)
      this.#provider++
      this.#need = -1
    }
    this.#joining ??= joiningAny(name)
    return this.#joining[this.#join++]
  }
}

const nobody: readonly Name[] = []

/** Names that join the name itself, or another one of those that provide it. */
function joiningAny(name: Name): readonly Name[] {
  const met = new Set<Name>()
  // Hardly any is joined.
  const meet = (one: Name): void => {
    if (one.joinedBy.length > 0) met.add(one)
  }
  meet(name)
  for (const { candidate } of name.providers) for (const one of candidate.answersTo) meet(one)
  return met.size === 0 ? nobody : [...met].flatMap((one) => one.joinedBy)
}
