import { closeSync, constants, fsyncSync, mkdirSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { YoeError } from '../errors.ts'

/** Longer lines are broken: nobody reads them, and something would have to hold them. */
const longest = 16 * 1024

/**
 * Control characters but tab; C1; what turns text around, hides it or ends a line in some reader's eyes: soft hyphen,
 * Arabic letter mark, zero-width and bidirectional controls, line separators, byte order mark, tags.
 */
const unsafe =
  '\\x00-\\x08\\x0a-\\x1f\\x7f-\\x9f\\xad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb\\u{e0000}-\\u{e007f}'

/** CSI; then OSC, DCS, SOS, PM and APC with what they carry; then the two-character sequences; then a lone character. */
const misleading = new RegExp(
  [
    '(?:\\x1b\\[|\\x9b)[0-?]*[ -\\/]*[@-~]',
    '(?:\\x1b[\\]PX^_]|[\\x90\\x98\\x9d-\\x9f])[^\\x07\\x1b\\x9c\\n]*(?:\\x07|\\x1b\\\\|\\x9c)?',
    '\\x1b[ -\\/]*[0-~]',
    `(?<lone>[${unsafe}])`,
  ].join('|'),
  'gu',
)

/** What a text must lack to need no look at its lines. */
const suspicious = new RegExp(`[${unsafe.replace('\\x0a-', '\\x0b-')}]`, 'u')

/** Colours and weights that a build may use; neither blinking nor concealed. */
const sgr =
  /^\x1b\[(?:(?:[0-4]|7|9|2[1-9]|3[0-79]|4[0-79]|9[0-7]|10[0-7]|[34]8;5;\d{1,3}|[34]8;2;\d{1,3};\d{1,3};\d{1,3})(?:;|(?=m)))*m$/

/**
 * One line of build output, fit to be shown: escape sequences are dropped, any other character that a terminal or an
 * eye could be misled by is written out as `\x07` or `\u{202e}`.
 *
 * @param line without its end; bytes are UTF-8
 * @param colour keeps colours, and ends them at the end of the line
 */
export function cleanLine(line: Uint8Array | string, colour = false): string {
  const text = typeof line === 'string' ? line : Buffer.from(line).toString('utf8')
  if (!suspicious.test(text) && !text.includes('\n')) return text
  let coloured = false
  const clean = text.replace(misleading, (found: string, lone: string | undefined) => {
    if (lone === undefined) {
      if (!colour || !sgr.test(found)) return ''
      coloured = true
      return found
    }
    const code = lone.codePointAt(0) ?? 0
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
  })
  return coloured ? `${clean}\x1b[0m` : clean
}

/** Colours, and characters without a shape of their own: what may stand within a command unseen. */
const unseen = String.raw`\x1b\[[0-9;]*m|[^\p{L}\p{N}\p{P}\p{S}\p{Zs}\t]`
const colonCommand = new RegExp(`^((?:${unseen}|\\p{Zs}|\\t)*):((?:${unseen})*:)`, 'u')
const hashCommand = new RegExp(`#((?:${unseen})*#(?:${unseen})*\\[)`, 'gu')

/**
 * A line that says the same to people and nothing to the runner of GitHub Actions, which looks for `::command` where a
 * line begins, Unicode space trimmed, and for `##[command]` anywhere, and compares by culture, so that characters
 * without a shape do not count.
 *
 * @param line without a bare CR, which the runner takes for a line's end
 * @see actions/runner src/Runner.Common/ActionCommand.cs
 */
export function neutralise(line: string): string {
  return line.replace(colonCommand, '$1: $2').replaceAll(hashCommand, '# $1')
}

/** Turns the bytes of a run, as they come, into clean lines. */
export interface Cleaner {
  push(chunk: Uint8Array): void
  /** Emits what is left of an unfinished line. */
  end(): void
}

/** Found by looking for a line's end in each stride, not at each line: most output is harmless, and there is much of it. */
function linesAreShort(text: string): boolean {
  for (let at = 0; text.length - at > longest; ) {
    const end = text.lastIndexOf('\n', at + longest)
    if (end < at) return false
    at = end + 1
  }
  return true
}

/**
 * @param emit whole clean lines, each with its `\n`; several at a time. A bare CR ends a line too: a progress bar shows
 *   its steps, and hides nothing.
 */
export function cleaner(emit: (text: string) => void): Cleaner {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  const take = (text: string, last: boolean): void => {
    // A CR at the very end may be half of a CRLF.
    const held = !last && text.endsWith('\r') ? 1 : 0
    const end = Math.max(text.lastIndexOf('\n'), text.lastIndexOf('\r', text.length - 1 - held)) + 1
    let cut = last ? text.length : Math.min(end, text.length - held)
    if (text.length - cut > longest) cut = text.length - held
    const whole = text.slice(0, cut)
    rest = text.slice(cut)
    if (whole === '') return
    if (!suspicious.test(whole) && linesAreShort(whole)) {
      emit(whole.endsWith('\n') ? whole : `${whole}\n`)
      return
    }
    const out: string[] = []
    for (const line of suspicious.test(whole) ? whole.split(/\r*\n|\r+/) : whole.split('\n'))
      for (let at = 0; at === 0 || at < line.length; at += longest) out.push(cleanLine(line.slice(at, at + longest)))
    if (/[\r\n]$/.test(whole)) out.pop()
    emit(`${out.join('\n')}\n`)
  }
  return {
    push: (chunk) => take(rest + decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)), false),
    end: () => take(rest + decoder.end(), true),
  }
}

