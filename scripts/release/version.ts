import { YoeError } from '#engine/errors.ts'

export interface Version {
  /** `v1.2.3`, `v1.2.3-rc.1`. */
  readonly tag: string
  /** The same without the `v`. */
  readonly number: string
  readonly prerelease: boolean
}

const pattern = /^v((?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2}(-[0-9A-Za-z]+(?:\.[0-9A-Za-z]+)*)?)$/

/** Reads a tag as releases have it. @throws {YoeError} USAGE */
export function parseVersion(tag: string): Version {
  const [, number, more] = pattern.exec(tag) ?? []
  if (number !== undefined) return { tag, number, prerelease: more !== undefined }
  throw new YoeError('USAGE', `${JSON.stringify(tag)} is no version`, { hint: 'write v1.2.3, or v1.2.3-rc.1' })
}

/**
 * The tag that moves with the releases of a major version: `v1`. It is left where it is by what only tries something out,
 * and by a mend of an older line.
 *
 * @param tags all tags of the repository
 */
export function floatingTag({ number, prerelease }: Version, tags: readonly string[]): string | undefined {
  if (prerelease) return undefined
  const mine = parts(number)
  const others = tags.flatMap((tag) => (/^v\d+\.\d+\.\d+$/.test(tag) ? [parts(tag.slice(1))] : []))
  const later = others.some((one) => one[0] === mine[0] && compare(one, mine) > 0)
  return later ? undefined : `v${mine[0]}`
}

const parts = (number: string): readonly number[] => number.split('.').map(Number)

function compare(a: readonly number[], b: readonly number[]): number {
  return a.map((part, index) => part - (b[index] ?? 0)).find((difference) => difference !== 0) ?? 0
}

/** What CHANGELOG.md says below `## 1.2.3`: the notes of the release. @throws {YoeError} USAGE when it says nothing */
export function changelogSection(changelog: string, { number }: Version): string {
  const sections = changelog.split(/^## /m).slice(1)
  const found = sections.find((text) => text.split(/\s/, 1)[0] === number)
  const notes = found?.split('\n').slice(1).join('\n').trim() ?? ''
  if (notes !== '') return notes
  throw new YoeError('USAGE', `CHANGELOG.md says nothing of ${number}`, {
    hint: `give what is new its heading: ## ${number}`,
  })
}
