import { YoeError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import type { Unit } from '../project/model.ts'
import { type Diagnostic, definition, sorted } from './diagnostics.ts'
import type { Feed, Provided } from './package.ts'
import { packageNames } from './subpackages.ts'
import type { View } from './view.ts'

/** What a name in a `.star` file means. */
export type Meaning =
  | {
      readonly kind: 'unit'
      readonly unit: Unit
      /** The package of it that is meant: the unit's own name, or that of a subpackage. */
      readonly name: string
      /** Set when the unit only provides the name that was asked for. */
      readonly as?: Provided
    }
  /** A package of a feed, or a name that packages of feeds provide. */
  | { readonly kind: 'feed'; readonly name: string }

/**
 * What names mean where feeds have packages too. In this order: the machine's kernel, and what `prefer_modules` decides;
 * a unit that is called so; a package that is called so; a unit that provides it; a package that provides it. The real
 * thing comes before what stands for it.
 */
export class Names {
  readonly view: View
  readonly feeds: readonly Feed[]

  constructor(view: View, feeds: readonly Feed[]) {
    this.view = view
    this.feeds = feeds
  }

  find(name: string): Meaning | undefined {
    const { view } = this
    const { kernel } = view.machine
    // The kernel may be a package of a feed.
    if (kernel?.provides === name && kernel.unit !== name) return this.find(kernel.unit)
    const unit = view.decided(name) ?? view.real(name)
    if (unit !== undefined) return meaning(unit, name)
    if (this.#hasPackage(name)) return { kind: 'feed', name }
    const virtual = view.virtual(name)
    if (virtual !== undefined) return meaning(virtual, name)
    return this.feeds.some((feed) => feed.providers(name).length > 0) ? { kind: 'feed', name } : undefined
  }

  /** What the view decided, and what feeds lose and win by it; by name. Looks every unit up in every feed. */
  diagnostics(): readonly Diagnostic[] {
    const { distro } = this.view
    const found: Diagnostic[] = [...this.view.diagnostics]
    for (const unit of this.view.units()) {
      if (unit.kind !== 'package') continue
      for (const feed of this.feeds) {
        if (feed.lookup(unit.name).length === 0) continue
        const loser = { from: feed.id, name: unit.name }
        found.push({ kind: 'shadow', name: unit.name, distro, winner: definition(unit), loser, why: 'module order' })
      }
    }
    for (const [name, unit] of this.view.aliases()) {
      if (this.view.decided(name) !== undefined || this.view.real(name) !== undefined) continue
      const feed = this.feeds.find((each) => each.lookup(name).length > 0)
      if (feed === undefined) continue
      const winner = { from: feed.id, name }
      found.push({ kind: 'shadow', name, distro, winner, loser: definition(unit), why: 'real name' })
    }
    return sorted(found)
  }

  /** Pins to feeds that have no such package: the view can't know. */
  pinErrors(): readonly YoeError[] {
    const errors: YoeError[] = []
    for (const [name, { pin, target }] of this.view.pins) {
      const feed = target.kind === 'feed' ? this.feeds.find(({ id }) => id === target.id) : undefined
      if (feed === undefined || feed.lookup(name).length > 0) continue
      const others = this.feeds.filter((other) => other.lookup(name).length > 0).map(({ id }) => id)
      errors.push(
        new YoeError('UNIT_NOT_FOUND', `prefer_modules takes "${name}" from "${feed.id}", which has no such package`, {
          at: pin.at,
          hint: others.length > 0 ? `it is in ${others.join(', ')}` : didYouMean(name, feed.names(), 1),
        }),
      )
    }
    return errors
  }

  /** Every name, of units first. */
  *all(): Iterable<string> {
    yield* this.view.names()
    for (const feed of this.feeds) yield* feed.names()
  }

  #hasPackage(name: string): boolean {
    return this.feeds.some((feed) => feed.lookup(name).length > 0)
  }
}

/** A decided unit, or one that provides the name, stands for it by its main package. */
function meaning(unit: Unit, name: string): Meaning {
  if (unit.kind !== 'package') return { kind: 'unit', unit, name: unit.name }
  if (unit.name === name || packageNames(unit).includes(name)) return { kind: 'unit', unit, name }
  const as = unit.provides.find((one) => one.name === name) ?? { name }
  return { kind: 'unit', unit, name: unit.name, as }
}
