import assert from 'node:assert/strict'
import test from 'node:test'
import { candidates, parseMirrors } from '../../../src/engine/source/mirrors.ts'
import { redirectTarget, shownUrl } from '../../../src/engine/source/url.ts'

const rows = [
  { name: 'no rule: as it is', mirrors: '', urls: 'http://a/x', want: 'http://a/x' },
  {
    name: 'a prefix is replaced, the original comes last',
    mirrors: 'http://a/=http://b/c/',
    urls: 'http://a/x',
    want: 'http://b/c/x http://a/x',
  },
  { name: 'only: no original', mirrors: 'http://a/=http://b/,only', urls: 'http://a/x', want: 'http://b/x' },
  {
    name: 'only leaves what no rule touches',
    mirrors: 'http://a/=http://b/,only',
    urls: 'http://z/x',
    want: 'http://z/x',
  },
  {
    name: 'a prefix ends with a part of the path',
    mirrors: 'http://a/deb=http://b/deb',
    urls: 'http://a/deb-sec/x',
    want: 'http://a/deb-sec/x',
  },
  {
    name: 'a host is no prefix of a longer one',
    mirrors: 'http://a.org=http://b',
    urls: 'http://a.org.evil/x',
    want: 'http://a.org.evil/x',
  },
  {
    name: 'slashes neither vanish nor double',
    mirrors: 'http://a/=http://b, http://c=http://d/',
    urls: 'http://a/x http://c/x',
    want: 'http://b/x http://d/x http://a/x http://c/x',
  },
  {
    name: 'the longest prefix first',
    mirrors: 'http://a=http://b,http://a/x=http://c',
    urls: 'http://a/x/y',
    want: 'http://c/y http://b/x/y http://a/x/y',
  },
  {
    name: 'all mirrors before all originals, each once',
    mirrors: 'http://a=http://b',
    urls: 'http://a/x http://b/x',
    want: 'http://b/x http://a/x',
  },
  {
    name: 'an equals sign in an address',
    mirrors: 'http://a/?id==file:///m',
    urls: 'http://a/?id=',
    want: 'file:///m http://a/?id=',
  },
  {
    name: 'both spellings of ssh are one address',
    mirrors: 'git@a:team=file:///m,ssh://git@b/team/=file:///n/',
    urls: 'git@a:team/x.git ssh://git@a/team/x git@b:team/x git@a:teams/x git@a:/team/x',
    want: 'file:///m/x.git file:///m/x file:///n/x git@a:team/x.git ssh://git@a/team/x git@b:team/x git@a:teams/x git@a:/team/x',
  },
  {
    name: 'all of an ssh host',
    mirrors: 'git@a:=https://b/',
    urls: 'git@a:team/x',
    want: 'https://b/team/x git@a:team/x',
  },
]
for (const { name, mirrors, urls, want } of rows) {
  test(`candidates: ${name}`, () => {
    assert.equal(candidates(urls.split(' '), parseMirrors(mirrors)).join(' '), want)
  })
}

test('mirrors: the environment comes before local.star, and that before the project', () => {
  const mirrors = parseMirrors('http://a=http://env', { 'http://a': 'http://local' }, { 'http://a': 'http://project' })
  assert.deepEqual(candidates(['http://a/x'], mirrors), [
    'http://env/x',
    'http://local/x',
    'http://project/x',
    'http://a/x',
  ])
})

test('mirrors: what somebody named comes before what this machine is set up with, however short', () => {
  const named = parseMirrors(undefined, undefined, { 'http://a/': 'http://project/' })
  const mirrors = { ...named, near: [{ from: 'http://a/debian', to: 'http://apt' }] }
  assert.deepEqual(candidates(['http://a/debian/x'], mirrors), [
    'http://project/debian/x',
    'http://apt/x',
    'http://a/debian/x',
  ])
})

test('mirrors: what the machine is set up with comes after what was named, and not at all with only', () => {
  const near = [{ from: 'http://a/debian', to: 'http://near/debian' }]
  const of = (text: string): string =>
    candidates(['http://a/debian/x', 'http://z/y'], { ...parseMirrors(text), near }).join(' ')
  assert.equal(of(''), 'http://near/debian/x http://a/debian/x http://z/y')
  // A shorter prefix that somebody named beats a longer one that nobody did.
  assert.equal(of('http://a=http://b'), 'http://b/debian/x http://near/debian/x http://a/debian/x http://z/y')
  assert.equal(of('http://a=http://b,only'), 'http://b/debian/x http://z/y')
  assert.equal(of('http://q=http://b,only'), 'http://near/debian/x http://a/debian/x http://z/y')
})

test('mirrors: an entry that is not two addresses is refused with an example', () => {
  for (const bad of ['http://a', 'a=b', '=http://b', 'http://a=']) {
    assert.throws(() => parseMirrors(bad), { code: 'USAGE', hint: /YOE_MIRRORS=http/ }, bad)
  }
})

const redirects = [
  { from: 'https://a/x', to: '/y', want: 'https://a/y' },
  { from: 'http://a/x', to: 'https://b/y', want: 'https://b/y' },
  { from: 'https://a/x', to: 'http://a/y', want: 'redirects from https to http' },
  { from: 'http://a/x', to: 'file:///etc/passwd', want: 'redirects to a file: address' },
  { from: 'http://a/x', to: 'data:text/plain,x', want: 'redirects to a data: address' },
  { from: 'http://a/x', to: 'http://a:22/', want: 'redirects to port 22' },
  { from: 'http://a/x', to: 'http://a:8080/', want: 'http://a:8080/' },
  { from: 'http://a/x', to: '/y%0aSet-Cookie:x', want: 'redirects to an address with control characters' },
  { from: 'http://a/x', to: '/y\r\nz', want: 'redirects to an address with control characters' },
  { from: 'http://a/x', to: 'http://', want: 'redirects to something that is no address' },
  { from: 'http://a/x', to: undefined, want: 'redirects without saying where to' },
  { from: 'http://u:p@a/x', to: '/y', want: 'http://u:p@a/y' },
  { from: 'http://u:p@a/x', to: 'http://b/y', want: 'http://b/y' },
  { from: 'http://u:p@a/x', to: 'http://a:8080/y', want: 'http://a:8080/y' },
]
for (const { from, to, want } of redirects) {
  test(`redirect: ${from} to ${JSON.stringify(to)}`, () => {
    const target = redirectTarget(new URL(from), to)
    assert.equal(target.ok ? target.url.href : target.reason, want)
  })
}

test('shownUrl: neither credentials nor tokens', () => {
  assert.equal(shownUrl('https://user:pa@ss@host/x?token=1#f'), 'https://***@host/x?***')
  assert.equal(shownUrl('http://host/a@b'), 'http://host/a@b')
})
