/** The feeds that a site has, each in a folder of its own, and what whoever replaces the whole site has to keep of it. */
export const marks = {
  /** Suites. */
  debian: 'yoe-suites',
  /** Architectures. */
  alpine: 'yoe-alpine',
} as const
export type FeedFolder = keyof typeof marks

export type SiteFeeds = Readonly<Partial<Record<FeedFolder, readonly string[]>>>

/** What the page of a published feed tells. */
export interface FeedPage {
  readonly project: string
  readonly folder: FeedFolder
  /** All feeds of the site, this one among them. */
  readonly feeds: SiteFeeds
  /** `Debian packages for trixie (amd64), published …`. */
  readonly what: string
  /** What to type on a device. */
  readonly use: readonly string[]
  /** Of the signing key, as its owner would read it out. */
  readonly fingerprint: string
  /** Files beside the page that hold public keys. */
  readonly keys: readonly { readonly file: string; readonly title: string }[]
  /** What to type to see the fingerprint of such a file. */
  readonly compare: string
  readonly packages: readonly {
    readonly name: string
    readonly version: string
    readonly arch: string
    /** Bytes. */
    readonly size: number
    readonly summary: string
    /** Relative to the page. */
    readonly href: string
  }[]
}

const titles: Readonly<Record<FeedFolder, string>> = { debian: 'Debian packages', alpine: 'Alpine packages' }
const folders: readonly FeedFolder[] = ['debian', 'alpine']

/** The feeds that a page of {@link renderPage} names; undefined: it is no such page. A hint: nobody signed it. */
export function feedsOf(page: string): SiteFeeds | undefined {
  const found = folders.flatMap((folder): readonly (readonly [FeedFolder, readonly string[]])[] => {
    const names = new RegExp(`<meta name="${marks[folder]}" content="([A-Za-z0-9._ -]{1,2000})">`).exec(page)?.[1]
    const words = names?.split(' ').filter((name) => /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) ?? []
    return words.length === 0 ? [] : [[folder, words]]
  })
  return found.length === 0 ? undefined : Object.fromEntries(found)
}

/**
 * A page for people, one file without scripts: what is in the feed, who signed it, and how a device uses it.
 *
 * @param inFolder for the feed's folder, instead of the site's
 */
export function renderPage(page: FeedPage, inFolder = false): string {
  const { project, folder, feeds } = page
  const rows = page.packages.map(
    ({ name, version, arch, size, summary, href }) =>
      `<tr><td><a href="${text(href)}">${text(name)}</a><td>${text(version)}<td>${text(arch)}<td class="n">${bytes(size)}<td>${text(summary)}`,
  )
  const kept = folders.flatMap((each) => (feeds[each] === undefined ? [] : [{ each, words: feeds[each] }]))
  const metas = kept
    .map(({ each, words }) => `<meta name="${marks[each]}" content="${text(words.join(' '))}">\n`)
    .join('')
  const others = kept.filter(({ each }) => each !== folder)
  const also = others.map(({ each }) => `<p>Also here: <a href="${each}/">${titles[each]}</a>.</p>\n`).join('')
  const keys = page.keys.map(({ file, title }) => `<a href="${text(file)}">${text(title)}</a>`).join(', ')
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
${inFolder ? '<base href="../">\n' : ''}<meta name="viewport" content="width=device-width">
${metas}<title>${text(project)} packages</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark }
pre { padding: 1rem; overflow-x: auto; border: 1px solid #8886 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #8883 }
.n { text-align: right; white-space: nowrap }
</style>
<h1>${text(project)} packages</h1>
<p>${text(page.what)}</p>
${also}<h2>Use this feed</h2>
<p>As root on the device:</p>
<pre>${page.use.map((line) => text(line).replaceAll('&#39;', "'")).join('\n')}</pre>
<p>The feed is signed by the key <code>${text(spaced(page.fingerprint))}</code>
(${keys}). Compare it with what the
project's owner tells you on another channel: <code>${text(page.compare)}</code>.</p>
<h2>Packages</h2>
<table>
<tr><th>Package<th>Version<th>Architecture<th class="n">Size<th>
${rows.join('\n')}
</table>
`
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text or an attribute's value: nothing in it can become markup, or reorder what stands around it. */
const text = (value: string): string =>
  value
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
    .replace(/[&<>"']/g, (char) => entities[char] ?? '')

const bytes = (size: number): string =>
  size < 1000 ? `${size} B` : size < 1e6 ? `${(size / 1e3).toFixed(1)} kB` : `${(size / 1e6).toFixed(1)} MB`

/** `2030-06-30 12:00 UTC`. @param seconds since 1970 */
export const day = (seconds: number): string =>
  `${new Date(seconds * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`

const spaced = (fingerprint: string): string => fingerprint.replace(/(.{4})(?=.)/g, '$1 ')
