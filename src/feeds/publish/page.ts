/** What the page of a published feed tells. */
export interface FeedPage {
  readonly project: string
  readonly suite: string
  /** All suites of the feed, this one among them: whoever replaces the whole site reads here what it has to keep. */
  readonly suites: readonly string[]
  readonly architectures: readonly string[]
  /** The package that brings the feed's keys to devices, where the feed has it. */
  readonly keyring: string
  /** Of the signing key, as its owner would read it out. */
  readonly fingerprint: string
  /** Address that the page will have, when known: `https://example.org/feed`. */
  readonly url: string | undefined
  /** Seconds since 1970. */
  readonly published: number
  readonly validUntil: number
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

const suitesMark = 'yoe-suites'

/** The suites that a page of {@link renderPage} names; undefined: it is no such page. A hint: nobody signed it. */
export function suitesOf(page: string): readonly string[] | undefined {
  const names = new RegExp(`<meta name="${suitesMark}" content="([A-Za-z0-9._ -]{1,2000})">`).exec(page)?.[1]
  return names?.split(' ').filter((name) => /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name))
}

/** A page for people, one file without scripts: what is in the feed, who signed it, and how a device uses it. */
export function renderPage(page: FeedPage): string {
  const { project, suite } = page
  const base = page.url?.replace(/\/+$/, '') ?? 'https://ADDRESS-OF-THIS-PAGE'
  const keyring = `/etc/apt/keyrings/${project}.gpg`
  const sources = [
    'Types: deb',
    `URIs: ${base}/debian`,
    `Suites: ${suite}`,
    'Components: main',
    `Architectures: ${page.architectures.join(' ')}`,
    `Signed-By: ${keyring}`,
  ]
  const rows = page.packages.map(
    ({ name, version, arch, size, summary, href }) =>
      `<tr><td><a href="${text(href)}">${text(name)}</a><td>${text(version)}<td>${text(arch)}<td class="n">${bytes(size)}<td>${text(summary)}`,
  )
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="${suitesMark}" content="${text(page.suites.join(' '))}">
<title>${text(project)} packages</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark }
pre { padding: 1rem; overflow-x: auto; border: 1px solid #8886 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #8883 }
.n { text-align: right; white-space: nowrap }
</style>
<h1>${text(project)} packages</h1>
<p>Debian packages for ${text(suite)} (${text(page.architectures.join(', '))}), published ${day(page.published)}, valid until ${day(page.validUntil)}.</p>
<h2>Use this feed</h2>
<p>As root on the device:</p>
<pre>curl -fsSL -o ${text(keyring)} ${text(base)}/${text(project)}.gpg
cat >/etc/apt/sources.list.d/${text(project)}.sources &lt;&lt;'END'
${sources.map(text).join('\n')}
END
apt-get update${page.packages.some(({ name }) => name === page.keyring) ? `\napt-get install ${text(page.keyring)}` : ''}</pre>
<p>The feed is signed by the key <code>${text(spaced(page.fingerprint))}</code>
(<a href="${text(project)}.asc">armored</a>, <a href="${text(project)}.gpg">for apt</a>). Compare it with what the
project's owner tells you on another channel: <code>gpg --show-keys ${text(project)}.gpg</code>.</p>
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

const day = (seconds: number): string => `${new Date(seconds * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`

const spaced = (fingerprint: string): string => fingerprint.replace(/(.{4})(?=.)/g, '$1 ')
