/** Looking for secrets wherever something could have been kept: in files, and in what is compressed in them. */
import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, readSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'

/** Ways in which a text may be written down. */
const spelt = (text: string): readonly string[] => [
  text,
  Buffer.from(text).toString('base64').replace(/=+$/, ''),
  Buffer.from(text).toString('hex'),
]

const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])
/** What is larger is looked at as a stream, and only one level deep: images, and roots that feeds were installed in. */
const mostBytes = 16 * 2 ** 20

/**
 * The files that hold one of the secrets, plainly or below zip and zstd.
 *
 * @param secrets without line ends
 * @param work an absent folder, for what is unpacked meanwhile
 */
export function filesWithSecrets(
  files: readonly string[],
  secrets: readonly string[],
  work: string,
): readonly string[] {
  if (secrets.some((one) => one.length < 16 || one.includes('\n'))) throw new Error('no such search')
  mkdirSync(work)
  try {
    const patterns = join(work, 'patterns')
    writeFileSync(patterns, `${secrets.flatMap(spelt).join('\n')}\n`)
    const unpacked = new Map(files.flatMap((path, index) => entriesOf(path, join(work, String(index)))))
    const streamed = files.filter((path) => statSync(path).size > mostBytes && streamHolds(path, patterns))
    const inside = holding([...unpacked.keys()], patterns).map((path) => unpacked.get(path) ?? path)
    return [...new Set([...holding(files, patterns), ...inside, ...streamed])].sort()
  } finally {
    rmSync(work, { recursive: true })
  }
}

function holding(files: readonly string[], patterns: string): readonly string[] {
  if (files.length === 0) return []
  const { stdout } = spawnSync('xargs', ['-0', 'grep', '-laFf', patterns, '--'], {
    input: files.join('\0'),
    env: { ...process.env, LC_ALL: 'C' },
    encoding: 'utf8',
  })
  return stdout.split('\n').filter((path) => path !== '')
}

/** Writes what is compressed in a file to another one, where there is any; both paths. */
function entriesOf(path: string, into: string): readonly (readonly [string, string])[] {
  const zip = beginning(path, 4).toString('latin1') === 'PK\x03\x04'
  if (!zip && statSync(path).size > mostBytes) return []
  const bytes = zip ? execFileSync('unzip', ['-p', path], { maxBuffer: 2 ** 30 }) : readFileSync(path)
  const pieces = [...(zip ? [bytes] : []), ...below(bytes)]
  if (pieces.length === 0) return []
  writeFileSync(into, Buffer.concat(pieces))
  return [[into, path]]
}

/** What begins as zstd somewhere in these bytes, unpacked, and what is in that. */
function below(bytes: Buffer, depth = 0): readonly Buffer[] {
  const found: Buffer[] = []
  for (let at = bytes.indexOf(frame); at >= 0 && depth < 4; at = bytes.indexOf(frame, at + 1)) {
    const inner = unpack(bytes.subarray(at))
    if (inner !== undefined) found.push(inner, ...below(inner, depth + 1))
  }
  return found
}

function unpack(bytes: Buffer): Buffer | undefined {
  try {
    return zstdDecompressSync(bytes, { maxOutputLength: 16 * mostBytes })
  } catch {
    return undefined
  }
}

function streamHolds(path: string, patterns: string): boolean {
  const at = beginning(path, 1 << 20).indexOf(frame)
  if (at < 0) return false
  const script = 'tail -c "+$2" "$1" | zstd -dcq 2>/dev/null | LC_ALL=C grep -qaFf "$3"'
  return spawnSync('sh', ['-c', script, 'sh', path, String(at + 1), patterns], { stdio: 'ignore' }).status === 0
}

function beginning(path: string, bytes: number): Buffer {
  const file = openSync(path, 'r')
  try {
    const buffer = Buffer.alloc(bytes)
    return buffer.subarray(0, readSync(file, buffer))
  } finally {
    closeSync(file)
  }
}
