import type { PackageRecord } from '../catalog/package.ts'
import type { Reporter } from '../events.ts'
import type { PackageFormat } from '../formats.ts'
import type { Node, PackageNode } from '../plan/graph.ts'
import type { NodeKey } from '../plan/hash.ts'
import type { PackageUnit, Place } from '../project/model.ts'
import type { TaskFunctions } from '../project/task-functions.ts'
import type { Fetcher } from '../source/fetcher.ts'
import type { Store } from '../store/store.ts'
import type { NetworkAccess } from './network-access.ts'
import { defaultLimits, type Limits, type Worker } from './worker.ts'

/** What building needs from the outside. */
export interface BuildContext {
  readonly project: { readonly name: string; readonly version: string }
  readonly store: Store
  readonly worker: Worker
  readonly format: PackageFormat
  /** Absolute: `build/` of the project, with a folder for every node. */
  readonly buildRoot: string
  readonly keys: ReadonlyMap<Node, NodeKey>
  /** A verified file of a feed package. */
  readonly fetchPackage: (record: PackageRecord) => Promise<string>
  /** Absolute path of a place, checked to be inside its root. */
  readonly absolute: (place: Place) => string
  /** The functions of a package's tasks; asked for only when some are to be called. */
  readonly functions: (node: PackageNode) => Promise<TaskFunctions>
  readonly fetcher: Fetcher
  /** What tasks that may reach the network see beside everything else. */
  readonly network: NetworkAccess
  readonly offline: boolean
  /** This machine's limits of tasks, over what units say. */
  readonly limits?: Partial<Limits>
  /** Parallel jobs of one unit's tasks: `$NPROC`. */
  readonly processors: number
  /** Nothing that earlier builds of the node left is used: no cache folders, nothing of developing. */
  readonly clean?: boolean
  /** Told now and then what a run's processes use together, in bytes. */
  readonly memoryUsed?: (bytes: number) => void
  readonly maintainer: string
  /** Seconds since 1970; every time stamp in packages and images. */
  readonly sourceDateEpoch: number
  /** Who builds, for the record. */
  readonly builder: string
  readonly report: Reporter
  readonly signal: AbortSignal
}

/** What bounds the tasks and tests of a unit here. */
export function limitsOf({ limits }: Pick<BuildContext, 'limits'>, unit: Pick<PackageUnit, 'limits'>): Limits {
  return { ...defaultLimits, ...unit.limits, ...limits }
}

/** The key of a node that was planned. */
export function keyOf(context: BuildContext, node: Node): NodeKey {
  const key = context.keys.get(node)
  if (key === undefined) throw new TypeError(`${node.id} was not planned`)
  return key
}
