/** One try of one address that came to nothing. */
export class Trouble extends Error {
  /** Whether the same address may do better: at once (a number of milliseconds to wait), after the usual pause, or not at all. */
  readonly retry: boolean | number
  /**
   * `unreachable`: there was no talking to the server at all. `part`: it won't go on with a part that is there already.
   * `absent`: there is no such thing.
   */
  readonly about: 'unreachable' | 'part' | 'absent' | undefined

  constructor(reason: string, retry: boolean | number, about?: Trouble['about']) {
    super(reason)
    this.retry = retry
    this.about = about
  }
}

export function seconds(ms: number): string {
  return `${ms / 1000} s`
}
