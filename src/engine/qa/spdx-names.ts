import { nearest } from '../nearest.ts'

/** How people call licences, without case and punctuation, and the identifiers that they may mean. */
const called: readonly (readonly [says: RegExp, ...ids: readonly string[]])[] = [
  [/^(?:gnu)?(a|l)?gpl(?:licen[cs]e|version|v)*([123])(?:0|(1))?(only|plus|orlater|later)?$/],
  [/^(?:gnu)?(?:gpl|generalpubliclicen[cs]e)$/, 'GPL-2.0-or-later', 'GPL-3.0-or-later'],
  [/^(?:gnu)?lgpl$/, 'LGPL-2.1-or-later', 'LGPL-3.0-or-later'],
  [/^(?:the)?(?:mitx11|x11mit|expat|mitlicen[cs]e|mit)$/, 'MIT'],
  [/^(?:the)?(?:asl|apache)(?:licen[cs]e)?(?:version|v)?(?:20?)?$/, 'Apache-2.0'],
  [/^(?:new|modified|revised|3clause)?bsd(?:licen[cs]e|3|3clause)?$/, 'BSD-3-Clause', 'BSD-2-Clause'],
  [/^(?:simplified|freebsd|2clause)bsd$|^bsd2(?:clause)?$/, 'BSD-2-Clause'],
  [/^mpl(?:v|version)?(?:20?)?$/, 'MPL-2.0'],
  [/^(?:boost|bsl)(?:10?)?$/, 'BSL-1.0'],
  [/^(?:publicdomain|pd)$/, 'Unlicense', 'CC0-1.0', 'LicenseRef-Public-Domain'],
  [/^(?:proprietary|commercial|closed|unlicensed|none|private)$/, 'LicenseRef-Proprietary'],
]

/**
 * The SPDX identifiers that somebody may have meant by what is none, the likeliest first; none where nothing is like it.
 *
 * @param ids all identifiers that there are
 */
export function meantLicenses(text: string, ids: readonly string[]): readonly string[] {
  const plain = text
    .toLowerCase()
    .replaceAll('+', 'plus')
    .replaceAll(/[^a-z0-9]/g, '')
  const same = ids.find((id) => id.toLowerCase() === text.toLowerCase())
  if (same !== undefined) return [same]
  for (const [says, ...meant] of called) {
    const match = says.exec(plain)
    if (match === null) continue
    return meant.length > 0 ? meant : gnu(match)
  }
  return nearest(text, ids, Math.min(4, Math.floor(text.length / 3)))
}

/** GNU's identifiers say whether later versions are allowed, which their short names leave open. */
function gnu([, family = '', major, minor = '0', rest]: RegExpExecArray): readonly string[] {
  const id = `${family.toUpperCase()}GPL-${major}.${minor}`
  if (rest === undefined) return [`${id}-only`, `${id}-or-later`]
  return [rest === 'only' ? `${id}-only` : `${id}-or-later`]
}
