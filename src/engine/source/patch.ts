import { defaultLimits, type Worker } from '../build/worker.ts'
import { YoeError } from '../errors.ts'

export interface PatchInput {
  readonly worker: Worker
  /** Root whose `patch` does the work: the unit's toolchain. */
  readonly root: string | 'host'
  /** In the order in which they apply. */
  readonly patches: readonly { readonly path: string; readonly label: string }[]
  /** Folder that is changed. */
  readonly dest: string
  readonly log: (chunk: Uint8Array) => void
  readonly signal?: AbortSignal | undefined
}

/**
 * Applies patches (`-p1`) inside the sandbox; one that does not fit exactly at its context is an error.
 *
 * @throws {YoeError} TASK_FAILED naming the patch, the file and the hunks; TOOL_MISSING; CANCELLED
 */
export async function applyPatches({ worker, root, patches, dest, log, signal }: PatchInput): Promise<void> {
  await worker.prepareWritable(dest)
  for (const { path, label } of patches) {
    let said = ''
    const result = await worker.run({
      root,
      argv: [
        'patch',
        '--strip=1',
        '--batch',
        '--forward',
        '--fuzz=0',
        '--no-backup-if-mismatch',
        '--reject-file=-',
        '--input=/build/patch',
      ],
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      cwd: '/build/src',
      mounts: [
        { source: path, target: '/build/patch', writable: false },
        { source: dest, target: '/build/src', writable: true },
      ],
      network: false,
      identity: 'user',
      limits: defaultLimits,
      output: (chunk) => {
        if (said.length < 100_000) said += Buffer.from(chunk).toString()
        log(chunk)
      },
      ...(signal === undefined ? {} : { signal }),
    })
    if (result.kind === 'exited' && result.code === 0) continue
    if (result.kind === 'exited' && result.code === 127) {
      throw new YoeError('TOOL_MISSING', 'the toolchain has no patch', {
        hint: `add "patch" to the packages of the unit's toolchain`,
      })
    }
    const why = result.kind === 'killed' ? [result.why] : rejected(said)
    throw new YoeError('TASK_FAILED', `the patch ${label} does not apply\n  ${why.join('\n  ')}`, {
      hint: 'make the patch anew against this source, or drop it from `patches`',
    })
  }
}

/** The lines in which patch says which file and which hunks it refused. */
function rejected(said: string): readonly string[] {
  const lines: string[] = []
  let file = ''
  for (const line of said.split('\n')) {
    if (line.startsWith('patching file ')) file = line.slice('patching file '.length)
    else if (
      /^Hunk #\d+ FAILED|^Reversed|^No file to patch|can't find file to patch|malformed|Only garbage|dangerous/.test(
        line,
      )
    ) {
      lines.push(file === '' ? line : `${file}: ${line}`)
    } else if (/^\|\+\+\+ /.test(line)) lines.push(`wanted: ${line.slice(5).split('\t')[0]}`)
  }
  return lines.length > 0 ? lines.slice(0, 10) : said.trim().split('\n').slice(-3)
}
