import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type SplitEntry, splitPackage } from '../../../src/engine/build/split.ts'
import { matchesPath } from '../../../src/engine/path-pattern.ts'

describe('patterns of paths', () => {
  const rows: readonly (readonly [pattern: string, yes: readonly string[], no: readonly string[]])[] = [
    ['/usr/bin/app', ['/usr/bin/app'], ['/usr/bin/app2', '/usr/bin', '/usr/bin/app/x']],
    ['/usr/bin/*', ['/usr/bin/app', '/usr/bin/.hidden'], ['/usr/bin', '/usr/bin/a/b', '/bin/app']],
    ['/usr/bin/a?p', ['/usr/bin/app', '/usr/bin/a*p', '/usr/bin/aép'], ['/usr/bin/ap', '/usr/bin/a/p']],
    ['/usr/**', ['/usr', '/usr/a', '/usr/a/.b/c'], ['/usr2', '/us']],
    ['/usr/**/*.so', ['/usr/a.so', '/usr/x/y/a.so', '/usr/.so'], ['/usr/a.so/b', '/lib/a.so']],
    ['/**/doc/**/x', ['/doc/x', '/a/doc/b/c/x', '/doc/doc/x'], ['/x', '/a/x', '/doc/x/y']],
    ['/a*b*c', ['/abc', '/aXbYc', '/abbcc', '/abcbc'], ['/ab', '/acb', '/abc/']],
    ['/a.b[c]', ['/a.b[c]'], ['/axb[c]', '/a.bc']],
  ]
  for (const [pattern, yes, no] of rows) {
    test(pattern, () => {
      assert.deepEqual(
        [...yes, ...no].filter((path) => matchesPath(pattern, path)),
        yes,
      )
    })
  }

  test('a hostile pattern costs no more than both lengths', () => {
    assert.equal(matchesPath(`/${'*a'.repeat(400)}b`, `/${'a'.repeat(4000)}`), false)
    assert.equal(matchesPath(`${'/**/a'.repeat(150)}/b`, '/a'.repeat(2000)), false)
  })
})

/** Entries as a scan gives them: `usr/` is a folder, `a -> b` a link; folders on the way are added. */
function tree(...lines: readonly string[]): readonly SplitEntry[] {
  const entries = new Map<string, SplitEntry>([['', { kind: 'directory', path: Buffer.alloc(0) }]])
  for (const line of lines) {
    const [path = '', target] = line.split(' -> ')
    const names = path.split('/').filter((name) => name !== '')
    names.forEach((_, index) => {
      const at = names.slice(0, index + 1).join('/')
      const leaf = index === names.length - 1 && !path.endsWith('/')
      const kind = leaf ? (target === undefined ? 'file' : 'symlink') : 'directory'
      const entry: SplitEntry = { kind, path: Buffer.from(at) }
      if (!entries.has(at))
        entries.set(at, target !== undefined && leaf ? { ...entry, target: Buffer.from(target) } : entry)
    })
  }
  // Depth first, children in byte order.
  const key = (path: Buffer): string => path.toString('latin1').replaceAll('/', '\0')
  return [...entries.values()].sort((a, b) => (key(a.path) < key(b.path) ? -1 : 1))
}

function split(
  lines: readonly string[],
  subpackages: readonly ('dev' | 'dbg')[],
  extraSubpackages: Readonly<Record<string, readonly string[]>> = {},
): { readonly parts: Readonly<Record<string, readonly string[]>>; readonly problems: readonly string[] } {
  const unit = { name: 'app', subpackages, extraSubpackages, upstreamTests: false }
  const { parts, problems, findings } = splitPackage(unit, tree(...lines))
  return {
    parts: Object.fromEntries(
      parts.map(({ suffix, entries }) => [
        suffix,
        entries.slice(1).map(({ kind, path }) => `${path}${kind === 'directory' ? '/' : ''}`),
      ]),
    ),
    problems: [...problems, ...findings].map(({ message, hint }) => `${message}: ${hint}`),
  }
}

