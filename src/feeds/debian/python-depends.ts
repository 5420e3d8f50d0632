import type { ScannedTree } from '#engine/build/destdir.ts'
import type { Alternatives, Dependency } from '#engine/catalog/package.ts'
import { pythonMinors } from '../shared/python.ts'

/**
 * The versions of Python that can load what a package has.
 *
 * @see dh_python3(1), ${python3:Depends}
 */
export function pythonDepends(tree: Pick<ScannedTree, 'entries'>): readonly Alternatives[] {
  return pythonMinors(tree)
    .flatMap((minor) => [python('>=', minor), python('<<', minor + 1)])
    .map((one): Alternatives => [one])
}

const python = (relation: '>=' | '<<', minor: number): Dependency => ({
  name: 'python3',
  version: { relation, version: `3.${minor}` },
})
