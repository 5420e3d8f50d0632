import type { Node } from '../plan/graph.ts'
import { manifestArch } from '../plan/graph.ts'
import type { UnitManifest } from '../store/manifest.ts'
import type { Claim, Claims } from './claims.ts'
import type { BuildContext } from './context.ts'
import { keyOf } from './context.ts'
import type { KnownResults } from './known-results.ts'

/** What a node that was not there came to. */
export interface Outcome {
  readonly manifest: UnitManifest
  readonly why: string
  /** `restored`: another machine built it meanwhile. */
  readonly outcome: 'built' | 'restored'
}

/** Nobody else builds it, on this machine or on those that share a store. */
export interface Right {
  /** Among machines; undefined where they are not asked. */
  readonly claim: Claim | undefined
  /** Lets other processes of this machine look for the result; the claim ends when the result is shared. */
  release(): Promise<void>
  /** There won't be a result from here. */
  giveUp(): Promise<void>
}

export interface RightsOptions {
  readonly context: BuildContext
  readonly known: KnownResults
  /** What machines that build the same agree on; undefined: this one builds whatever it lacks. */
  readonly claims: Claims | undefined
  /** Milliseconds since 1970 from which on nobody is waited for. */
  readonly deadline: number | undefined
}

/** A node that somebody wants to build. */
export interface Wanted {
  readonly node: Node
  /** Although its result is known, whoever else builds it. */
  readonly again: boolean
  /** From earlier builds; undefined: it was never built here. */
  readonly expectedMs: number | undefined
}

/** Runs the waiting for somebody else; who has a place gives it away meanwhile. */
export type Wait = <T>(freed: () => Promise<T>) => Promise<T>

/** Who builds a node: of all processes that share this cache, and of all machines that share another. */
export class Rights {
  readonly #options: RightsOptions

  constructor(options: RightsOptions) {
    this.#options = options
  }

  /** Whether other machines are asked. */
  shared({ again, expectedMs }: Wanted): boolean {
    return !again && this.#options.claims?.worth(expectedMs) === true
  }

  /** Waits for the right to build it, or for the result of who has it. */
  async to(wanted: Wanted, wait: Wait): Promise<Right | Outcome> {
    const { context, known } = this.#options
    const { node, again } = wanted
    const { store, signal } = context
    const lock = await store.lock(`unit-${keyOf(context, node).hash}`, { signal, title: node.unit.name, wait })
    let outcome: Outcome | undefined
    let claim: Claim | undefined
    try {
      const local = again ? undefined : await known.local(node)
      const claimed = local !== undefined || !this.shared(wanted) ? undefined : await this.#claim(node, wait)
      if (local !== undefined) outcome = { manifest: local, why: 'another process built it just now', outcome: 'built' }
      else if (claimed !== undefined && 'found' in claimed)
        outcome = { manifest: claimed.found, why: 'another machine built it just now', outcome: 'restored' }
      else claim = claimed?.claim
    } catch (failure) {
      await lock.release()
      throw failure
    }
    if (outcome !== undefined) {
      await lock.release()
      return outcome
    }
    return {
      claim,
      release: () => lock.release(),
      giveUp: async () => {
        await claim?.giveUp()
        await lock.release()
      },
    }
  }

  async #claim(
    node: Node,
    wait: Wait,
  ): Promise<{ readonly found: UnitManifest } | { readonly claim: Claim } | undefined> {
    const { context, known, claims, deadline } = this.#options
    return claims?.acquire({
      name: `claims/${manifestArch(node)}/${keyOf(context, node).hash}`,
      title: node.unit.name,
      look: () => known.sharedByNow(node),
      wait,
      signal: context.signal,
      until: deadline,
    })
  }
}
