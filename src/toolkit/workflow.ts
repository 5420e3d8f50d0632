import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pinned } from './action-pins.ts'
import type { ActionsSource } from './release.ts'

export interface WorkflowOptions {
  readonly actions: ActionsSource
  /** Folder of PROJECT.star within the repository; `.` is the default and not written. */
  readonly project?: string
  /** Calls the reusable workflow, instead of having its jobs. */
  readonly short?: boolean
}

/** Path of the file within a repository. */
export const workflowPath = '.github/workflows/images.yml'
/** Path of the file that builds what somebody asks for. */
export const boardWorkflowPath = '.github/workflows/board.yml'

/** The workflow files that a user adds, by path, as `yoe init --ci` writes them; examples have them as well. */
export function workflowFiles(options: WorkflowOptions): readonly (readonly [string, string])[] {
  const main = options.short === true ? callingFile(options) : imagesFile(options)
  return [
    [workflowPath, main],
    [boardWorkflowPath, boardFile(options)],
  ]
}

/** The folder where workflow files of a project belong: that of its repository, else its own. */
export function repositoryOf(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, '.git'))) return at
    if (dirname(at) === at) return folder
  }
}

const checkout = `- uses: ${pinned('actions/checkout')}
        with: { persist-credentials: false }`
const triggers = 'on: { pull_request: {}, push: { branches: [main] }, schedule: [{ cron: "17 3 * * *" }] }'
const notWell = "contains(needs.*.result, 'failure') || contains(needs.*.result, 'cancelled')"
const matrix = `\${{ fromJSON(needs.plan.outputs.matrix) }}`
/** Only what is published needs every package at hand, and a report of each image. */
const upload = `upload: "\${{ github.event_name == 'schedule' && 'image, feed, report' || 'image' }}"`
/** Of both kinds of packages: one that a repository has no secret for is empty, and needs to be there for such packages alone. */
const signingKeys = [
  `signing-key: "\${{ secrets.YOE_SIGNING_KEY }}"`,
  `apk-signing-key: "\${{ secrets.YOE_APK_SIGNING_KEY }}"`,
]
/** GitHub gives a pull request from a fork `read` instead. */
const mayComment = 'permissions: { contents: read, pull-requests: write }'

/** At most 40 lines: every image that a change affects; each night a release and the feed. */
function imagesFile(options: WorkflowOptions): string {
  const { uses, given } = writer(options)
  return `name: images
${triggers}
permissions: { contents: read }
concurrency: { group: "images-\${{ github.ref }}", cancel-in-progress: "\${{ github.event_name == 'pull_request' }}" }
jobs:
  plan:
    runs-on: ubuntu-24.04
    outputs: { matrix: "\${{ steps.plan.outputs.matrix }}", count: "\${{ steps.plan.outputs.count }}" }
    steps:
      ${checkout}
      - id: plan
        uses: ${uses('plan')}${given()}
  build:
    needs: plan
    if: needs.plan.outputs.count != '0'
    name: \${{ matrix.name }}
    runs-on: \${{ matrix.runner }}
    ${mayComment}
    strategy: { fail-fast: false, matrix: "${matrix}" }
    steps:
      ${checkout}
      - uses: ${uses('')}${given(`cell: "\${{ matrix.cell }}"`, upload)}
  publish:
    needs: build
    if: github.event_name == 'schedule'
    runs-on: ubuntu-24.04
    environment: { name: github-pages, url: "\${{ steps.publish.outputs.feed-url }}" }
    permissions: { contents: write, pages: write, id-token: write }
    steps:
      ${checkout}
      - id: publish
        uses: ${uses('publish-feed')}${given('to: pages', 'release: nightly', ...signingKeys)}
  ok: # the one check to mark as required
    { needs: [plan, build], if: always(), runs-on: ubuntu-24.04, steps: [{ run: exit 1, if: "${notWell}" }] }
`
}

/**
 * The same in a dozen lines: the jobs are those of the reusable workflow. GitHub starts a call only where the caller grants
 * all that any of its jobs asks for, whether that job runs or not; a job still gets what it asks for itself.
 */
function callingFile(options: WorkflowOptions): string {
  const { workflow, given } = writer(options)
  return `name: images
${triggers}
permissions: { contents: read }
concurrency: { group: "images-\${{ github.ref }}", cancel-in-progress: "\${{ github.event_name == 'pull_request' }}" }
jobs:
  images: # its job \`ok\` is the one check to mark as required
    permissions: # what its jobs ask for, each for itself
      { contents: write, pull-requests: write, pages: write, id-token: write, attestations: write }
    uses: ${workflow}${given(`publish: "\${{ github.event_name == 'schedule' }}"`).replace('\n        ', '\n    ')}
    secrets: # for its publish job alone
      { YOE_SIGNING_KEY: "\${{ secrets.YOE_SIGNING_KEY }}", YOE_APK_SIGNING_KEY: "\${{ secrets.YOE_APK_SIGNING_KEY }}" }
`
}

/** Builds the cells that somebody names in the Actions tab, whatever a change affects. */
function boardFile(options: WorkflowOptions): string {
  const { uses, given } = writer(options)
  const wanted = [`cells: "\${{ inputs.cells }}"`, 'only: all']
  return `name: board
on: { workflow_dispatch: { inputs: { cells: { description: "What to build, such as qemu-*/*", required: true } } } }
permissions: { contents: read }
concurrency: { group: "board-\${{ github.ref }}", cancel-in-progress: false }
jobs:
  plan:
    runs-on: ubuntu-24.04
    outputs: { matrix: "\${{ steps.plan.outputs.matrix }}" }
    steps:
      ${checkout}
      - id: plan
        uses: ${uses('plan')}${given(...wanted)}
  build:
    needs: plan
    name: \${{ matrix.name }}
    runs-on: \${{ matrix.runner }}
    strategy: { fail-fast: false, matrix: "${matrix}" }
    steps:
      ${checkout}
      - uses: ${uses('')}${given(`cell: "\${{ matrix.cell }}"`, 'upload: "image, feed, report"')}
`
}

function writer({ actions: { repository, ref, version }, project = '.' }: WorkflowOptions) {
  const comment = version === undefined ? '' : ` # ${version}`
  const where = project === '.' ? [] : [`project: ${JSON.stringify(project)}`]
  return {
    uses: (action: string): string => `${repository}${action === '' ? '' : `/actions/${action}`}@${ref}${comment}`,
    workflow: `${repository}/.github/workflows/images.yml@${ref}${comment}`,
    /** The inputs of a step, on a line of their own. */
    given: (...inputs: readonly string[]): string =>
      inputs.length + where.length === 0 ? '' : `\n        with: { ${[...inputs, ...where].join(', ')} }`,
  }
}
