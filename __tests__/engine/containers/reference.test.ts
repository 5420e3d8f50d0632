import assert from 'node:assert/strict'
import { test } from 'node:test'
import { basesOf, withBases } from '#engine/containers/dockerfile.ts'
import { endpointOf, imageText, parseImage } from '#engine/containers/reference.ts'

const digest = 'a'.repeat(64)

/** As `docker pull` understands it. */
const references: Readonly<Record<string, string | undefined>> = {
  'golang:1.26': 'docker.io/library/golang:1.26',
  'docker.io/library/golang:1.26': 'docker.io/library/golang:1.26',
  'docker.io/golang:1.26': 'docker.io/library/golang:1.26',
  'acme/tools:v2': 'docker.io/acme/tools:v2',
  'ghcr.io/acme/deep/tools:2.0_b': 'ghcr.io/acme/deep/tools:2.0_b',
  'localhost/tools:1': 'localhost/tools:1',
  'localhost:5000/tools:1': 'localhost:5000/tools:1',
  '127.0.0.1:5000/a/b:1': '127.0.0.1:5000/a/b:1',
  [`golang@sha256:${digest}`]: `docker.io/library/golang@sha256:${digest}`,
  [`golang:1@sha256:${digest}`]: 'docker.io/library/golang:1',
  golang: undefined,
  'ghcr.io/acme/tools': undefined,
  'localhost:5000/tools': undefined,
  'Golang:1': undefined,
  'golang:': undefined,
  'golang:1 2': undefined,
  'golang@sha256:abc': undefined,
  'a//b:1': undefined,
  '../b:1': undefined,
  'https://ghcr.io/a/b:1': undefined,
}

for (const [text, expected] of Object.entries(references)) {
  test(`${text} is ${expected ?? 'no image'}`, () => {
    const parsed = parseImage(text)
    assert.equal(parsed === undefined ? undefined : imageText(parsed), expected)
  })
}

test('registries are spoken to safely, but for those of this machine', () => {
  const endpoint = (text: string) => endpointOf(parseImage(text) ?? { name: '', tag: '' })
  assert.deepEqual(endpoint('golang:1'), { url: 'https://registry-1.docker.io/', repository: 'library/golang' })
  assert.deepEqual(endpoint('localhost:5000/a/b:1'), { url: 'http://localhost:5000/', repository: 'a/b' })
  assert.equal(endpoint('localhost.evil.org/a:1').url, 'https://localhost.evil.org/')
  assert.equal(endpoint('127.0.0.1.evil.org/a:1').url, 'https://127.0.0.1.evil.org/')
})

/** Dockerfile to its bases, or what is wrong with it. */
const dockerfiles: readonly (readonly [text: string, says: readonly string[]])[] = [
  ['FROM debian:13\nRUN x\n', ['debian:13 is debian:13']],
  [
    '# x\n\nfrom --platform=linux/amd64 debian:13 as build\nFROM scratch\nCOPY --from=build /a /b\nCOPY --from=0 /a /c\n',
    ['debian:13 is debian:13'],
  ],
  ['FROM yoe/tools-debian\n', ['yoe/tools-debian is tools-debian']],
  ['FROM scratch\nCOPY --from=golang:1.26 \\\n  /a /b\n', ['golang:1.26 is golang:1.26']],
  ['FROM \\\n  # a comment\n  debian:13\n', ['debian:13 is debian:13']],
  ['# escape=`\nFROM debian:13\nRUN dir `\n  FROM other\n', ['debian:13 is debian:13']],
  ['FROM debian\n', ['1: the base debian has neither a tag nor a digest']],
  ['ARG B=debian:13\nFROM $B\n', ['2: the base $B is a variable']],
  [
    'FROM debian:13\nADD https://a.org/x /x\n',
    ['2: ADD fetches from an address, and nothing says what it must get', 'debian:13 is debian:13'],
  ],
  [
    'FROM debian:13\nRUN <<EOF\nx\nEOF\n',
    ['2: RUN has a here-document, which needs BuildKit', 'debian:13 is debian:13'],
  ],
  ['RUN x\n', ['1: it has no FROM']],
  ['FROM\n', ['1: it has no FROM']],
  ['FROM yoe/../x\n', ['1: the base yoe/../x has neither a tag nor a digest']],
]

for (const [text, says] of dockerfiles) {
  test(JSON.stringify(text), () => {
    const { bases, faults } = basesOf(text)
    assert.deepEqual(
      [
        ...faults.map(({ line, message }) => `${line}: ${message}`),
        ...bases.map(({ from, container }) => `${from} is ${container}`),
      ],
      says,
    )
  })
}

test('bases are replaced wherever they stand, and nothing else is', () => {
  const text =
    'FROM \\\n debian:13 AS a\nRUN echo debian:13 \\\n && true\nFROM scratch\nCOPY --from=a /x /x\nCOPY --from=debian:13 /y /y\n'
  assert.equal(
    withBases(text, (from) => (from === 'debian:13' ? 'local:1' : undefined)),
    'FROM local:1 AS a\nRUN echo debian:13  && true\nFROM scratch\nCOPY --from=a /x /x\nCOPY --from=local:1 /y /y\n',
  )
})
