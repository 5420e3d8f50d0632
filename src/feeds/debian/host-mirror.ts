import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Deb822Error, parseParagraphs } from './deb822.ts'

/** Hosts whose content a distribution lets others mirror; a vendor's own archive is nowhere but where it says. */
const publicHosts: Readonly<Record<string, RegExp>> = {
  debian: /(?:^|\.)debian\.org$/,
  ubuntu: /(?:^|\.)ubuntu\.com$/,
}

/**
 * Mirrors of `url` that this machine's own apt uses: whoever set up the machine chose them, and they are near. They may
 * say what they like: signatures are checked all the same. Reads files only; no apt is started.
 *
 * @param url a feed's address, without a slash at the end
 * @param folder where apt keeps its sources
 * @returns addresses without a slash at the end, none of them `url` itself; none when `url` is no distribution's public one
 * @see sources.list(5)
 */
export function hostMirrors(url: string, distro: string, folder = '/etc/apt'): readonly string[] {
  if (!URL.canParse(url) || publicHosts[distro]?.test(new URL(url).hostname) !== true) return []
  const tail = lastPart(url)
  const found = sources(folder)
    .filter((uri) => /^https?:\/\/[^\s@?#]+$/.test(uri) && URL.canParse(uri))
    .map((uri) => uri.replace(/\/+$/, ''))
    // Archives of one distribution are told apart by this: debian, debian-security, debian-ports.
    .filter((uri) => lastPart(uri) === tail && uri !== url)
  return [...new Set(found)]
}

const lastPart = (url: string): string => url.slice(url.lastIndexOf('/') + 1)

function sources(folder: string): readonly string[] {
  const parts = join(folder, 'sources.list.d')
  const files = [join(folder, 'sources.list'), ...list(parts).map((name) => join(parts, name))]
  return files.flatMap((file) => {
    const text = read(file)
    if (file.endsWith('.sources')) return deb822Sources(text)
    return file.endsWith('.list') ? lineSources(text) : []
  })
}

function deb822Sources(text: string): readonly string[] {
  try {
    return parseParagraphs(text, { comments: true }).flatMap((fields) => {
      const words = (name: string): readonly string[] => (fields.get(name) ?? '').split(/\s+/)
      if (fields.get('enabled') === 'no' || !words('types').includes('deb')) return []
      return words('uris')
    })
  } catch (failure) {
    // Not ours to complain about.
    if (failure instanceof Deb822Error) return []
    throw failure
  }
}

function lineSources(text: string): readonly string[] {
  return text.split('\n').flatMap((line) => /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)/.exec(line)?.[1] ?? [])
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort()
  } catch {
    return []
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
