import { type Position, YoeError, YoeErrors } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { Json } from '#engine/project/model.ts'

/** What the arguments of a builtin mean, or every error in them. */
export type Checked<T> =
  | { readonly ok: true; readonly options: T }
  | { readonly ok: false; readonly errors: readonly YoeError[] }

/** The options of a declaration that was checked when it was made. @throws {YoeErrors} when they are wrong all the same */
export function soundOptions<T>(checked: Checked<T>): T {
  if (!checked.ok) throw new YoeErrors(checked.errors)
  return checked.options
}

/** A plain name. */
export const word = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$/

/** Reads the arguments of a builtin that declares a feed; what is wrong with them is collected. */
export class FeedFields {
  readonly errors: YoeError[] = []
  readonly #called: string
  readonly #given: Readonly<Record<string, Json>>
  readonly #at: Position

  /**
   * @param called `apt_feed`
   * @param fields all that it has
   * @param at where the call is, for the errors
   */
  constructor(called: string, fields: readonly string[], given: Readonly<Record<string, Json>>, at: Position) {
    this.#called = called
    this.#given = given
    this.#at = at
    for (const field of Object.keys(given)) {
      if (fields.includes(field)) continue
      const hint = didYouMean(field, fields, 2) ?? `its fields are: ${fields.join(', ')}`
      this.errors.push(new YoeError('UNKNOWN_FIELD', `${called}() has no field "${field}"`, { at, hint }))
    }
  }

  bad(message: string, hint?: string): undefined {
    this.errors.push(new YoeError('BAD_FIELD', `${this.#called}(): ${message}`, { at: this.#at, hint }))
    return undefined
  }

  value(field: string): Json | undefined {
    return this.#given[field] ?? undefined
  }

  /** @param says what it must be: "a plain name" */
  text(field: string, pattern: RegExp, says: string): string | undefined {
    const found = this.value(field)
    if (found === undefined) return undefined
    if (typeof found === 'string' && pattern.test(found)) return found
    return this.bad(`${field} must be ${says}, not ${JSON.stringify(found)}`)
  }

  /** A list that has something, and nothing twice. @param says what its items must be: "plain names" */
  texts(field: string, pattern: RegExp, says: string): readonly string[] | undefined {
    const found = this.value(field)
    if (found === undefined) return undefined
    const list: readonly Json[] = Array.isArray(found) ? found : [null]
    const good = list.filter((item): item is string => typeof item === 'string' && pattern.test(item))
    if (good.length === 0 || good.length !== list.length)
      return this.bad(`${field} must be a list of ${says}, not ${JSON.stringify(found)}`)
    if (new Set(good).size !== good.length) return this.bad(`${field} names something twice`)
    return good
  }

  /** What was read of a field that must be there. */
  need<T>(field: string, found: T | undefined, example: Json): T | undefined {
    if (this.value(field) === undefined) this.bad(`${field} is missing`, `add ${field} = ${JSON.stringify(example)}`)
    return found
  }

  /** An address where files are asked for, without a slash at the end. @param field as an error calls it */
  address(field: string, found: Json | undefined): string | undefined {
    if (found === undefined) return undefined
    if (typeof found === 'string' && isAddress(found)) return found.replace(/\/+$/, '')
    return this.bad(
      `${field} must be an http, https or file address without user name or query, not ${JSON.stringify(found)}`,
    )
  }

  /** `max_age_days`: how old an index may be before it is refused. */
  maxAgeDays(): number | undefined {
    const found = this.value('max_age_days')
    if (found === undefined) return undefined
    if (typeof found === 'number' && Number.isInteger(found) && found > 0 && found <= 36_500) return found
    return this.bad(`max_age_days must be a whole number of days, not ${JSON.stringify(found)}`)
  }
}

function isAddress(text: string): boolean {
  if (!/^(?:https?|file):\/\//.test(text) || !/^[\x21-\x7e]+$/.test(text) || !URL.canParse(text)) return false
  const { username, password, search, hash } = new URL(text)
  return username === '' && password === '' && search === '' && hash === ''
}