const tailBytes = 64 * 1024

/** How the line begins that stands in a log where something was dropped. */
export const dropNote = '\n[yoe: '

/**
 * A unit's log on disk, bounded: of a longer one the first and the last half of `keepBytes` stay, with a line between
 * them that says what was dropped. Memory does not grow with it. What is written is there at once, so that a build
 * that is killed leaves it (its last half then not yet in order).
 */
export class LogFile {
  readonly path: string
  readonly #half: number
  readonly #fd: number
  #written = 0
  #recent = ''
  #failure: unknown

  /** @param keepBytes at least 2; opens, and empties, `path`, making its folder */
  constructor(path: string, keepBytes: number) {
    this.path = path
    this.#half = Math.floor(keepBytes / 2)
    mkdirSync(dirname(path), { recursive: true })
    // Not through a link that is there already.
    rmSync(path, { force: true })
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o644)
  }

  /** Never throws, since it is called from inside a run: a full disk is told by {@link close}. */
  write(text: string): void {
    this.#recent = (this.#recent + text).slice(-tailBytes)
    if (this.#failure !== undefined) return
    try {
      let bytes = Buffer.from(text)
      while (bytes.length > 0) {
        const place = this.#place()
        const part = bytes.subarray(0, place.room)
        let done = 0
        while (done < part.length) done += writeSync(this.#fd, part, done, part.length - done, place.at + done)
        this.#written += part.length
        bytes = bytes.subarray(part.length)
      }
    } catch (failure) {
      this.#failure = failure
    }
  }

  /** Where the next byte goes, and how many fit there: the second half is written round and round. */
  #place(): { at: number; room: number } {
    if (this.#written < this.#half) return { at: this.#written, room: this.#half - this.#written }
    const round = (this.#written - this.#half) % this.#half
    return { at: this.#half + round, room: this.#half - round }
  }

  /** Bytes that no longer are in the file. */
  get dropped(): number {
    return Math.max(0, this.#written - 2 * this.#half)
  }

  /** The last `count` lines, oldest first, as far as 64 KiB reach. */
  tail(count: number): readonly string[] {
    const lines = this.#recent.split('\n')
    if (lines.at(-1) === '') lines.pop()
    return lines.slice(-count)
  }

  /** @throws {YoeError} DISK_FULL, PERMISSION when not all could be written */
  close(): void {
    try {
      if (this.#failure === undefined && this.dropped > 0) this.#unwind()
    } catch (failure) {
      this.#failure = failure
    } finally {
      closeSync(this.#fd)
    }
    if (this.#failure === undefined) return
    const full = this.#failure instanceof Error && 'code' in this.#failure && this.#failure.code === 'ENOSPC'
    throw new YoeError(full ? 'DISK_FULL' : 'PERMISSION', `the log ${this.path} can't be written`, {
      cause: this.#failure,
      ...(full ? { hint: 'free some space, then run the same command again' } : {}),
    })
  }

  /** Puts the round half in order, beside the file and then over it. */
  #unwind(): void {
    const { at } = this.#place()
    const end = 2 * this.#half
    const temp = `${this.path}.tmp`
    const out = openSync(temp, 'w', 0o644)
    try {
      this.#copy(out, 0, this.#half)
      writeSync(out, `${dropNote}${this.dropped} bytes of this log were dropped here]\n`)
      this.#copy(out, at, end)
      this.#copy(out, this.#half, at)
      fsyncSync(out)
    } catch (failure) {
      rmSync(temp, { force: true })
      throw failure
    } finally {
      closeSync(out)
    }
    renameSync(temp, this.path)
  }

  #copy(out: number, from: number, to: number): void {
    const buffer = Buffer.alloc(256 * 1024)
    for (let at = from; at < to; ) {
      const read = readSync(this.#fd, buffer, 0, Math.min(buffer.length, to - at), at)
      if (read === 0) return
      writeSync(out, buffer, 0, read)
      at += read
    }
  }
}
