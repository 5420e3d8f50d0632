import { cellsInput, choiceInput, flagInput, folderInput, type GetInput, listInput, numberInput } from './inputs.ts'

const uploads = ['image', 'feed', 'report', 'none'] as const

export interface CellInputs {
  readonly cells: readonly string[]
  readonly project: string
  readonly token: string
  readonly jobs: number | undefined
  readonly cacheKey: string
  /** Gigabytes. */
  readonly cacheBudget: number | undefined
  /** Minutes. */
  readonly timeLimit: number
  readonly bootTest: boolean
  readonly bootTimeout: number | undefined
  readonly upload: readonly (typeof uploads)[number][]
  readonly retentionDays: number | undefined
  /** Whether a pull request gets a comment. */
  readonly comment: 'auto' | 'never'
}

/** The inputs of a step that works on cells; those that its action.yml does not have are empty and get their default. */
export function cellInputs(get: GetInput): CellInputs {
  const or =
    (fallback: string): GetInput =>
    (name) =>
      get(name).trim() || fallback
  const upload = listInput(or('none'), 'upload').map((item) => choiceInput(() => item, 'upload', uploads))
  return {
    cells: cellsInput(get),
    project: folderInput(get, 'project'),
    token: get('github-token'),
    jobs: numberInput(get, 'jobs', { min: 1, max: 1024 }),
    cacheKey: get('cache-key').trim(),
    cacheBudget: numberInput(get, 'cache-budget', { min: 1, max: 100_000 }),
    timeLimit: numberInput(or('330'), 'time-limit', { min: 1, max: 100_000 }) ?? 330,
    bootTest: flagInput(or('true'), 'boot-test'),
    bootTimeout: numberInput(get, 'boot-timeout', { min: 1, max: 100_000 }),
    upload,
    retentionDays: numberInput(get, 'retention-days', { min: 1, max: 400 }),
    comment: choiceInput(or('auto'), 'comment', ['auto', 'never']),
  }
}
