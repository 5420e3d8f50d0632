/** The image of a registry that a text such as `golang:1.26` names. */
export interface ImageReference {
  /** With its registry: `docker.io/library/golang`. */
  readonly name: string
  /** '' when only a digest is given. */
  readonly tag: string
  /** SHA-256 of its manifest or index, in hexadecimal. */
  readonly digest?: string
}

const host = '(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::\\d{1,5})?)'
const part = '[a-z0-9]+(?:(?:\\.|__?|-{1,9})[a-z0-9]+){0,60}'
const tag = '[A-Za-z0-9_][A-Za-z0-9._-]{0,127}'

/** A name with a tag or a digest or both; without either it would be the name of a unit. @see OCI distribution, pull */
export const imagePattern: RegExp = new RegExp(
  `^(?=.*[:@])(?=.{3,400}$)(?:(?<host>${host})/)?(?<path>${part}(?:/${part}){0,9})(?::(?<tag>${tag}))?(?:@sha256:(?<digest>[0-9a-f]{64}))?$`,
)

/** Docker's own short names mean its registry, and official images have no owner in theirs. @returns undefined for what is none */
export function parseImage(text: string): ImageReference | undefined {
  const groups = imagePattern.exec(text)?.groups
  if (groups === undefined) return undefined
  const { path = '', tag: asked = '', digest } = groups
  if (asked === '' && digest === undefined) return undefined
  const first = groups['host']
  const isHost = first !== undefined && (/[.:]/.test(first) || first === 'localhost')
  const whole = isHost || first === undefined ? path : `${first}/${path}`
  const registry = isHost ? first : 'docker.io'
  const name = `${registry}/${registry === 'docker.io' && !whole.includes('/') ? 'library/' : ''}${whole}`
  return { name, tag: asked, ...(digest === undefined ? {} : { digest }) }
}

/** Where a registry answers, and what the repository is called there. Registries of this machine need no encryption. */
export function endpointOf({ name }: ImageReference): { readonly url: string; readonly repository: string } {
  const slash = name.indexOf('/')
  const registry = name.slice(0, slash)
  const address = registry === 'docker.io' ? 'registry-1.docker.io' : registry
  const plain = /^(localhost|127\.\d+\.\d+\.\d+)(:\d+)?$/.test(address)
  return { url: `${plain ? 'http' : 'https'}://${address}/`, repository: name.slice(slash + 1) }
}

/** As people write it: `docker.io/library/golang:1.26`. */
export function imageText({ name, tag, digest }: ImageReference): string {
  return `${name}${tag === '' ? '' : `:${tag}`}${tag === '' && digest !== undefined ? `@sha256:${digest}` : ''}`
}
