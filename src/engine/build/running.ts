import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { isAlive, processName } from '../store/temp.ts'

/**
 * Says that a node is being built here, for those who follow its log: a file that names the process, which is gone when
 * the build is over. One whose process has died says nothing.
 *
 * @returns takes it back
 */
export function announce(path: string): () => void {
  writeFileSync(path, processName())
  return () => rmSync(path, { force: true })
}

/** Whether a node is being built. @param path as for {@link announce} */
export function isRunning(path: string): boolean {
  try {
    return isAlive(readFileSync(path, 'utf8'))
  } catch {
    return false
  }
}
