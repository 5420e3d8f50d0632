/**
 * Makes text that a build printed harmless in the log of a job. The runner trims Unicode space and splits at a bare CR
 * before it looks for `::command::`, compares by culture (so that characters without a shape do not count), and finds
 * `##[command]` anywhere in a line; terminals obey far more escapes than colour.
 *
 * @see actions/runner src/Runner.Common/ActionCommand.cs
 */
export function neutralise(text: string): string {
  return text
    .replaceAll(/\r\n?/g, '\n')
    .split('\n')
    .map((line) => neutraliseLine(line))
    .join('\n')
}

/** Characters without a shape of their own, colours included: what may stand before or within a command unseen. */
const unseen = String.raw`(?:\x1b\[[0-9;]*m|[^\p{L}\p{N}\p{P}\p{S}])*`
const colonCommand = new RegExp(`^(${unseen}):(${unseen}:)`, 'u')
const hashCommand = new RegExp(`#(${unseen}#${unseen}\\[)`, 'gu')

function neutraliseLine(line: string): string {
  return plain(line).replace(colonCommand, '$1: $2').replaceAll(hashCommand, '# $1')
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
