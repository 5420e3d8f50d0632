import type { ScannedTree } from '#engine/build/destdir.ts'

/** Where only one version of Python looks: a virtual environment's packages, and compiled extensions. */
const ofOneVersion = /(?:^|\/)lib\/python3\.(\d+)\/site-packages\/|\.cpython-3(\d+)-[^/]*\.so$/

/** The versions of Python that can load what a package has: `11` is 3.11; sorted. */
export function pythonMinors({ entries }: Pick<ScannedTree, 'entries'>): readonly number[] {
  const minors = new Set<number>()
  for (const { path } of entries) {
    const [, environment, extension] = ofOneVersion.exec(path.toString('latin1')) ?? []
    const minor = environment ?? extension
    if (minor !== undefined) minors.add(Number(minor))
  }
  return [...minors].sort((a, b) => a - b)
}
