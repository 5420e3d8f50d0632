/** Where something was said: a `.star` file as users know it (`units/app.star`, `@module-core//classes/cmake.star`). */
export interface Position {
  readonly file: string
  /** 1-based. */
  readonly line: number
  /** 1-based. */
  readonly column: number
}

/** What a failure means to whoever started the command; the command line's exit code follows from it. */
export type Fault = 'build' | 'project' | 'environment'

/**
 * Every failure that a user can meet, and whose fault it is. A closed list: a typo does not compile, and
 * documentation and tests can enumerate it.
 */
export const errorCodes = {
  // The project says something wrong.
  USAGE: 'project',
  PROJECT_NOT_FOUND: 'project',
  PROJECT_INVALID: 'project',
  STAR_SYNTAX: 'project',
  STAR_EVAL: 'project',
  STAR_LIMIT: 'project',
  LOAD_NOT_FOUND: 'project',
  LOAD_OUTSIDE: 'project',
  LOAD_CYCLE: 'project',
  BAD_FIELD: 'project',
  BAD_NAME: 'project',
  UNKNOWN_FIELD: 'project',
  DUPLICATE: 'project',
  UNIT_NOT_FOUND: 'project',
  DEP_CYCLE: 'project',
  UNSATISFIABLE: 'project',
  MACHINE_NOT_FOUND: 'project',
  MODULE_NOT_FOUND: 'project',
  MODULE_CONFLICT: 'project',
  LOCK_INVALID: 'project',
  LOCK_STALE: 'project',
  KEY_INVALID: 'project',
  SOURCE_STATE: 'project',
  // A feed, a source or a cache answered something that can't be used.
  FEED_UNTRUSTED: 'build',
  FEED_EXPIRED: 'build',
  FEED_REPLAYED: 'build',
  FEED_INVALID: 'build',
  FEED_MOVED: 'build',
  FETCH_FAILED: 'build',
  DIGEST_MISMATCH: 'build',
  ARCHIVE_UNSAFE: 'build',
  STORE_DAMAGED: 'build',
  BUNDLE_INVALID: 'build',
  BUNDLE_UNTRUSTED: 'build',
  // Work failed.
  TASK_FAILED: 'build',
  TASK_TIMEOUT: 'build',
  PACKAGE_INVALID: 'build',
  PACKAGE_QA: 'build',
  INSTALL_FAILED: 'build',
  IMAGE_TOO_SMALL: 'build',
  BOOT_FAILED: 'build',
  CHECK_FAILED: 'build',
  PUBLISH_FAILED: 'build',
  CANCELLED: 'build',
  // The machine lacks something.
  TOOL_MISSING: 'environment',
  SANDBOX_UNAVAILABLE: 'environment',
  DISK_FULL: 'environment',
  PERMISSION: 'environment',
  PORT_IN_USE: 'environment',
} as const satisfies Record<string, Fault>

export type YoeErrorCode = keyof typeof errorCodes

export interface YoeErrorOptions {
  /** What to type or edit to mend it; never "check your configuration". */
  readonly hint?: string | undefined
  /** The `.star` line that caused it. */
  readonly at?: Position | undefined
  /** The unit it happened to. */
  readonly unit?: string | undefined
  /** The log that tells more, and its last lines (already neutralised by whoever prints them). */
  readonly log?: { readonly path: string; readonly tail: readonly string[] } | undefined
  readonly cause?: unknown
}

/** A failure that a user can reach. Anything else that is thrown is a bug of ours and reported as one. */
export class YoeError extends Error {
  override readonly name = 'YoeError'
  readonly code: YoeErrorCode
  readonly hint: string | undefined
  readonly at: Position | undefined
  readonly unit: string | undefined
  readonly log: { readonly path: string; readonly tail: readonly string[] } | undefined

  constructor(code: YoeErrorCode, message: string, options: YoeErrorOptions = {}) {
    super(message, { cause: options.cause })
    this.code = code
    this.hint = options.hint
    this.at = options.at
    this.unit = options.unit
    this.log = options.log
  }

  get fault(): Fault {
    return errorCodes[this.code]
  }
}

/** Several failures found together: a project is checked as a whole before anything is reported. */
export class YoeErrors extends Error {
  override readonly name = 'YoeErrors'
  readonly errors: readonly YoeError[]

  /** @param errors at least one, in the order in which they should be shown */
  constructor(errors: readonly YoeError[]) {
    super(errors.map((error) => error.message).join('\n'))
    this.errors = errors
  }
}

/** All user-reachable failures in `failure`; undefined when it is a bug of ours. */
export function userErrors(failure: unknown): readonly YoeError[] | undefined {
  if (failure instanceof YoeError) return [failure]
  if (failure instanceof YoeErrors) return failure.errors
  return undefined
}

/** Exit codes of the command line: 1 the build or test failed, 2 wrong usage or project, 3 the environment lacks something. */
export const exitCodes = { build: 1, project: 2, environment: 3 } as const satisfies Record<Fault, number>
