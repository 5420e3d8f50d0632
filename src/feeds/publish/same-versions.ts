import type { Reporter } from '#engine/events.ts'

/** A device compares versions, not bytes: it keeps what it has. @param contentOf what stands for a package's bytes */
export function warnOfSameVersions<E extends { readonly name: string; readonly version: string }>(
  report: Reporter,
  old: readonly E[],
  added: readonly E[],
  contentOf: (entry: E) => string,
): void {
  const known = new Map(old.map((entry) => [`${entry.name} ${entry.version}`, contentOf(entry)]))
  const changed = added
    .map((entry) => ({ what: `${entry.name} ${entry.version}`, content: contentOf(entry) }))
    .filter(({ what, content }) => (known.get(what) ?? content) !== content)
    .map(({ what }) => what)
  if (changed.length === 0) return
  const shown = changed.slice(0, 5).join(', ') + (changed.length > 5 ? `, and ${changed.length - 5} more` : '')
  report({
    type: 'warning',
    message: `published before with other content: ${shown}; devices that have that version keep it`,
    hint: "raise the unit's release to bring what changed to devices: release = 1",
  })
}
