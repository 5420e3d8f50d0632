import { execFileSync } from 'node:child_process'

let done = false

/**
 * From here on the kernel writes no image of this process's memory to a file when it crashes: there is a key in it. Node
 * can't ask for that, prlimit(1) of util-linux can; without it, the machine's own limit stays.
 */
export function forbidCoreDumps(): void {
  if (done) return
  done = true
  try {
    execFileSync('prlimit', ['--pid', String(process.pid), '--core=0:0'], {
      stdio: 'ignore',
      timeout: 5000,
      env: { PATH: '/usr/bin:/bin' },
    })
  } catch {
    // Most machines write none anyway.
  }
}
