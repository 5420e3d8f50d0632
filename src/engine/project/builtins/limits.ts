import { isLimitName, limitNames, readLimit } from '../../build/limits.ts'
import type { Limits } from '../../build/worker.ts'
import { didYouMean } from '../../nearest.ts'
import type { Reader } from '../readers.ts'
import { dict, either, integer, Mismatch, text } from '../readers.ts'

const read = dict(text, either(text, integer(0, Number.MAX_SAFE_INTEGER)))

/** `limits`: `{"time": "8h", "memory": "32G"}`. */
export const limits: Reader<Partial<Limits>> = (value) => {
  const found = Object.entries(read(value)).map(([name, amount]) => {
    if (!isLimitName(name)) {
      const meant = didYouMean(name, limitNames) ?? `there are ${limitNames.join(', ')}`
      throw new Mismatch(`has ${JSON.stringify(name)}, which is no limit; ${meant}`)
    }
    const limit = readLimit(name, amount)
    if (typeof limit === 'string') throw new Mismatch(`must be ${limit}`, `[${JSON.stringify(name)}]`)
    return limit
  })
  return Object.assign({}, ...found)
}
