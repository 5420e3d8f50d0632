import type { Step } from './model.ts'

/** What came of a command. */
export interface CommandResult {
  /** The exit code. */
  readonly status: number
  /** What it printed, to standard output and error, as far as `truncated` says. */
  readonly output: string
  /** More was printed than `output` holds. */
  readonly truncated: boolean
}

/** What a function of a task can do while it runs; whoever builds provides it. */
export interface TaskActions {
  /** Runs a shell command just as a step that is a command would be run. @throws {YoeError} when the run itself is ended */
  run(command: string): Promise<CommandResult>
  /** Does an install step at once. */
  install(step: Extract<Step, { kind: 'install' }>): Promise<void>
  /** Adds lines to the unit's log. */
  log(text: string): void
}
