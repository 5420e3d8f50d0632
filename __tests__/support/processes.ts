import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import type { Ran } from './project.ts'

/** Waits for a child, with all that it prints to pipes. @throws when it can't be started */
export async function ending(child: ChildProcess): Promise<Ran> {
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      said[name] += text
    })
  }
  await once(child, 'close')
  return { code: child.exitCode ?? -1, ...said }
}

/** Command lines of running processes (never this one) that contain a text. */
export function processesWith(text: string): readonly string[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return []
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
      return line.includes(text) ? [`${pid} ${line}`] : []
    } catch {
      return [] // gone meanwhile
    }
  })
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Waits until something is so. @throws {Error} after `seconds` */
export async function until(what: string, so: () => boolean, seconds = 30): Promise<void> {
  for (const end = performance.now() + seconds * 1000; !so(); ) {
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${what}`)
    await sleep(20)
  }
}
