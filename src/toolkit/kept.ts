import { createHash } from 'node:crypto'

/**
 * Texts that are kept between runs to save time: a digest of the rest on the first line, so that what is torn, damaged or
 * not ours is told from what was kept.
 */
export function sealKept(body: string): string {
  return `${digest(body)}\n${body}`
}

/** What was sealed; undefined when it is not whole. */
export function openKept(text: string): string | undefined {
  const end = text.indexOf('\n')
  const body = text.slice(end + 1)
  return text.slice(0, Math.max(0, end)) === digest(body) ? body : undefined
}

function digest(body: string): string {
  return createHash('sha256').update('yoe-kept/1\n').update(body).digest('hex')
}
