import type { ScannedTree } from '#engine/build/destdir.ts'
import type { Alternatives, Dependency } from '#engine/catalog/package.ts'

/** Where only one version of Python looks: a virtual environment's packages, and compiled extensions. */
const ofOneVersion = /(?:^|\/)lib\/python3\.(\d+)\/site-packages\/|\.cpython-3(\d+)-[^/]*\.so$/

/**
 * The versions of Python that can load what a package has.
 *
 * @see dh_python3(1), ${python3:Depends}
 */
export function pythonDepends({ entries }: Pick<ScannedTree, 'entries'>): readonly Alternatives[] {
  const minors = new Set<number>()
  for (const { path } of entries) {
    const [, environment, extension] = ofOneVersion.exec(path.toString('latin1')) ?? []
    const minor = environment ?? extension
    if (minor !== undefined) minors.add(Number(minor))
  }
  return [...minors]
    .sort((a, b) => a - b)
    .flatMap((minor) => [python('>=', minor), python('<<', minor + 1)])
    .map((one): Alternatives => [one])
}

const python = (relation: '>=' | '<<', minor: number): Dependency => ({
  name: 'python3',
  version: { relation, version: `3.${minor}` },
})
