/**
 * The actions of others that our workflows, and those that we write, use: each at one commit, whose tag is only shown. The
 * commit is what the tag was when it was put here (`git ls-remote https://github.com/actions/checkout refs/tags/v7.0.1`);
 * scripts/check-action-pins.ts asks again before every release.
 */
export const actionPins = {
  'actions/attest-build-provenance': { version: 'v4.1.1', commit: '0f67c3f4856b2e3261c31976d6725780e5e4c373' },
  'actions/checkout': { version: 'v7.0.1', commit: '3d3c42e5aac5ba805825da76410c181273ba90b1' },
  'actions/download-artifact': { version: 'v8.0.1', commit: '3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c' },
  'actions/setup-node': { version: 'v7.0.0', commit: '820762786026740c76f36085b0efc47a31fe5020' },
  'actions/upload-artifact': { version: 'v7.0.1', commit: '043fb46d1a93c77aae656e7c1c64a875d1fc6a0a' },
} as const satisfies Readonly<Record<string, { readonly version: string; readonly commit: string }>>

/** What stands behind `uses:`, with the tag as a comment where those who update pins look for it. */
export function pinned(action: keyof typeof actionPins): string {
  const { version, commit } = actionPins[action]
  return `${action}@${commit} # ${version}`
}
