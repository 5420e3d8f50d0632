import { neutralise } from '#engine/build/log.ts'

/**
 * Makes text that a build printed harmless in the log of a job: commands of the runner, which splits at a bare CR too,
 * and whatever terminals obey but colour.
 */
export function neutralText(text: string): string {
  return text
    .replaceAll(/\r\n?/g, '\n')
    .split('\n')
    .map((line) => neutralise(plain(line)))
    .join('\n')
}

const colour = /^\x1b\[[0-9;]*m/

/** Shows every control and direction character but tab and colour as an escape. */
function plain(line: string): string {
  return line.replaceAll(
    /\x1b\[[0-9;]*m|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (found) => (colour.test(found) ? found : `\\x${(found.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`),
  )
}

/** Text as a workflow command's message. */
export function commandData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

/** Text as a workflow command's property. */
export function commandProperty(text: string): string {
  return commandData(text).replaceAll(':', '%3A').replaceAll(',', '%2C')
}
