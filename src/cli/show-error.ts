import { neutralise } from '#engine/build/log.ts'
import type { YoeError } from '#engine/errors.ts'
import type { Output } from './output.ts'
import { shown } from './shown.ts'

/**
 * A failure as a person reads it: what and where on the first line, the end of the log and the mend below. Messages quote
 * projects and servers, so control characters are written out; text of a log was neutralised by whoever wrote the log.
 */
export function showError(error: YoeError, output: Output): void {
  const where = error.at === undefined ? '' : `${shown(error.at.file)}:${error.at.line}: `
  const [first = '', ...rest] = error.message.split('\n').map((line) => shown(line))
  output.tell(
    `${output.paintError('red', 'error')}${output.paintError('dim', `[${error.code}]`)}: ${output.paintError('bold', where)}${first}`,
  )
  for (const line of rest) output.tell(`  ${line}`)
  if (error.log !== undefined) {
    for (const line of error.log.tail) output.tell(`  ${output.paintError('dim', '│')} ${neutralise(line)}`)
    output.tell(`  the whole log: ${error.log.path}`)
  }
  if (error.hint !== undefined)
    output.tell(
      `  ${output.paintError('cyan', 'hint')}: ${error.hint
        .split('\n')
        .map((line) => shown(line))
        .join('\n    ')}`,
    )
}

/** The same for `--json`. */
export function errorData(error: YoeError): Record<string, unknown> {
  return {
    code: error.code,
    message: error.message,
    ...(error.unit === undefined ? {} : { unit: error.unit }),
    ...(error.at === undefined ? {} : { at: error.at }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.log === undefined ? {} : { log: error.log.path }),
  }
}
