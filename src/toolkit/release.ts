import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import { shippedFolder } from './assets.ts'

/** Where actions are: what stands behind `uses:`. */
export interface ActionsSource {
  /** `owner/repository`. */
  readonly repository: string
  /** A commit, or a tag. */
  readonly ref: string
  /** The tag of the commit, shown beside it. */
  readonly version?: string
}

/** Of which release this yoe is: the release writes it beside the code (never into its own commit); a clone has none. */
export const releaseFile = 'release.json'

/** What a development tree writes: where its actions are is for its user to say. */
export const actionsPlaceholder: ActionsSource = { repository: 'OWNER/yoe', ref: 'v1' }

const repositoryPattern = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9_][\w.-]*$/
const commitPattern = /^[0-9a-f]{40}$/

/** The actions that belong to this yoe; undefined in a development tree. @param folder where the record is */
export function releasedActions(folder = shippedFolder): ActionsSource | undefined {
  let text: string
  try {
    text = readFileSync(join(folder, releaseFile), 'utf8')
  } catch {
    return undefined
  }
  const record: unknown = JSON.parse(text)
  if (
    typeof record === 'object' &&
    record !== null &&
    'repository' in record &&
    'version' in record &&
    'commit' in record
  ) {
    const { repository, version, commit } = record
    if (
      typeof repository === 'string' &&
      repositoryPattern.test(repository) &&
      typeof version === 'string' &&
      /^v\d+(\.\d+)*[\w.-]*$/.test(version) &&
      typeof commit === 'string' &&
      commitPattern.test(commit)
    )
      return { repository, ref: commit, version }
  }
  throw new TypeError(`${releaseFile} is not what a release writes`)
}

/** Reads `OWNER/REPO@REF`. @throws {YoeError} USAGE */
export function parseActionsSource(text: string): ActionsSource {
  const [repository = '', ref = '', ...more] = text.split('@')
  if (repositoryPattern.test(repository) && /^[A-Za-z0-9][\w./-]*$/.test(ref) && more.length === 0)
    return { repository, ref }
  throw new YoeError('USAGE', `${JSON.stringify(text)} does not say where actions are`, {
    hint: 'write OWNER/REPOSITORY@COMMIT, such as octo/yoe@9c091bb21b7c1c1d1991bb908d89e4e9dddfe3e0',
  })
}

/** Whether it names one commit, which nobody can move. */
export function isPinned({ ref }: ActionsSource): boolean {
  return commitPattern.test(ref)
}
