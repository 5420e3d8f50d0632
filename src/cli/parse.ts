import { parseArgs } from 'node:util'
import { YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { Options } from './command.ts'

type ParsedValues = Record<string, string | boolean | readonly string[] | undefined>

/** Reads a command's arguments by its table of options. @throws {YoeError} USAGE */
export function parse(
  name: string,
  options: Options,
  argv: readonly string[],
): { values: never; positionals: readonly string[] } {
  try {
    const parsed = parseArgs({ args: [...argv], options: forParser(options), allowPositionals: true, strict: true })
    const values: ParsedValues = {}
    for (const [key, option] of Object.entries(options)) {
      const given = parsed.values[key]
      values[key] =
        option.type === 'boolean'
          ? given === true
          : option.multiple === true
            ? Array.isArray(given)
              ? given.map(String)
              : []
            : given === undefined
              ? undefined
              : String(given)
    }
    // parseArgs checked every value against the same table that the command's types come from.
    return { values: values as never, positionals: parsed.positionals }
  } catch (failure) {
    const text = failure instanceof Error ? failure.message : String(failure)
    const unknown = /^Unknown option '--?([^']+)'/.exec(text)?.[1]
    if (unknown !== undefined) {
      throw new YoeError('USAGE', `yoe ${name} has no option --${unknown}`, {
        hint:
          didYouMean(
            `--${unknown}`,
            Object.keys(options).map((known) => `--${known}`),
          ) ?? `yoe ${name} --help lists its options`,
      })
    }
    const named = /'(?:-\w, )?(--[\w-]+)/.exec(text)?.[1] ?? 'an option'
    const problem = /does not take an argument/.test(text) ? `${named} takes no value` : `${named} needs a value`
    throw new YoeError('USAGE', `yoe ${name}: ${problem}`, { hint: `yoe ${name} --help explains its options` })
  }
}

function forParser(
  options: Options,
): Record<string, { type: 'string' | 'boolean'; short?: string; multiple?: boolean }> {
  return Object.fromEntries(
    Object.entries(options).map(([key, { type, short, multiple }]) => [
      key,
      { type, ...(short === undefined ? {} : { short }), ...(multiple === undefined ? {} : { multiple }) },
    ]),
  )
}

/** `1 argument`, `at least 2 arguments`, `0 to 3 arguments`. */
export function count(least: number, most: number): string {
  const words = (n: number): string => `${n === 0 ? 'no' : n} ${n === 1 ? 'argument' : 'arguments'}`
  if (least === most) return words(least)
  return most === Number.POSITIVE_INFINITY ? `at least ${words(least)}` : `${least} to ${words(most)}`
}
