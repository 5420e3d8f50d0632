/**
 * Where a registry that answered a challenge gives permission for one repository; undefined when nothing can be asked.
 *
 * @param base of the registry: what it names may not be less safe
 * @param actions `pull`, or `pull,push`
 * @see Docker registry token authentication
 */
export function tokenAddress(challenge: string, base: string, repository: string, actions: string): URL | undefined {
  const field = (name: string): string | undefined => new RegExp(`\\b${name}="([^"]*)"`, 'i').exec(challenge)?.[1]
  const realm = field('realm')
  if (!/^bearer\s/i.test(challenge) || realm === undefined || !URL.canParse(realm)) return undefined
  const url = new URL(realm)
  if (url.protocol !== 'https:' && url.protocol !== new URL(base).protocol) return undefined
  const service = field('service')
  if (service !== undefined) url.searchParams.set('service', service)
  url.searchParams.set('scope', `repository:${repository}:${actions}`)
  return url
}

/** The token in an answer. @throws {SyntaxError} */
export function readToken(text: string): string | undefined {
  const answer: unknown = JSON.parse(text)
  if (typeof answer !== 'object' || answer === null) return undefined
  const token = 'token' in answer ? answer.token : 'access_token' in answer ? answer.access_token : undefined
  return typeof token === 'string' && /^[\x21-\x7e]{1,16384}$/.test(token) ? token : undefined
}
