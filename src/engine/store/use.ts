import { statSync, utimesSync } from 'node:fs'

/** Nobody needs to know it more exactly. */
const every = 3600 * 1000

/**
 * Notes that something in the cache is used, by the time of its file: what nobody used for long is cleared away some day.
 * That it can't be noted harms nothing.
 *
 * @param path of a file, or of a folder whose own time tells nothing else
 */
export function noteUse(path: string): void {
  try {
    const now = Date.now()
    if (now - statSync(path).mtimeMs > every) utimesSync(path, now / 1000, now / 1000)
  } catch {
    // It is not there, or not ours.
  }
}
