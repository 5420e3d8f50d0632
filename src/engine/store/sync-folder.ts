import { open } from 'node:fs/promises'

/** By folder: the flush that is about to begin, and the one that is at work. */
const next = new Map<string, Promise<void>>()
const running = new Map<string, Promise<void>>()

/**
 * Makes the names that a folder has now survive a power cut. Whoever asks while a flush is at work shares the next one with
 * all others, since one that has begun may miss a name: many small results at a time cost few flushes.
 */
export function syncFolder(folder: string): Promise<void> {
  const waiting = next.get(folder)
  if (waiting !== undefined) return waiting
  const mine = flushAfter(folder, running.get(folder))
  next.set(folder, mine)
  return mine
}

async function flushAfter(folder: string, before: Promise<void> | undefined): Promise<void> {
  await before?.catch(() => {})
  const flushing = sync(folder)
  next.delete(folder)
  running.set(folder, flushing)
  try {
    await flushing
  } finally {
    if (running.get(folder) === flushing) running.delete(folder)
  }
}

/** Flushes a file or folder to the disk. */
export async function sync(path: string): Promise<void> {
  const file = await open(path, 'r')
  await file.sync().finally(() => file.close())
}
