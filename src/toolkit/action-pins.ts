/**
 * The actions of others that our workflows, and those that we write, use: each at one commit, whose tag is only shown. The
 * commit is what the tag was when it was put here (`git ls-remote https://github.com/actions/checkout refs/tags/v7.0.1`);
 * scripts/check-action-pins.ts asks again before every release.
 */
export const actionPins = {
  'actions/attest-build-provenance': { version: 'v4.1.1', commit: '0f67c3f4856b2e3261c31976d6725780e5e4c373' },
  'actions/checkout': { version: 'v7.0.1', commit: '3d3c42e5aac5ba805825da76410c181273ba90b1' },
} as const satisfies Readonly<Record<string, { readonly version: string; readonly commit: string }>>

/** What stands behind `uses:`, with the tag as a comment where those who update pins look for it. */
export function pinned(action: keyof typeof actionPins): string {
  const { version, commit } = actionPins[action]
  return `${action}@${commit} # ${version}`
}
