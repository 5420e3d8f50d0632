/** What a line of a log says, and what to do about it; `$1` is what was missing. */
const known: readonly (readonly [says: RegExp, hint: string])[] = [
  [
    /(?:^|[\s:])([\w.+-]+): (?:command not found|not found$)|Can't exec "([^"]+)"|[Pp]rogram '?([\w.+-]+)'? not found/,
    'the container has no "$1": a package in deps may bring it, else a container of your own (container = "…")',
  ],
  [
    /fatal error: '?([^\s:']+)'?(?:: No such file| file not found)/,
    '$1 comes with what deps names: a unit, or a -dev package of a feed; a compiler that finds it there is given $CPPFLAGS',
  ],
  [
    /cannot find -l(\S+?)(?::|$)|unable to find library -l(\S+)/,
    'lib$1 comes with what deps names: a unit, or a -dev package of a feed; a linker that finds it there is given $LDFLAGS',
  ],
  [
    /(?:Dependency (?:lookup for )?["']?([^\s"']+)["']? .*not found|No package '([^']+)' found|Package ["']?([^\s"',]+)["']?,? (?:was not found|required by .*not found)|Could NOT find (\w[\w.+-]*)|package configuration file provided by "([^"]+)"|Package requirements \(([\w.+-]+))/,
    '$1 comes with what deps names: a unit, or a -dev package of a feed',
  ],
  [
    /['‘"]?(\/[^'’":\s]+)['’"]?: Read-only file system/,
    'only $SRCDIR, $DESTDIR and /tmp can be written to, $1 can not: what is installed goes below $DESTDIR, where the install task has to say so',
  ],
  [
    /[Cc]ould ?n[o']t resolve (?:host|proxy)|Temporary failure in name resolution|Network is unreachable/,
    'tasks have no network: what they need is the source, or in deps; or task("fetch", network = True) gets it',
  ],
]

/**
 * What to do about a failure that the end of a log shows, where it is one of those that everybody meets.
 *
 * @param tail lines of what a task printed, which may be anything
 */
export function failureHint(tail: readonly string[]): string | undefined {
  // What a configure script looked for and did without comes before what it ended for.
  for (const line of tail.toReversed()) {
    if (line.startsWith('+ ')) return undefined
    for (const [says, hint] of known) {
      const match = says.exec(line.slice(0, 1000))
      if (match !== null) return hint.replace('$1', () => match.slice(1).find((part) => part !== undefined) ?? '')
    }
  }
  return undefined
}
