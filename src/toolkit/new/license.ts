/** What only the text of a licence has, in words without line breaks; of several in one file the first counts. */
const texts: readonly (readonly [id: string, ...phrases: readonly RegExp[]])[] = [
  ['AGPL-3.0', /gnu affero general public license version 3/],
  ['LGPL-3.0', /gnu lesser general public license version 3/],
  ['LGPL-2.1', /gnu lesser general public license version 2\.1/],
  ['LGPL-2.0', /gnu library general public license version 2/],
  ['GPL-3.0', /gnu general public license version 3/],
  ['GPL-2.0', /gnu general public license version 2/],
  ['Apache-2.0', /apache license version 2\.0/],
  ['MPL-2.0', /mozilla public license version 2\.0/],
  ['BSL-1.0', /boost software license - version 1\.0/],
  ['Unlicense', /this is free and unencumbered software released into the public domain/],
  ['CC0-1.0', /creative commons (legal code )?cc0 1\.0 universal|cc0 1\.0 universal/],
  ['Zlib', /the origin of this software must not be misrepresented/, /altered source versions must be plainly marked/],
  [
    'BSD-3-Clause',
    /redistribution and use in source and binary forms/,
    /neither the name|may not be used to endorse|nor the names of/,
  ],
  ['BSD-2-Clause', /redistribution and use in source and binary forms/],
  [
    'curl',
    /permission to use copy modify and distribute this software for any purpose with or without fee/,
    /except as contained in this notice the name of a copyright holder/,
  ],
  ['ISC', /permission to use copy modify and\/?(or)? distribute this software for any purpose with or without fee/],
  ['MIT', /permission is hereby granted free of charge to any person obtaining a copy/],
]

/** Those that mean another thing when the sources allow later versions. */
const versioned = /^(A|L)?GPL-/

/**
 * The SPDX id of a licence text; undefined when it is none of the common ones.
 * @param laterAllowed whether source files say "or any later version"
 */
export function licenseOf(text: string, laterAllowed: boolean): string | undefined {
  const plain = text.toLowerCase().replaceAll(/[\s"*#,]+/g, ' ')
  const fits = texts.filter(([, ...phrases]) => phrases.every((phrase) => phrase.test(plain)))
  const where = ([, phrase]: (typeof texts)[number]): number => plain.search(phrase ?? /^/)
  const found = fits.toSorted((a, b) => where(a) - where(b))[0]?.[0]
  if (found === undefined || !versioned.test(found)) return found
  return `${found}-${laterAllowed ? 'or-later' : 'only'}`
}

/** Whether the head of a source file allows later versions of its licence. */
export function allowsLater(text: string): boolean {
  return /(or|\()\s*\(?at your option\)?,?\s*any later version|any later version|-or-later/i.test(
    text.slice(0, 5000).replaceAll(/[\s*#/]+/g, ' '),
  )
}
