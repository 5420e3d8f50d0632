/** What the process around the unmodified cache client is asked, one message each. */
export interface ClientRequest {
  readonly id: number
  readonly verb: 'restore' | 'save'
  readonly key: string
  /** Relative to the client's staging folder, and the same for a key on every machine: the entry's version hashes this text. */
  readonly path: string
  /** Restoring: any entry whose key starts with `key` will do, the newest first. */
  readonly newest?: boolean
}

/** What it answers. The client tells its troubles only in its log lines, so these travel along. */
export interface ClientAnswer {
  readonly id: number
  /** The matched key, or the entry's number (-1: not saved); undefined: nothing restored. */
  readonly value?: string | number
  /** What the client threw: a bug of the caller, mostly. */
  readonly threw?: string
  readonly said: readonly Saying[]
}

/** One line of the client's log. */
export interface Saying {
  readonly level: 'debug' | 'info' | 'warning' | 'error'
  readonly text: string
}

/** The shim that stands in for tar reports the file that holds what was downloaded by a line with this prefix. */
export const restoredPrefix = 'yoe-restored '

const command = /^::(debug|info|notice|warning|error)(?: [^:]*)?::(.*)$/

/** Reads the client's standard output: workflow commands are leveled, the rest is info; masks are dropped, they hold secrets. */
export function parseSayings(output: string): readonly Saying[] {
  return output.split('\n').flatMap((line): readonly Saying[] => {
    if (line === '' || line.startsWith('::add-mask::')) return []
    const [, level, text] = command.exec(line) ?? []
    if (level === undefined || text === undefined) return [{ level: 'info', text: line }]
    const plain = text.replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%')
    return [{ level: level === 'debug' || level === 'warning' || level === 'error' ? level : 'info', text: plain }]
  })
}
