export interface WorkflowOptions {
  /** Where the actions are: `owner/repository`. */
  readonly repository: string
  /** A commit, or a version such as `v1`. */
  readonly ref: string
  /** Folder of PROJECT.star within the repository; `.` is the default and not written. */
  readonly project?: string
}

/** Path of the file within a repository. */
export const workflowPath = '.github/workflows/images.yml'

/** The workflow file that a user adds, as `yoe init --ci` writes it; examples have it as well. */
export function workflowFile({ repository, ref, project = '.' }: WorkflowOptions): string {
  const uses = (action: string): string => `${repository}${action === '' ? '' : `/actions/${action}`}@${ref}`
  const where = project === '.' ? [] : [`project: ${JSON.stringify(project)}`]
  const step = (items: readonly string[], given: readonly string[]): string =>
    `{ ${[...items, ...(given.length === 0 ? [] : [`with: { ${given.join(', ')} }`])].join(', ')} }`
  // Only what is published needs every package at hand.
  const upload = `upload: "\${{ github.event_name == 'schedule' && 'image, feed' || 'image' }}"`
  const cacheKey = `cache-key: "\${{ secrets.YOE_CACHE_SIGNING_KEY }}"`
  return `# Builds every image that a change affects, boots it, and publishes the packages every night.
name: images
on:
  pull_request:
  push: { branches: [main] }
  schedule: [{ cron: "17 3 * * *" }]
permissions: { contents: read }
concurrency: { group: "images-\${{ github.ref }}", cancel-in-progress: "\${{ github.event_name == 'pull_request' }}" }
jobs:
  plan:
    runs-on: ubuntu-24.04
    outputs: { matrix: "\${{ steps.plan.outputs.matrix }}", count: "\${{ steps.plan.outputs.count }}" }
    steps:
      - { uses: actions/checkout@v7, with: { persist-credentials: false } }
      - ${step(['id: plan', `uses: ${uses('plan')}`], where)}
  build:
    needs: plan
    if: needs.plan.outputs.count != '0'
    name: \${{ matrix.name }}
    runs-on: \${{ matrix.runner }}
    timeout-minutes: 355
    strategy: { fail-fast: false, matrix: "\${{ fromJSON(needs.plan.outputs.matrix) }}" }
    steps:
      - { uses: actions/checkout@v7, with: { persist-credentials: false } }
      - { uses: ${uses('setup')} }
      - uses: ${uses('')}
        with: { ${[`cell: "\${{ matrix.cell }}"`, ...where, upload, cacheKey].join(', ')} }
  publish:
    needs: build
    if: github.event_name == 'schedule'
    runs-on: ubuntu-24.04
    steps:
      - { uses: actions/checkout@v7, with: { persist-credentials: false } }
      - { uses: ${uses('setup')}, with: { qemu: false } }
      - ${step([`uses: ${uses('publish-feed')}`], [`signing-key: "\${{ secrets.YOE_SIGNING_KEY }}"`, ...where])}
  ok: # the one check to mark as required
    needs: [plan, build]
    if: always()
    runs-on: ubuntu-24.04
    steps: [{ run: exit 1, if: "contains(needs.*.result, 'failure') || contains(needs.*.result, 'cancelled')" }]
`
}
