import { type ClientAnswer, restoredPrefix, type Saying } from './protocol.ts'

/**
 * What a save came to. The client answers -1 for all but the first, and words every refused reservation alike
 * ("another job may be creating this cache"); only its debug line tells them apart.
 */
export type SaveVerdict =
  | { readonly kind: 'saved' }
  /** Somebody saved (or is saving) this key already. */
  | { readonly kind: 'exists' }
  | { readonly kind: 'read-only'; readonly reason: string }
  | { readonly kind: 'rate-limited'; readonly seconds: number }
  | { readonly kind: 'fault'; readonly reason: string }

/** What a restore came to. The client turns everything but a hit into "not found". */
export type RestoreVerdict =
  | { readonly kind: 'hit'; readonly key: string }
  | { readonly kind: 'miss' }
  | { readonly kind: 'denied'; readonly reason: string }
  | { readonly kind: 'rate-limited'; readonly seconds: number }
  | { readonly kind: 'fault'; readonly reason: string }

/** When the service does not say how long. */
const defaultWait = 30

export function judgeSave(answer: ClientAnswer): SaveVerdict {
  if (typeof answer.value === 'number' && answer.value >= 0) return { kind: 'saved' }
  const said = answer.said.map(({ text }) => text).join('\n')
  const denied =
    /cache write denied:[^\n]*/.exec(said)?.[0] ?? /effective cache-mode '[^']*' does not permit writes/.exec(said)?.[0]
  if (denied !== undefined) return { kind: 'read-only', reason: denied }
  if (/\(429\)|Rate limited/i.test(said)) return { kind: 'rate-limited', seconds: secondsTold(said) }
  if (/Failed to reserve cache:[^\n]*(\(409\)|already[ _]exists)/i.test(said)) return { kind: 'exists' }
  return { kind: 'fault', reason: trouble(answer) ?? 'the entry was not saved, and the client did not say why' }
}

/** @param newest whether an entry whose key only starts with `key` was wanted, too */
export function judgeRestore(answer: ClientAnswer, key: string, newest = false): RestoreVerdict {
  const found = answer.value
  if (typeof found === 'string' && (newest ? found.startsWith(key) : found === key)) return { kind: 'hit', key: found }
  if (answer.value !== undefined) return { kind: 'miss' }
  const said = answer.said.map(({ text }) => text).join('\n')
  const denied =
    /cache read denied:[^\n]*/.exec(said)?.[0] ?? /effective cache-mode '[^']*' does not permit reads/.exec(said)?.[0]
  if (denied !== undefined) return { kind: 'denied', reason: denied }
  if (/\(429\)|Rate limited/i.test(said)) return { kind: 'rate-limited', seconds: secondsTold(said) }
  const reason = trouble(answer)
  // Evicted between the look-up and the download.
  if (reason !== undefined && /BlobNotFound|\(404\)|status 404/.test(reason)) return { kind: 'miss' }
  return reason === undefined ? { kind: 'miss' } : { kind: 'fault', reason }
}

function secondsTold(said: string): number {
  const seconds = Number(/will reset in (\d+) seconds/.exec(said)?.[1])
  return Number.isFinite(seconds) ? seconds : defaultWait
}

/** The client's own words for what went wrong; undefined when nothing did. URLs lose their query: it is a signature. */
function trouble({ threw, said }: ClientAnswer): string | undefined {
  const bad = said.findLast(
    ({ level, text }) => level === 'error' || level === 'warning' || text.startsWith('Failed to'),
  )
  const words = threw ?? bad?.text.replace(/^Failed to (restore|save): /, '')
  return words?.replaceAll(/\?[^\s"']*/g, '')
}

/** Where the stand-in for tar put what was downloaded; only a file under `staging` is believed. */
export function restoredFile(said: readonly Saying[], staging: string): string | undefined {
  return said
    .filter(({ text }) => text.startsWith(restoredPrefix))
    .map(({ text }) => text.slice(restoredPrefix.length))
    .find((path) => path.startsWith(`${staging}/`) && !path.includes('/../'))
}
