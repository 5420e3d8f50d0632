import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { YoeError } from '../errors.ts'
import { oneTime, type TreePlace } from './work-tree.ts'
import { committer, type TreeGit } from './work-tree-git.ts'

export interface PatchFile {
  /** Absolute. */
  readonly path: string
  /** As users know it: `units/app/fix.patch`. */
  readonly label: string
}

/** Most lines of a hunk that an error shows. */
const shownLines = 20

/**
 * Commits patches on top of a work tree's HEAD, in order: a mail of `git format-patch` with its own author, date and
 * message, any other diff (`-p1`) under its file's name. One that does not fit exactly at its context is an error.
 *
 * @returns HEAD then
 * @throws {YoeError} TASK_FAILED naming the patch, and showing the hunk
 */
export async function commitPatches(
  git: TreeGit,
  place: TreePlace,
  patches: readonly PatchFile[],
  signal?: AbortSignal,
): Promise<string> {
  const before = await git.run(['rev-parse', 'HEAD'])
  if (patches.length === 0) return before
  const mails = await Promise.all(
    patches.map(async ({ path }) => asMails(basename(path), await readFile(path, { signal }))),
  )
  // One run for all of them; which one failed is found out when one does.
  const done = await git.try(['am', ...amOptions], { input: Buffer.concat(mails), config: amConfig })
  if (done.code !== 0) {
    await git.try(['am', '--abort'])
    throw await failureOf(git, patches, mails, before)
  }
  const changed = await git.run(['diff', '--name-only', '-z', '--no-renames', '--diff-filter=d', before, 'HEAD'])
  await oneTime(place.source, changed.split('\0').filter(Boolean))
  return git.run(['rev-parse', 'HEAD'])
}

const amOptions = [
  ...['--quiet', '--patch-format=mbox', '--keep-cr', '--no-scissors', '--no-3way', '--no-gpg-sign'],
  ...['--whitespace=nowarn', '--keep-non-patch'],
]
const amConfig = [['am.messageid', 'false']] as const

/** A mailbox, whose mails may be one. */
function asMails(name: string, content: Buffer): Buffer {
  const text = content.toString('latin1')
  if (/^From [0-9a-f]{40} /.test(text)) return ended(content)
  const [head = ''] = text.split(/\r?\n\r?\n/, 1)
  const from = `From ${'0'.repeat(40)} Mon Sep 17 00:00:00 2001\n`
  if (/^From: \S/m.test(head) && /^Subject: \S/m.test(head) && /^[\w-]+: /.test(head))
    return ended(Buffer.concat([Buffer.from(from), content]))
  const start = text.search(/^(?:diff |Index: |--- )/m)
  const about = start > 0 ? content.subarray(0, start) : Buffer.alloc(0)
  const header = [
    from.trimEnd(),
    `From: ${committer.name} <${committer.email}>`,
    'Date: Mon, 1 Jan 2024 00:00:00 +0000',
    `Subject: ${name.replace(/\.(patch|diff)$/, '').replaceAll(/[^\x20-\x7e]/g, '?')}`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=UTF-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    '',
  ].join('\n')
  const body = Buffer.from(about.toString('latin1').replaceAll(/^(From |---)/gm, ' $1'), 'latin1')
  const diff = start < 0 ? content : content.subarray(start)
  return ended(Buffer.concat([Buffer.from(header), body, Buffer.from('---\n'), diff]))
}

const ended = (content: Buffer): Buffer =>
  content.at(-1) === 0x0a ? content : Buffer.concat([content, Buffer.from('\n')])

/** Tries the patches one after the other until one fails. */
async function failureOf(
  git: TreeGit,
  patches: readonly PatchFile[],
  mails: readonly Buffer[],
  before: string,
): Promise<YoeError> {
  for (const [index, { label }] of patches.entries()) {
    const mail = mails[index] ?? Buffer.alloc(0)
    const { code, stderr, stdout } = await git.try(['am', ...amOptions], { input: mail, config: amConfig })
    if (code === 0) continue
    await git.try(['am', '--abort'])
    await git.run(['reset', '--hard', '--quiet', before])
    return new YoeError(
      'TASK_FAILED',
      `the patch ${label} does not apply\n  ${whatFailed(mail, stderr + stdout).join('\n  ')}`,
      {
        hint: mendHint(git.workTree, patches, mails),
      },
    )
  }
  throw new Error('patches failed together that apply one by one')
}

/** Mails can be mended where they are to apply; commits that are made there are built. */
function mendHint(tree: string, patches: readonly PatchFile[], mails: readonly Buffer[]): string {
  const anew = 'make the patch anew against this source, or drop it from `patches`'
  if (mails.some((mail) => mail.includes(`From: ${committer.name} <${committer.email}>\n`))) return anew
  const files = patches.map(({ path }) => path).join(' ')
  return `${anew}\nto mend it in place: git -C ${tree} am --3way ${files}\nthen yoe dev extract writes the patches anew`
}

/** git's lines about it, and the first hunk that does not fit. */
function whatFailed(patch: Buffer, said: string): readonly string[] {
  const lines = said
    .split('\n')
    .filter((line) => /^(error|fatal): /.test(line) && !/could not build fake ancestor|Failed to merge/.test(line))
    .map((line) => line.replace(/^(error|fatal): /, ''))
  const [, file, start] = /^error: patch failed: (.+):(\d+)$/m.exec(said) ?? []
  const hunk = file === undefined ? undefined : hunkOf(patch.toString('utf8'), file, Number(start))
  return [...new Set(lines.length > 0 ? lines : [said.trim().split('\n')[0] ?? '']), ...(hunk ?? [])]
}

function hunkOf(patch: string, file: string, start: number): readonly string[] | undefined {
  const lines = patch.split(/\r?\n/)
  let inFile = false
  for (const [index, line] of lines.entries()) {
    if (line.startsWith('--- ') || line.startsWith('+++ ')) inFile ||= line.includes(`/${file}`)
    if (line.startsWith('diff --git ')) inFile = line.endsWith(`/${file}`)
    const [, from] = /^@@ -(\d+)(?:,\d+)? \+\d+(?:,\d+)? @@/.exec(line) ?? []
    if (!inFile || from === undefined || Number(from) !== start) continue
    const rest = lines.slice(index + 1)
    const end = rest.findIndex((next) => !/^[ +\\-]|^$/.test(next) || /^-- $/.test(next))
    const hunk = [line, ...rest.slice(0, end < 0 ? rest.length : end)]
    while (hunk.at(-1) === '') hunk.pop()
    const more = hunk.length > shownLines ? [`… ${hunk.length - shownLines} more lines`] : []
    return [...hunk.slice(0, shownLines), ...more].map((text) => `│ ${text.replaceAll('\t', '    ')}`)
  }
  return undefined
}
