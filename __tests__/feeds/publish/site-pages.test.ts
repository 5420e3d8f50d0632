/** The pages of a place that has feeds of one distro, or of two. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FeedPage, feedsOf, useOf } from '../../../src/feeds/publish/page.ts'
import { type PagePlace, putPages } from '../../../src/feeds/publish/site-pages.ts'

const debian = {
  ...{ project: 'demo', folder: 'debian', what: 'Debian packages for trixie', fingerprint: 'ABCD1234' },
  use: ["cat >/etc/apt/sources.list.d/demo.sources <<'END'", 'URIs: https://x.example/?a&b', 'apt-get update'],
  keys: [{ file: 'demo.gpg', title: 'for apt' }],
  compare: 'gpg --show-keys demo.gpg',
  packages: [{ name: 'one', version: '1', arch: 'all', size: 9, summary: 'One', href: 'debian/pool/one.deb' }],
} as const satisfies Omit<FeedPage, 'feeds'>
const alpine = {
  ...{ project: 'demo', folder: 'alpine', what: 'Alpine packages for v3.23', fingerprint: '00FF' },
  use: ['wget -O /etc/apk/keys/demo.rsa.pub https://x.example/demo.rsa.pub', 'apk update'],
  keys: [{ file: 'demo.rsa.pub', title: 'demo.rsa.pub' }],
  compare: 'sha256sum demo.rsa.pub',
  packages: [{ name: 'two', version: '2', arch: 'noarch', size: 9, summary: 'Two', href: 'alpine/noarch/two.apk' }],
} as const satisfies Omit<FeedPage, 'feeds'>

function place(files: Map<string, string> = new Map()): PagePlace & { readonly files: Map<string, string> } {
  return {
    files,
    read: async (path) => files.get(path),
    write: async (path, html) => void files.set(path, html),
  }
}

const preOf = (html: string): readonly string[] =>
  [...html.matchAll(/<pre class="use">([^<]*)<\/pre>/g)].map(([, text = '']) => text)

test('one feed is one page', async () => {
  const at = place()
  await putPages(at, debian, ['trixie'])
  assert.deepEqual([...at.files.keys()], ['index.html'])
  const page = at.files.get('index.html') ?? ''
  assert.deepEqual(feedsOf(page), { debian: ['trixie'] })
  assert.deepEqual(useOf('debian', page), pick(debian))
  assert.match(
    page,
    /<pre class="use">cat .*&lt;&lt;'END'\nURIs: https:\/\/x\.example\/\?a&amp;b\napt-get update<\/pre>/,
  )
})

/** What of a page says how to use its feed. */
function pick({ folder, what, use, fingerprint, keys, compare }: Omit<FeedPage, 'feeds'>) {
  return { folder, what, use, fingerprint, keys, compare }
}

for (const [name, order] of [
  ['Debian first', [debian, alpine]],
  ['Alpine first', [alpine, debian]],
] as const)
  test(`two feeds, ${name}: the site's page says how to use both, each folder has its own list`, async () => {
    const at = place()
    for (const page of [...order, ...order]) await putPages(at, page, page === debian ? ['trixie'] : ['x86_64'])
    assert.deepEqual([...at.files.keys()].sort(), ['alpine/index.html', 'debian/index.html', 'index.html'])
    const front = at.files.get('index.html') ?? ''
    assert.deepEqual(feedsOf(front), { debian: ['trixie'], alpine: ['x86_64'] })
    assert.match(front, /<h2 id="debian">On Debian[\s\S]*<h2 id="alpine">On Alpine/)
    assert.equal(preOf(front).length, 2)
    assert.ok(preOf(front)[0]?.includes('apt-get') && preOf(front)[1]?.includes('apk update'))
    assert.match(front, /href="demo\.gpg"[\s\S]*href="demo\.rsa\.pub"/)
    assert.match(front, /<a href="debian\/">[\s\S]*<a href="alpine\/">/)
    for (const page of order) {
      const own = at.files.get(`${page.folder}/index.html`) ?? ''
      assert.match(own, /<base href="\.\.\/">/)
      assert.ok(own.includes(`href="${page.packages[0].href}"`))
      assert.match(own, /Also here: <a href="(debian|alpine)\/">/)
    }
  })

test('the only page of a feed moves to its folder when another feed comes', async () => {
  const at = place()
  await putPages(at, debian, ['trixie'])
  await putPages(at, alpine, ['x86_64'])
  const moved = at.files.get('debian/index.html') ?? ''
  assert.match(moved, /<base href="\.\.\/">/)
  assert.ok(moved.includes('href="debian/pool/one.deb"'))
})

test('a front page that was lost, or made by somebody who knew one feed, comes back whole', async () => {
  const at = place()
  for (const page of [debian, alpine]) await putPages(at, page, page === debian ? ['trixie'] : ['x86_64'])
  const alone = place()
  await putPages(alone, alpine, ['x86_64'])
  for (const front of ['', alone.files.get('index.html') ?? '', '<h1>Something else</h1>']) {
    at.files.set('index.html', front)
    await putPages(at, alpine, ['x86_64'])
    assert.deepEqual(feedsOf(at.files.get('index.html') ?? ''), { debian: ['trixie'], alpine: ['x86_64'] })
    assert.equal(preOf(at.files.get('index.html') ?? '').length, 2)
  }
})

test("what the other feed's page holds stays text", async () => {
  const at = place()
  await putPages(at, debian, ['trixie'])
  const evil = '<script>x()</script><pre class="use">a</pre>"\'&#60;'
  await putPages(at, { ...debian, what: evil, use: [evil], compare: evil, keys: [{ file: evil, title: evil }] }, [
    'trixie',
  ])
  await putPages(at, alpine, ['x86_64'])
  const front = at.files.get('index.html') ?? ''
  assert.ok(!front.includes('<script>') && !front.includes('"\'&#60;'))
  assert.ok(preOf(front)[0]?.includes('&lt;script&gt;') && preOf(front)[0]?.includes('&amp;#60;'))
  // Made of other things altogether, it is a link and no more.
  at.files.set('debian/index.html', '<pre class="use"><b>rm -rf /</b></pre>')
  await putPages(at, alpine, ['x86_64'])
  assert.equal(preOf(at.files.get('index.html') ?? '').length, 1)
  assert.match(at.files.get('index.html') ?? '', /<a href="debian\/">All packages for Debian/)
})
