import type { Position } from '../errors.ts'
import type { ModulePin, Unit } from '../project/model.ts'

/** One of several things that a name could mean. */
export interface Definition {
  /** `''`: this project; a module; or a feed's id. */
  readonly from: string
  /** The unit's name, or the package's. */
  readonly name: string
  /** Undefined for packages of feeds. */
  readonly at?: Position
}

/** Something that lost its name. */
export interface Shadow {
  readonly kind: 'shadow'
  readonly name: string
  readonly distro: string
  readonly winner: Definition
  readonly loser: Definition
  /** `real name`: what is called so outranks what provides it. */
  readonly why: 'module order' | 'pin' | 'kernel' | 'real name'
}

/** A pin whose module or feed shows nothing of that name to this distro; what would hold without it holds. */
export interface UnusedPin {
  readonly kind: 'unused pin'
  readonly name: string
  readonly distro: string
  readonly pin: ModulePin
}

/** What was decided about a name where there was a choice. */
export type Diagnostic = Shadow | UnusedPin

export const definition = (unit: Unit): Definition => ({ from: unit.module, name: unit.name, at: unit.at })

/** By name, then in the order in which they were decided. */
export function sorted(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return diagnostics.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}
