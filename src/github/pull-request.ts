import { userErrors } from '#engine/errors.ts'
import type { CellInputs } from './cell-inputs.ts'
import type { Host } from './host.ts'
import type { ActionsReporter } from './reporter.ts'
import { isDenied } from './rest.ts'
import { StickyComment } from './sticky.ts'

/** Tells reviewers of a pull request what this job's cells came to, where the token may; that it can't fails no job. */
export class PullRequestComment {
  readonly #reporter: ActionsReporter
  #comment: StickyComment | undefined
  #telling: Promise<void> = Promise.resolve()

  constructor({ context, env }: Host, { comment, token, project }: CellInputs, reporter: ActionsReporter) {
    this.#reporter = reporter
    const [workflow, run] = [env['GITHUB_WORKFLOW'] ?? '', Number(env['GITHUB_RUN_ID'] ?? 0)]
    if (comment === 'auto') this.#comment = StickyComment.of({ context, token, project, workflow, run })
    if (comment === 'auto' && context.trust === 'fork')
      reporter.line('No comment on a pull request from a fork, whose token may only read: the summary tells the same.')
  }

  /** Begins to tell of a cell, after those before it: the job goes on meanwhile. */
  tell(cell: string, section: string): void {
    this.#telling = this.#telling.then(() => this.#tell(cell, section))
  }

  /** When all is told. */
  told(): Promise<void> {
    return this.#telling
  }

  async #tell(cell: string, section: string): Promise<void> {
    if (this.#comment === undefined) return
    try {
      if (await this.#comment.put(cell, section)) return
      this.#reporter.line('Other jobs wrote to the comment all the time: this cell is in the summary only.')
    } catch (thrown) {
      const [error] = userErrors(thrown) ?? []
      if (error === undefined) throw thrown
      // It will not be better for the next cell.
      this.#comment = undefined
      const { hint } = error
      const message = `no comment on the pull request, the summary tells the same: ${error.message}`
      if (isDenied(error)) this.#reporter.notice(`${message}\n${hint}, or this step \`comment: never\``)
      else this.#reporter.report({ type: 'warning', message })
    }
  }
}
