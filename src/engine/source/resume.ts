import type { IncomingMessage } from 'node:http'
import { Trouble } from './trouble.ts'

/** Where a broken-off download stands. */
export interface Resume {
  /** Bytes that are there. */
  readonly offset: number
  /** What If-Range takes; undefined: whoever verifies the whole decides. */
  readonly validator: string | undefined
}

/** Where the bytes of an answer belong. */
export interface Place {
  /** Of the first one: not 0 when a download goes on. */
  readonly offset: number
  /** Of the whole file where the server says it; undefined: its end shows when the last byte has come. */
  readonly size: number | undefined
  /** What If-Range takes to go on later; undefined when the server gives nothing that is sure. */
  readonly validator: string | undefined
}

/** Asks for what is missing; for the whole if the file is another one by now. */
export function rangeHeaders({ offset, validator }: Resume): Record<string, string> {
  if (offset === 0) return {}
  return { range: `bytes=${offset}-`, ...(validator === undefined ? {} : { 'if-range': validator }) }
}

/**
 * Reads a good answer, or one that says that there is no more (416).
 * @throws {Trouble} when it is another part than was asked for
 */
export function placeOf({ headers, statusCode: status = 0 }: IncomingMessage, resume: Resume): Place {
  if (status === 416 && resume.offset > 0) throw new Trouble('has no further part (HTTP 416)', 0, 'part')
  const etag = headers.etag
  // Only a strong tag promises the same bytes; dates have a second's resolution.
  const sure = etag?.startsWith('"') === true && headers['content-encoding'] === undefined
  const validator = sure ? etag : undefined
  if (status !== 206) {
    const size = headers['content-length'] === undefined ? undefined : Number(headers['content-length'])
    return { offset: 0, size, validator }
  }
  if (resume.offset === 0) throw new Trouble('sent a part (HTTP 206) although the whole was asked for', false)
  const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers['content-range'] ?? '')
  if (range === null || Number(range[1]) !== resume.offset)
    throw new Trouble('sent another part (HTTP 206) than was asked for', 0, 'part')
  const size = range[3] === undefined || range[3] === '*' ? undefined : Number(range[3])
  return { offset: resume.offset, size, validator }
}
