import { userErrors, YoeError } from '../../errors.ts'
import type { NamedKey } from '../../store/named-keys.ts'
import { distinctKeys, parseKeyFile, parseNamedKey } from '../../store/named-keys.ts'
import { placeLabel } from '../place.ts'
import type { Context, Invocation } from './builtin.ts'
import { existing } from './task.ts'

/**
 * The keys that `signing` of a cache names: keys themselves, or files of the project with one on each line.
 *
 * @returns undefined when the declarations tell what is wrong
 */
export function signingKeys(
  texts: readonly string[],
  invocation: Invocation,
  context: Context,
): readonly NamedKey[] | undefined {
  const { declarations } = context
  const keys: NamedKey[] = []
  const before = declarations.errors.length
  for (const text of texts) {
    try {
      keys.push(
        ...(text.startsWith('ed25519') ? [parseNamedKey(text, invocation.at)] : fromFile(text, invocation, context)),
      )
    } catch (failure) {
      const errors = userErrors(failure)
      if (errors === undefined) throw failure
      declarations.errors.push(...errors)
    }
  }
  if (declarations.errors.length > before) return undefined
  try {
    return distinctKeys(keys)
  } catch (failure) {
    if (!(failure instanceof YoeError)) throw failure
    declarations.errors.push(failure)
    return undefined
  }
}

function fromFile(path: string, invocation: Invocation, context: Context): readonly NamedKey[] {
  const place = existing(path, invocation.calledFrom, 'file', invocation, context)
  if (place === undefined) return []
  if (place.module !== '')
    throw new YoeError(
      'BAD_FIELD',
      `cache(): signing must name files of the project itself, not ${placeLabel(place)}`,
      {
        at: invocation.at,
      },
    )
  return parseKeyFile(Buffer.from(context.files.read(place)).toString('utf8'), placeLabel(place))
}
