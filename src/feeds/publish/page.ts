/** The feeds that a site has, each in a folder of its own, and what whoever replaces the whole site has to keep of it. */
export const marks = {
  /** Suites. */
  debian: 'yoe-suites',
  /** Architectures. */
  alpine: 'yoe-alpine',
} as const
export type FeedFolder = keyof typeof marks

export type SiteFeeds = Readonly<Partial<Record<FeedFolder, readonly string[]>>>

/** How devices come to a feed. */
export interface FeedUse {
  readonly folder: FeedFolder
  /** `Debian packages for trixie (amd64), published …`. */
  readonly what: string
  /** What to type on a device. */
  readonly use: readonly string[]
  /** Of the signing key, as its owner would read it out. */
  readonly fingerprint: string
  /** Files beside the site's page that hold public keys. */
  readonly keys: readonly { readonly file: string; readonly title: string }[]
  /** What to type to see the fingerprint of such a file. */
  readonly compare: string
}

/** What the page of a published feed tells. */
export interface FeedPage extends FeedUse {
  readonly project: string
  /** All feeds of the site, this one among them. */
  readonly feeds: SiteFeeds
  readonly packages: readonly {
    readonly name: string
    readonly version: string
    readonly arch: string
    /** Bytes. */
    readonly size: number
    readonly summary: string
    /** Relative to the site's page. */
    readonly href: string
  }[]
}

const titles: Readonly<Record<FeedFolder, string>> = { debian: 'Debian', alpine: 'Alpine' }
export const folders: readonly FeedFolder[] = ['debian', 'alpine']

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
  const others = folders.filter((each) => each !== folder && feeds[each] !== undefined)
  const also = others.map((each) => `<p>Also here: <a href="${each}/">packages for ${titles[each]}</a>.</p>\n`).join('')
  return `${headOf(project, feeds, inFolder)}<h1>${text(project)} packages</h1>
<p class="what">${text(page.what)}</p>
${also}<h2>Use this feed</h2>
${renderUse(page)}<h2>Packages</h2>
<table>
<tr><th>Package<th>Version<th>Architecture<th class="n">Size<th>
${rows.join('\n')}
</table>
`
}

/**
 * The page of a site that has several feeds: how a device uses each of them, and where its packages are listed.
 *
 * @param uses of those feeds whose pages say it
 */
export function renderSite(project: string, feeds: SiteFeeds, uses: readonly FeedUse[]): string {
  const present = folders.filter((folder) => feeds[folder] !== undefined)
  const parts = present.map((folder) => {
    const use = uses.find((each) => each.folder === folder)
    const list = `<p><a href="${folder}/">All packages for ${titles[folder]}</a></p>\n`
    const how = use === undefined ? '' : `<p class="what">${text(use.what)}</p>\n${renderUse(use)}`
    return `<h2 id="${folder}">On ${titles[folder]}</h2>\n${how}${list}`
  })
  const ways = present.map((folder) => `<a href="#${folder}">${titles[folder]}</a>`).join(' and ')
  return `${headOf(project, feeds, false)}<h1>${text(project)} packages</h1>
<p>For devices that run ${ways}.</p>
${parts.join('')}`
}

function headOf(project: string, feeds: SiteFeeds, inFolder: boolean): string {
  const metas = folders.map((each) => {
    const words = feeds[each]
    return words === undefined ? '' : `<meta name="${marks[each]}" content="${text(words.join(' '))}">\n`
  })
  return `${opening}${inFolder ? base : ''}<meta name="viewport" content="width=device-width">
${metas.join('')}<title>${text(project)} packages</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark }
pre { padding: 1rem; overflow-x: auto; border: 1px solid #8886 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #8883 }
.n { text-align: right; white-space: nowrap }
</style>
`
}

const opening = '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
const base = '<base href="../">\n'

/** The page of a site's only feed, as that of its folder. */
export function movedToFolder(page: string): string {
  return page.startsWith(opening + base) ? page : page.replace(opening, opening + base)
}

function renderUse({ use, fingerprint, keys, compare }: FeedUse): string {
  const files = keys.map(({ file, title }) => `<a class="key" href="${text(file)}">${text(title)}</a>`).join(', ')
  return `<p>As root on the device:</p>
<pre class="use">${use.map((line) => text(line).replaceAll('&#39;', "'")).join('\n')}</pre>
<p>The feed is signed by the key <code class="fingerprint">${text(spaced(fingerprint))}</code>
(${files}). Compare it with what the
project's owner tells you on another channel: <code class="compare">${text(compare)}</code>.</p>
`
}

/** How devices come to a feed, as its page says; undefined for a page of other making. Text, whatever it holds. */
export function useOf(folder: FeedFolder, page: string): FeedUse | undefined {
  const part = (pattern: RegExp): string | undefined => {
    const found = pattern.exec(page.slice(0, 65_536))?.[1]
    return found === undefined ? undefined : plain(found)
  }
  const what = part(/<p class="what">([^<]{1,2000})<\/p>/)
  const use = part(/<pre class="use">([^<]{1,8000})<\/pre>/)
  const fingerprint = part(/<code class="fingerprint">([^<]{1,200})<\/code>/)
  const compare = part(/<code class="compare">([^<]{1,2000})<\/code>/)
  if (what === undefined || use === undefined || fingerprint === undefined || compare === undefined) return undefined
  const keys = [...page.matchAll(/<a class="key" href="([\w.%+-]{1,200})">([^<]{1,200})<\/a>/g)]
  return {
    ...{ folder, what, use: use.split('\n'), fingerprint: fingerprint.replaceAll(' ', ''), compare },
    keys: keys.slice(0, 20).map(([, file = '', title = '']) => ({ file, title: plain(title) })),
  }
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

/** What {@link text} made text of. */
const plain = (html: string): string =>
  html.replace(/&(amp|lt|gt|quot|#39);/g, (entity) => characters.get(entity) ?? entity)
const characters = new Map(Object.entries(entities).map(([char, entity]) => [entity, char]))

const bytes = (size: number): string =>
  size < 1000 ? `${size} B` : size < 1e6 ? `${(size / 1e3).toFixed(1)} kB` : `${(size / 1e6).toFixed(1)} MB`

/** `2030-06-30 12:00 UTC`. @param seconds since 1970 */
export const day = (seconds: number): string =>
  `${new Date(seconds * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`

const spaced = (fingerprint: string): string => fingerprint.replace(/(.{4})(?=.)/g, '$1 ')
