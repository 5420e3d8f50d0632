/** Entries of package indices that are mutated at random, the same way each time. */

/** A stream of numbers below what is asked for, the same for a seed. */
export function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** Fields as the lines of an entry. @param between what stands between a field and its value */
export const render = (fields: Readonly<Record<string, string>>, between: string): string =>
  Object.entries(fields)
    .map(([field, value]) => `${field}${between}${value}\n`)
    .join('')

/** An entry of which one to three fields have poison in them, lost a part, changed places or are there twice. */
export function mutated(
  fields: Readonly<Record<string, string>>,
  { poison, between }: { readonly poison: readonly string[]; readonly between: string },
  next: (below: number) => number,
): string {
  const values: Record<string, string> = { ...fields }
  const names = Object.keys(fields)
  let extra = ''
  for (let count = next(3); count >= 0; count--) {
    const field = names[next(names.length)] ?? ''
    const value = values[field] ?? ''
    const at = next(value.length + 1)
    const bad = poison[next(poison.length)] ?? ''
    const kind = next(6)
    if (kind === 0) values[field] = bad
    else if (kind === 1) values[field] = value.slice(at) + value.slice(0, at)
    else if (kind === 2) delete values[field]
    else if (kind === 3) extra += `${field}${between}${bad}\n`
    else values[field] = value.slice(0, at) + bad + value.slice(at + next(3))
  }
  return render(values, between) + extra
}
