import { parseImage } from './reference.ts'

/** A `FROM` whose base is not a stage of the same file. */
export interface Base {
  /** As it stands in the file: `yoe/tools`, `debian:13`. */
  readonly from: string
  /** The name of the unit that it means: `tools`, or the reference of an image of a registry. */
  readonly container: string
}

/** Why a Dockerfile can't be used. */
export interface DockerfileFault {
  /** 1-based. */
  readonly line: number
  readonly message: string
  readonly hint: string
}

interface Instruction {
  readonly line: number
  readonly keyword: string
  readonly rest: string
}

const ownPrefix = 'yoe/'
const fromFlag = /--from=(?:"([^"]*)"|'([^']*)'|(\S+))/i

/**
 * The images that a Dockerfile is built on: containers of the project (`FROM yoe/NAME`) or images of a registry with a
 * tag or a digest; `scratch` and its own stages are none.
 *
 * @see https://docs.docker.com/reference/dockerfile, FROM, COPY --from
 */
export function basesOf(text: string): {
  readonly bases: readonly Base[]
  readonly faults: readonly DockerfileFault[]
} {
  const bases = new Map<string, Base>()
  const faults: DockerfileFault[] = []
  const stages = new Set<string>()
  let count = 0
  const add = ({ line }: Instruction, from: string): void => {
    const fault = (message: string, hint: string): unknown => faults.push({ line, message, hint })
    if (from.includes('$')) {
      fault(`the base ${from} is a variable`, 'write the image itself: yoe.lock keeps what it means')
      return
    }
    const own = from.startsWith(ownPrefix) ? from.slice(ownPrefix.length) : undefined
    if (own !== undefined && /^[a-z0-9][a-z0-9+.-]{1,99}$/.test(own)) bases.set(from, { from, container: own })
    else if (parseImage(from) !== undefined) bases.set(from, { from, container: from })
    else
      fault(
        `the base ${from} has neither a tag nor a digest`,
        `FROM ${from}:TAG, or FROM yoe/NAME for a container of this project`,
      )
  }
  for (const instruction of instructions(text)) {
    const { keyword, rest } = instruction
    if (keyword === 'FROM') {
      const [, from = '', stage] = /^(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?\s*$/i.exec(rest) ?? []
      if (from === '') faults.push({ line: instruction.line, message: 'FROM names no image', hint: 'FROM debian:13' })
      else if (from !== 'scratch' && !stages.has(from.toLowerCase())) add(instruction, from)
      if (stage !== undefined) stages.add(stage.toLowerCase())
      stages.add(String(count++))
    } else if (keyword === 'COPY' || keyword === 'ADD') {
      const [, a, b, c] = fromFlag.exec(rest) ?? []
      const from = a ?? b ?? c
      if (from !== undefined && !stages.has(from.toLowerCase())) add(instruction, from)
    }
    if (/^(RUN|COPY|ADD)$/.test(keyword) && /<<-?["']?[A-Za-z_]/.test(rest))
      faults.push({
        line: instruction.line,
        message: `${keyword} has a here-document, which needs BuildKit`,
        hint: 'join commands by && and \\',
      })
    if (keyword === 'ADD' && /(^|\s|["'])(https?|git|ssh):\/\//i.test(rest))
      faults.push({
        line: instruction.line,
        message: 'ADD fetches from an address, and nothing says what it must get',
        hint: 'RUN a download that checks a sha256, or put the file beside the Dockerfile',
      })
  }
  if (count === 0)
    faults.push({ line: 1, message: 'it has no FROM', hint: 'begin it with FROM debian:13, or FROM yoe/NAME' })
  return { bases: [...bases.values()], faults }
}

/**
 * The Dockerfile with other images for its bases, one instruction a line.
 * @param imageOf undefined leaves a name as it is: a stage of the file, or `scratch`
 */
export function withBases(text: string, imageOf: (from: string) => string | undefined): string {
  const lines = [...instructions(text)].map(({ keyword, rest }) => {
    if (keyword === 'FROM') {
      const [, flags = '', from = '', more = ''] = /^((?:--\S+\s+)*)(\S+)(.*)$/s.exec(rest) ?? []
      return `FROM ${flags}${imageOf(from) ?? from}${more}`
    }
    const copy = keyword === 'COPY' || keyword === 'ADD' ? fromFlag.exec(rest) : null
    const image = copy === null ? undefined : imageOf(copy[1] ?? copy[2] ?? copy[3] ?? '')
    return `${keyword} ${image === undefined ? rest : rest.replace(fromFlag, () => `--from=${image}`)}`
  })
  return [...(escapeOf(text) === '`' ? ['# escape=`'] : []), ...lines, ''].join('\n')
}

/** A parser directive at the top can make the escape another character. */
function escapeOf(text: string): string {
  for (const line of text.split(/\r?\n/)) {
    if (!/^#\s*[A-Za-z]+\s*=/.test(line)) return '\\'
    if (/^#\s*escape\s*=\s*`\s*$/i.test(line)) return '`'
  }
  return '\\'
}

/** Instructions, comments left out and continued lines joined; the first line of each. */
function* instructions(text: string): Generator<Instruction> {
  const lines = text.split(/\r?\n/)
  const escaping = escapeOf(text)
  let open: { line: number; text: string } | undefined
  for (const [index, line] of lines.entries()) {
    if (/^\s*#/.test(line) || (open !== undefined && line.trim() === '')) continue
    const text: string = (open?.text ?? '') + line
    const at = open?.line ?? index + 1
    const cut = text.trimEnd()
    if (cut.endsWith(escaping)) {
      open = { line: at, text: cut.slice(0, -1) }
      continue
    }
    open = undefined
    const [, keyword = '', rest = ''] = /^\s*([A-Za-z]+)\s+(.*)$/s.exec(text) ?? []
    if (keyword !== '') yield { line: at, keyword: keyword.toUpperCase(), rest: rest.trim() }
  }
}
