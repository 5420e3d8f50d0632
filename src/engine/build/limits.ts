import { sizeInBytes } from '../project/scalars.ts'
import type { Limits } from './worker.ts'

interface Word {
  readonly field: keyof Limits
  /** `time`: "90m" or seconds; `size`: "32G" or bytes; `count`: a number. */
  readonly kind: 'time' | 'size' | 'count'
  readonly least: number
  readonly most: number
}

const mebibyte = 2 ** 20
/** What a timer of Node can wait for. */
const longest = 24 * 24 * 3600
const size = (field: keyof Limits, least: number): Word => ({ field, kind: 'size', least, most: 2 ** 50 })

/** What `limits = {…}` of a unit and of local.star may hold, and which limit each is. */
export const limitWords = {
  time: { field: 'wallSeconds', kind: 'time', least: 1, most: longest },
  silence: { field: 'silenceSeconds', kind: 'time', least: 1, most: longest },
  processes: { field: 'processes', kind: 'count', least: 16, most: 2 ** 22 },
  memory: size('memoryBytes', 64 * mebibyte),
  file: size('fileBytes', mebibyte),
  tmp_files: { field: 'scratchEntries', kind: 'count', least: 16, most: 2 ** 30 },
  output: size('outputBytes', mebibyte),
  log: size('logBytes', mebibyte),
} as const satisfies Readonly<Record<string, Word>>

export type LimitName = keyof typeof limitWords

const wordOf = (name: LimitName): Word => limitWords[name]

export const limitNames: readonly string[] = Object.keys(limitWords)

export const isLimitName = (text: string): text is LimitName => Object.hasOwn(limitWords, text)

const seconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 24 * 3600 }

/** @returns what it becomes in {@link Limits}, or what it must be: `a time such as "8h"` */
export function readLimit(name: LimitName, value: unknown): Partial<Limits> | string {
  const word = wordOf(name)
  const found = amount(word, value)
  if (found !== undefined && found >= word.least && found <= word.most) return { [word.field]: found }
  const example = {
    time: 'a time such as "90m" or "8h"',
    size: 'a size such as "512M" or "32G"',
    count: 'a whole number',
  }
  return `${example[word.kind]}, from ${written(word, word.least)} to ${written(word, word.most)}`
}

function amount({ kind }: Word, value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined
  if (typeof value !== 'string') return undefined
  if (kind === 'size') return sizeInBytes(value)
  const [, count, unit] = (kind === 'time' ? /^([0-9]{1,9})([smhd])$/ : /^([0-9]{1,12})()$/).exec(value) ?? []
  return count === undefined ? undefined : Number(count) * (seconds[unit ?? ''] ?? 1)
}

/** As a file writes it: `8h`, `32G`, `1024`. */
function written({ kind }: Pick<Word, 'kind'>, value: number): string {
  if (kind === 'count') return String(value)
  const units =
    kind === 'time'
      ? ([
          ['d', 86_400],
          ['h', 3600],
          ['m', 60],
          ['s', 1],
        ] as const)
      : ([
          ['T', 2 ** 40],
          ['G', 2 ** 30],
          ['M', 2 ** 20],
          ['K', 2 ** 10],
          ['', 1],
        ] as const)
  const [letter, of] = units.find(([, each]) => value % each === 0) ?? ['', 1]
  return `${value / of}${letter}`
}

/** All that is set, as a dict of a file holds it: `{"memory": "32G", "time": "8h"}`. */
export function limitTexts(limits: Partial<Limits>): Readonly<Record<string, string | number>> {
  const entries = Object.keys(limitWords)
    .filter(isLimitName)
    .flatMap((name) => {
      const word = wordOf(name)
      const value = limits[word.field]
      return value === undefined ? [] : [[name, word.kind === 'count' ? value : written(word, value)] as const]
    })
  return Object.fromEntries(entries)
}

/** Who said what holds for a unit, the last first. */
export interface LimitSources {
  readonly unit: Partial<Limits>
  /** Of local.star: this machine's, over what units say. */
  readonly local: Partial<Limits>
}

/** What to write so that a limit that was crossed is twice as much. */
export function raiseLimit(crossed: LimitName, held: Limits, { unit, local }: LimitSources): string {
  const word = wordOf(crossed)
  const more = { [word.field]: Math.min(2 * held[word.field], word.most) }
  if (local[word.field] === undefined) {
    const texts = Object.entries(limitTexts({ ...unit, ...more }))
    const dict = texts.map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`).join(', ')
    return `to allow more, write limits = {${dict}} in its unit(…)`
  }
  const texts = Object.entries(limitTexts({ ...local, ...more }))
  return `local.star allows no more: yoe config set limits ${texts.map(([name, value]) => `${name}=${value}`).join(',')}`
}
