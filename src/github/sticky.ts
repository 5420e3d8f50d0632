import { type Clock, systemClock } from './actions-cache/bucket.ts'
import { brief, markerOf, mergeSections, renderComment, type Section, sectionsOf } from './comment.ts'
import type { RunContext } from './context.ts'
import { GitHubRest, type Octokit } from './rest.ts'
import { statusOf } from './rest-retry.ts'

/** Times that a section is written anew because somebody else's writing lost it. */
const mostRounds = 12
/** Milliseconds between a write and a look whether it is still there. */
const looks = [600, 1_200] as const

export interface StickyOptions {
  readonly context: RunContext
  readonly token: string
  readonly workflow: string
  readonly project: string
  /** GitHub's number of this workflow run. */
  readonly run: number
  readonly clock?: Clock
}

interface Comment {
  /** Of the REST API. */
  readonly id: number
  readonly body: string
}

const query = `query ($owner: String!, $repo: String!, $number: Int!, $after: String) {
  repository(owner: $owner, name: $repo) {
    pullRequest(number: $number) {
      comments(first: 100, after: $after) {
        pageInfo { hasNextPage endCursor }
        nodes { databaseId body viewerDidAuthor }
      }
    }
  }
}`

/**
 * The one comment of a workflow about a project on a pull request, which the jobs of all cells write to at once. GitHub
 * can't change a comment only when it still is what was read, so a writer looks twice afterwards, and writes again what
 * another one's writing lost. Only comments that this very token wrote are touched: the marker alone is nothing, since
 * anybody can write it.
 */
export class StickyComment {
  readonly #options: StickyOptions
  readonly #number: number
  readonly #marker: string
  readonly #rest: GitHubRest
  readonly #clock: Clock

  private constructor(options: StickyOptions, number: number) {
    this.#options = options
    this.#number = number
    this.#marker = markerOf(options.workflow, options.project)
    this.#clock = options.clock ?? systemClock
    const { owner, repo, apiUrl } = options.context
    this.#rest = new GitHubRest({ owner, repo, token: options.token, apiUrl }, this.#clock)
  }

  /** Undefined when there is nothing to comment on, or this run can't: a fork's token may only read. */
  static of(options: StickyOptions): StickyComment | undefined {
    const [, number] = /^refs\/pull\/(\d+)\/merge$/.exec(options.context.ref) ?? []
    const can = options.context.trust === 'pull-request' && options.token !== '' && number !== undefined
    return can ? new StickyComment(options, Number(number)) : undefined
  }

  /**
   * Puts a cell's section in the comment. That of an older run does not replace what a newer one has said.
   *
   * @returns false when it could not be kept there: others wrote all the time
   * @throws {YoeError} FETCH_FAILED; `isDenied` tells whether the token lacks the permission
   */
  async put(cell: string, text: string): Promise<boolean> {
    const section: Section = { cell, run: this.#options.run, text }
    for (let round = 0; round < mostRounds; round++) {
      if (round > 0) await this.#clock.sleep(Math.random() * 1000 * Math.min(round, 4))
      if ((await this.#write(section)) === 'outdated' || (await this.#stays(section))) return true
    }
    return false
  }

  /** What is read and what is written on its account are tried again together: nothing old is ever written. */
  #write(section: Section): Promise<'written' | 'outdated'> {
    return this.#rest.call('write the comment', 'pull-requests: write', async (octokit, at) => {
      const mine = await this.#read(octokit, at)
      const old = mine.flatMap(({ body }) => sectionsOf(body))
      if (old.some(({ run }) => run > section.run)) return 'outdated'
      const body = renderComment(this.#marker, mergeSections([...old, section]), this.#options.context.runUrl)
      const [first, ...others] = mine
      if (first === undefined) {
        await octokit.rest.issues.createComment({ ...at, issue_number: this.#number, body })
        return 'written'
      }
      if (first.body !== body)
        await unlessGone(octokit.rest.issues.updateComment({ ...at, comment_id: first.id, body }))
      // Two jobs that both found none made one each; what the later one says is in the first one now.
      for (const { id } of others) await unlessGone(octokit.rest.issues.deleteComment({ ...at, comment_id: id }))
      return 'written'
    })
  }

  async #stays(section: Section): Promise<boolean> {
    for (const wait of looks) {
      await this.#clock.sleep(wait * (1 + Math.random() / 2))
      const mine = await this.#rest.call('read the comment', 'pull-requests: write', (octokit, at) =>
        this.#read(octokit, at),
      )
      const found = mine.flatMap(({ body }) => sectionsOf(body))
      if (found.some(({ run }) => run > section.run)) return true
      // A section may be there without its details, or be counted only, when all of them would be too long.
      const there = found.some(
        ({ cell, run, text }) =>
          cell === section.cell && run === section.run && (text === section.text || text === brief(section.text)),
      )
      if (mine.length !== 1 || (!there && !/^and \d+ more$/m.test(mine[0]?.body ?? ''))) return false
    }
    return true
  }

  /** The comments of this token with this marker, oldest first: more than one only until somebody has merged them. */
  async #read(octokit: Octokit, { owner, repo }: { owner: string; repo: string }): Promise<readonly Comment[]> {
    const found: Comment[] = []
    let after: string | null = null
    do {
      const answer: Answer = await asked(octokit.graphql(query, { owner, repo, number: this.#number, after }))
      const comments = answer.repository?.pullRequest?.comments
      for (const node of comments?.nodes ?? []) {
        if (node?.viewerDidAuthor !== true || node.databaseId === null || !node.body.startsWith(this.#marker)) continue
        found.push({ id: node.databaseId, body: node.body })
      }
      after = comments?.pageInfo.hasNextPage === true ? comments.pageInfo.endCursor : null
    } while (after !== null)
    return found.sort((a, b) => a.id - b.id)
  }
}

interface Answer {
  readonly repository: {
    readonly pullRequest: {
      readonly comments: {
        readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null }
        readonly nodes: readonly ({
          readonly databaseId: number | null
          readonly body: string
          readonly viewerDidAuthor: boolean
        } | null)[]
      }
    } | null
  } | null
}

/** GraphQL answers 200 to everything; its errors get the status that the REST API gives them. */
async function asked(answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer
  } catch (failure) {
    const types = errorTypes(failure)
    const status = types.includes('RATE_LIMITED') ? 429 : types.length > 0 ? 403 : undefined
    if (status === undefined || statusOf(failure) !== undefined) throw failure
    throw Object.assign(new Error(failure instanceof Error ? failure.message : types.join()), { status })
  }
}

function errorTypes(failure: unknown): readonly string[] {
  if (!(failure instanceof Error) || !('errors' in failure) || !Array.isArray(failure.errors)) return []
  return failure.errors.map((one: unknown) =>
    typeof one === 'object' && one !== null && 'type' in one ? String(one.type) : '',
  )
}

async function unlessGone(call: Promise<unknown>): Promise<void> {
  await call.catch((failure: unknown) => {
    if (statusOf(failure) !== 404) throw failure
  })
}
