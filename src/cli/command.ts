import type { Reporter } from '#engine/events.ts'
import type { Output } from './output.ts'

/** An option of a command line: `--machine NAME`, `-j N`. */
export interface Option {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  /** May be given several times. */
  readonly multiple?: boolean
  /** What a value looks like in the help: `NAME`. */
  readonly value?: string
  readonly help: string
  /** What its value may be, for completion in shells. */
  readonly completes?: Completes
}

/** What an argument may be: words, or names of a kind that the project has. `target`: units and images. */
export type Completes =
  | readonly string[]
  | 'unit'
  | 'image'
  | 'target'
  | 'machine'
  | 'distro'
  | 'module'
  | 'cell'
  | 'file'

export type Options = { readonly [name: string]: Option }

export type Values<O extends Options> = {
  readonly [K in keyof O]: O[K]['type'] extends 'boolean'
    ? boolean
    : O[K] extends { multiple: true }
      ? readonly string[]
      : string | undefined
}

/** What a command runs with. */
export interface Invocation<O extends Options> {
  readonly values: Values<O>
  readonly positionals: readonly string[]
  readonly output: Output
  readonly report: Reporter
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Aborted by SIGINT, SIGTERM and SIGHUP. */
  readonly signal: AbortSignal
}

export interface Command<O extends Options = Options> {
  /** After `yoe`: `build [UNIT…]`. */
  readonly usage: string
  /** One line for the list of commands. */
  readonly summary: string
  /** Paragraphs and examples for `--help`. */
  readonly details: string
  readonly options: O
  /** Of the options that every command has, it has `--help` alone. */
  readonly helpOnly?: boolean
  /** Fewest and most positional arguments. */
  readonly positionals: readonly [number, number]
  /** What each positional argument may be; the last stands for those that follow, too. */
  readonly completes?: readonly Completes[]
  /** @returns the exit code */
  run(invocation: Invocation<O>): Promise<number>
}

/** Keeps the types of an options table, which a plain annotation would widen. */
export function command<const O extends Options>(definition: Command<O>): Command<O> {
  return definition
}

/** Options that every command has. */
export const globalOptions = {
  json: { type: 'boolean', help: 'print the result as JSON' },
  quiet: { type: 'boolean', short: 'q', help: 'print results and failures only' },
  verbose: { type: 'boolean', short: 'v', help: "print the builds' output as it comes" },
  events: {
    type: 'string',
    value: 'TO',
    completes: 'file',
    help: 'write what happens as NDJSON to a file, standard output or an open descriptor',
  },
  help: { type: 'boolean', short: 'h', help: 'print this' },
} as const satisfies Options

/** Options that every command about a project has. */
export const projectOptions = {
  project: {
    type: 'string',
    value: 'FILE_OR_DIR',
    completes: 'file',
    help: 'the project: its file, or a folder with a PROJECT.star (default: found upwards from here)',
  },
  machine: {
    type: 'string',
    value: 'NAME',
    completes: 'machine',
    help: "build for this machine instead of the project's default",
  },
  distro: {
    type: 'string',
    value: 'NAME',
    completes: 'distro',
    help: "use this distro instead of the project's default",
  },
  offline: { type: 'boolean', help: 'never touch the network' },
  locked: { type: 'boolean', help: 'take only what yoe.lock has (default under CI, where there is one)' },
  'no-locked': { type: 'boolean', help: 'not so' },
} as const satisfies Options

/** Of commands that build. */
export const workerOption = {
  worker: {
    type: 'string',
    value: 'NAME',
    completes: ['bwrap', 'docker'],
    help: 'where tasks run: bwrap or docker (default: as configured, or what works)',
  },
} as const satisfies Options

/** Of commands that look for results of other machines. */
export const remoteCacheOptions = {
  'remote-cache': {
    type: 'string',
    value: 'URL',
    multiple: true,
    help: 'share results there instead of where the project says: s3://, https://, file:// or oci://',
  },
  'no-remote-cache': { type: 'boolean', help: 'use no shared cache' },
} as const satisfies Options

/** Indices of feeds are kept until they expire, and many never do. */
export const refreshOption = {
  refresh: { type: 'boolean', help: 'ask the feeds for newer package lists first' },
} as const satisfies Options
