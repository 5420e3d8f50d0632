import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { YoeError } from '#engine/errors.ts'

/** All that a feed consists of, relative to its folder, `/` between the parts. What is not here is not uploaded. */
const feedFiles = [
  // The packages, the keys that devices trust, and the page for people.
  /^(?:[\w.+~-]+\/)*[\w.+~%-]+\.(?:deb|apk)$/,
  /^[\w.+-]+\.(?:gpg|asc|pub)$/,
  /^(?:(?:debian|alpine)\/)?index\.html$/,
  // The indices of apt and apk.
  /^(?:[\w.+-]+\/)*(?:InRelease|Release|Release\.gpg|(?:Packages|Contents-\w+|Translation-\w+)(?:\.gz|\.xz|\.zst)?)$/,
  /^(?:[\w.+-]+\/)*by-hash\/SHA(?:256|512)\/[0-9a-f]{64,128}$/,
  /^(?:[\w.+-]+\/)*APKINDEX\.tar\.gz$/,
]

/** What nobody means to make public, whatever file it is in. */
const secretText =
  /-----BEGIN [A-Z ]*PRIVATE KEY|ed25519-private:[\w+/=-]{20}|\bgh[pousr]_[A-Za-z0-9]{36}|\bgithub_pat_\w{40}|\bAKIA[0-9A-Z]{16}\b/

/** Longer than any of the above. */
const overlap = 200

export interface PublicFiles {
  /** Absolute, sorted. */
  readonly files: readonly string[]
  /** Relative: what is there and is no part of a feed. */
  readonly leftOut: readonly string[]
}

/**
 * The files of a feed's folder that become public.
 *
 * @throws {YoeError} PUBLISH_FAILED when one of them holds a secret
 */
export async function publicFiles(folder: string): Promise<PublicFiles> {
  const files: string[] = []
  const leftOut: string[] = []
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isDirectory()) continue
    const path = join(entry.parentPath, entry.name)
    const name = relative(folder, path)
    const hidden = name.split('/').some((part) => part.startsWith('.'))
    if (!entry.isFile() || hidden || !feedFiles.some((pattern) => pattern.test(name))) {
      leftOut.push(name)
      continue
    }
    // What is in a package is compressed, and was looked at when it was built.
    if (!/\.(?:deb|apk)$/.test(name) && (await holdsSecret(path)))
      throw new YoeError('PUBLISH_FAILED', `${name} in the feed holds a private key or a token: nothing is uploaded`, {
        hint: 'remove it, and replace the key: it was about to become public',
      })
    files.push(path)
  }
  return { files: files.sort(), leftOut: leftOut.sort() }
}

async function holdsSecret(path: string): Promise<boolean> {
  let before = ''
  for await (const chunk of createReadStream(path, { encoding: 'latin1' })) {
    const text = before + String(chunk)
    if (secretText.test(text)) return true
    before = text.slice(-overlap)
  }
  return false
}

/** What must not stand in an uploaded text, and what stands there instead. Longer ones first. */
export type Redactions = readonly (readonly [what: string, instead: string])[]

/** A log or report without this run's secrets, and without where this machine keeps things. */
export function redact(text: string, redactions: Redactions): string {
  const known = redactions.filter(([what]) => what.length > 3)
  const plain = known.reduce((rest, [what, instead]) => rest.replaceAll(what, instead), text)
  return plain
    .replaceAll(/-----BEGIN ([A-Z ]*PRIVATE KEY[A-Z ]*)-----[\s\S]*?(?:-----END \1-----|$)/g, '***')
    .replaceAll(new RegExp(secretText, 'g'), '***')
}