describe('which package a file is in', () => {
  test('without subpackages all of it is one package, empty folders too', () => {
    const { parts, problems } = split(['usr/include/a.h', 'var/lib/app/'], [])
    assert.deepEqual(problems, [])
    assert.deepEqual(parts, { '': ['usr/', 'usr/include/', 'usr/include/a.h', 'var/', 'var/lib/', 'var/lib/app/'] })
  })

  test('dev and dbg take what their rules say, and nothing else', () => {
    const dev = [
      'usr/bin/xml2-config',
      'usr/include/deep/er/a.h',
      'usr/lib/cmake/x/x-config.cmake',
      'usr/lib/liby.so -> liby-2.0.so',
      'usr/lib/libx.a',
      'usr/lib/libx.so -> libx.so.1',
      'usr/lib/pkgconfig/x.pc',
      'usr/lib/x86_64-linux-gnu/libx.so -> /usr/lib/x86_64-linux-gnu/libx.so.1.2',
      'usr/lib/x86_64-linux-gnu/pkgconfig/x.pc',
      'usr/share/aclocal/x.m4',
      'usr/share/pkgconfig/x.pc',
    ]
    const dbg = ['usr/lib/debug/.build-id/ab/cd.debug', 'usr/lib/debug/usr/lib/libx.a']
    const main = [
      'usr/bin/config',
      'usr/lib/app/plugin.so -> libplugin.so.1',
      'usr/lib/libplain.so',
      'usr/lib/libalias.so -> libx.so.1',
      'usr/lib/libx.so.1 -> libx.so.1.2',
      'usr/lib/libx.so.1.2',
      'usr/share/include/a.h',
    ]
    const names = (lines: readonly string[] = []): readonly string[] =>
      lines
        .map((line) => line.replace(/ -> .*/, ''))
        .filter((line) => !line.endsWith('/'))
        .sort()
    const all = split([...dev, ...dbg, ...main], ['dev', 'dbg'])
    assert.deepEqual(all.problems, [])
    assert.deepEqual(Object.keys(all.parts), ['', 'dbg', 'dev'])
    assert.deepEqual(names(all.parts['dev']), names(dev))
    assert.deepEqual(names(all.parts['dbg']), names(dbg))
    assert.deepEqual(names(all.parts['']), names(main))
    assert.ok(!all.parts['']?.includes('usr/include/'), 'a folder whose content went elsewhere')
    assert.ok(all.parts['dbg']?.includes('usr/lib/debug/.build-id/'))
  })

  test('explicit lists win over the rules; a folder stands for what is in it', () => {
    const lines = [
      'etc/ssh/sshd_config',
      'usr/bin/ssh',
      'usr/include/a.h',
      'usr/include/b.h',
      'usr/sbin/sshd',
      'usr/share/keys/a/b',
    ]
    const { parts, problems } = split(lines, ['dev'], {
      server: ['/usr/sbin/*', '/etc/ssh/sshd_config', '/usr/share/keys'],
      api: ['/usr/include/b.h'],
    })
    assert.deepEqual(problems, [])
    assert.deepEqual(parts, {
      '': ['usr/', 'usr/bin/', 'usr/bin/ssh'],
      api: ['usr/', 'usr/include/', 'usr/include/b.h'],
      dev: ['usr/', 'usr/include/', 'usr/include/a.h'],
      server: [
        'etc/',
        'etc/ssh/',
        'etc/ssh/sshd_config',
        'usr/',
        'usr/sbin/',
        'usr/sbin/sshd',
        'usr/share/',
        'usr/share/keys/',
        'usr/share/keys/a/',
        'usr/share/keys/a/b',
      ],
    })
  })

  test('the main package may come out empty, and the order of declaration changes nothing', () => {
    const lines = ['usr/bin/a', 'usr/bin/b']
    const one = split(lines, [], { a: ['/usr/bin/a'], b: ['/usr/bin/b'] })
    assert.deepEqual(one, split(lines, [], { b: ['/usr/bin/b'], a: ['/usr/bin/a'] }))
    assert.deepEqual(one.parts, { '': [], a: ['usr/', 'usr/bin/', 'usr/bin/a'], b: ['usr/', 'usr/bin/', 'usr/bin/b'] })
  })

  test('suffixes that JavaScript knows are suffixes', () => {
    const { parts, problems } = split(['usr/bin/a'], [], Object.fromEntries([['constructor', ['/usr/bin/a']]]))
    assert.deepEqual([problems, parts['constructor']], [[], ['usr/', 'usr/bin/', 'usr/bin/a']])
  })

  const wrong: readonly (readonly [
    name: string,
    subpackages: readonly ('dev' | 'dbg')[],
    extra: Readonly<Record<string, readonly string[]>>,
    want: RegExp,
  ])[] = [
    [
      'a pattern that matches nothing',
      [],
      { s: ['/usr/bin/*', '/opt/**'] },
      /^extra_subpackages\["s"\]: nothing .* matches "\/opt\/\*\*": take it out/,
    ],
    [
      'a path that two lists claim',
      [],
      { s: ['/usr/bin/app'], t: ['/usr/**'] },
      /^extra_subpackages: \/usr\/bin\/app is in both "s" and "t": a file is in one package/,
    ],
    ['an empty list', [], { s: [] }, /^extra_subpackages\["s"\] names no file/],
    ['nothing for dev', ['dev'], {}, /^there is nothing for app-dev: it takes headers .*pkgconfig/],
    ['nothing for dbg', ['dbg'], {}, /^there is nothing for app-dbg: compile with \$CFLAGS/],
  ]
  for (const [name, subpackages, extra, want] of wrong) {
    test(name, () => {
      const { problems } = split(['usr/bin/app'], subpackages, extra)
      assert.equal(problems.length, 1)
      assert.match(problems[0] ?? '', want)
    })
  }

  test('everything wrong is told together', () => {
    assert.equal(split(['usr/bin/app'], ['dev', 'dbg'], { s: ['/a', '/b'] }).problems.length, 4)
  })
})
