import { optional, parseArguments, required } from '../arguments.ts'
import { packageName, plainName } from '../names.ts'
import { list, named } from '../readers.ts'
import type { Builtin, Context, Invocation, Result } from './builtin.ts'

const signature = {
  fields: { artifacts: required(list(named(packageName))), distro: optional(named(plainName)) },
  positional: ['artifacts', 'distro'],
} as const

/**
 * `resolve_closure(artifacts, distro)`: names with all that units among them need when they are installed. In images/,
 * when every unit is declared; packages of feeds stand for themselves, since feeds are resolved for each image later.
 * @see seed, Naming and Resolution
 */
export const resolveClosure: Builtin = Object.assign(
  (invocation: Invocation, { declarations }: Context): Result => {
    const { builtin, at } = invocation
    const { names } = declarations
    if (names === undefined) {
      declarations.fail('BAD_FIELD', `${builtin}() belongs into files under images/: only then every unit is known`, {
        at,
      })
      return []
    }
    const parsed = parseArguments(signature, invocation)
    if (!parsed.ok) {
      declarations.errors.push(...parsed.errors)
      return []
    }
    const { artifacts, distro = declarations.project?.defaults.distro } = parsed.fields
    const [only, ...others] = names.distros
    const about = distro ?? (others.length === 0 ? only : undefined)
    if (about === undefined) {
      declarations.fail('BAD_FIELD', `${builtin}(): distro is missing`, {
        at,
        hint: `units of this project are for ${names.distros.join(', ')}: say which, or set defaults(distro = …)`,
      })
      return []
    }
    return [...names.closure(artifacts, about)]
  },
  { fields: signature.fields },
)
