import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ClosureGraph, wayFrom } from '#engine/catalog/chains.ts'
import type { PackageRecord } from '#engine/catalog/package.ts'
import { parseProvides, parseRelations } from '#feeds/debian/relations.ts'
import { debianVersions } from '#feeds/debian/version.ts'

/** `name version: depends ; provides` to a package. */
function closure(...lines: readonly string[]): ClosureGraph {
  const records = lines.map((line): PackageRecord => {
    const [, name = '', version = '', depends = '', provides = ''] = /^(\S+) ([^:\s]+):?([^;]*);?(.*)$/.exec(line) ?? []
    return {
      ...{ name, version, arch: 'amd64', conflicts: [], essential: false, priority: 'optional' },
      depends: depends.trim() === '' ? [] : parseRelations(depends.trim(), 'amd64'),
      provides: provides.trim() === '' ? [] : parseProvides(provides.trim(), 'amd64'),
      origin: { kind: 'feed', feed: 'f', path: '', sha256: '', size: 0 },
    }
  })
  return new ClosureGraph(records, debianVersions)
}

const way = (graph: ClosureGraph, from: string, to: string): string | undefined =>
  wayFrom(graph.leadingTo(to), from)?.join(' ')

describe('ClosureGraph', () => {
  it('finds a shortest way, and none where there is none', () => {
    const graph = closure('a 1: b, c', 'b 1: d', 'c 1: b', 'd 1', 'e 1: a')
    assert.equal(way(graph, 'a', 'd'), 'a b d')
    assert.equal(way(graph, 'e', 'd'), 'e a b d')
    assert.equal(way(graph, 'd', 'd'), 'd')
    assert.equal(way(graph, 'd', 'a'), undefined)
    assert.equal(way(graph, 'a', 'nothing'), undefined)
  })

  it('goes through what a package provides, but not past the package that is called so', () => {
    const graph = closure('app 1: mail, ssl (>= 3)', 'exim 1: ; mail', 'ssl 3', 'tls 1: ; ssl')
    assert.equal(way(graph, 'app', 'exim'), 'app exim')
    assert.equal(way(graph, 'app', 'tls'), undefined)
  })

  it('minds versions, those of provided names too', () => {
    const graph = closure('app 1: x (>= 2)', 'x 1', 'y 1: ; x (= 2)', 'z 1: ; x')
    assert.equal(way(graph, 'app', 'x'), undefined)
    assert.equal(way(graph, 'app', 'y'), 'app y')
    assert.equal(way(graph, 'app', 'z'), undefined)
  })

  it('ends in a circle', () => {
    const graph = closure('a 1: b', 'b 1: c', 'c 1: a')
    assert.equal(way(graph, 'b', 'a'), 'b c a')
  })
})
