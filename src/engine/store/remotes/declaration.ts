/** When results are sent to a shared cache: where they can be signed and the run is trusted; the same, and that they can't be is told; never. */
export const pushPolicies = ['auto', 'always', 'never'] as const
export type PushPolicy = (typeof pushPolicies)[number]

/** A cache that other machines share, as projects and flags name it; plain data. */
export type RemoteCache =
  | {
      readonly kind: 's3'
      readonly name: string
      readonly bucket: string
      /** `https://minio.example:9000`; undefined: that of AWS for the region. */
      readonly endpoint?: string
      readonly region?: string
      /** Of all names in the bucket, without a slash at its end; '' for none. */
      readonly prefix: string
      /** The bucket is a part of the path, not of the host; undefined: with an endpoint. */
      readonly pathStyle?: boolean
      readonly push: PushPolicy
    }
  | { readonly kind: 'http'; readonly name: string; readonly url: string }
  | {
      readonly kind: 'dir'
      readonly name: string
      /** Absolute, or relative to the project. */
      readonly path: string
      readonly push: PushPolicy
    }
  | {
      readonly kind: 'oci'
      readonly name: string
      /** `ghcr.io/acme/cache` */
      readonly image: string
      readonly push: PushPolicy
    }

/** What each part of a declaration must look like. */
export const remoteGrammars = {
  bucket: {
    pattern: /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/,
    says: 'the name of a bucket',
  },
  endpoint: {
    pattern: /^https?:\/\/[^\s"'<>\\`@?#,\u0000-\u001f]{1,500}$/,
    says: 'an http or https address without a user or password, such as "https://minio.example:9000"',
  },
  region: { pattern: /^[a-z0-9][a-z0-9-]{0,62}$/, says: 'a region such as "eu-central-1"' },
  prefix: {
    pattern: /^([\w-][\w.-]{0,200}(\/[\w-][\w.-]{0,200}){0,20})?$/,
    says: 'letters, digits, ".", "_" and "-", with "/" between, such as "team/cache"',
  },
  url: {
    pattern: /^https?:\/\/[^\s"'<>\\`@?#,\u0000-\u001f]{1,2000}$/,
    says: 'an http or https address without a user, password or query',
  },
  image: {
    pattern:
      /^(localhost|[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+|[a-z0-9.-]+:\d{1,5})(:\d{1,5})?(\/[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*){1,10}$/,
    says: 'a repository of a registry without a tag, such as "ghcr.io/acme/cache"',
  },
} as const satisfies Readonly<Record<string, { readonly pattern: RegExp; readonly says: string }>>

/**
 * The cache that an address of the command line or the environment means: `s3://bucket/prefix?endpoint=…&region=…`,
 * `https://…`, `file:///…`, `oci://host/name`; all but https take `push=always` or `push=never`.
 *
 * @returns or what is wrong with it, to be read after its text
 */
export function parseRemoteUrl(text: string): RemoteCache | string {
  if (!URL.canParse(text)) return 'is no address'
  const url = new URL(text)
  if (url.username !== '' || url.password !== '' || url.hash !== '') return 'must not hold a user, a password or a "#"'
  const options = new Map(url.searchParams)
  const take = (name: string): string | undefined => {
    const value = options.get(name)
    options.delete(name)
    return value
  }
  const remote = readUrl(url, take)
  if (typeof remote === 'string') return remote
  const [unknown] = options.keys()
  return unknown === undefined ? remote : `says "${unknown}", which ${url.protocol}// does not take`
}

function readUrl(url: URL, take: (name: string) => string | undefined): RemoteCache | string {
  const wanted = take('push') ?? 'auto'
  const push = pushPolicies.find((policy) => policy === wanted)
  if (push === undefined) return `has a "push" that is none of ${pushPolicies.join(', ')}`
  const path = decodeURIComponent(url.pathname)
  switch (url.protocol) {
    case 's3:': {
      const [bucket, prefix] = [url.host, path.replace(/^\/+|\/+$/g, '')]
      const [endpoint, region, style] = [take('endpoint'), take('region'), take('path_style')]
      const wrong =
        mistake('bucket', bucket) ??
        mistake('prefix', prefix) ??
        (endpoint === undefined ? undefined : mistake('endpoint', endpoint)) ??
        (region === undefined ? undefined : mistake('region', region)) ??
        (style === undefined || style === 'true' || style === 'false'
          ? undefined
          : 'has a "path_style" that is neither true nor false')
      if (wrong !== undefined) return wrong
      return {
        ...{ kind: 's3', name: bucket, bucket, prefix, push },
        ...(endpoint === undefined ? {} : { endpoint }),
        ...(region === undefined ? {} : { region }),
        ...(style === undefined ? {} : { pathStyle: style === 'true' }),
      }
    }
    case 'http:':
    case 'https:':
      return push === 'auto'
        ? { kind: 'http', name: url.host, url: url.href }
        : 'is read and never written: leave out "push"'
    case 'file:':
      return url.host === '' && path.length > 1
        ? { kind: 'dir', name: path, path, push }
        : 'is no folder of this machine: write file:///some/folder'
    case 'oci:': {
      const image = `${url.host}${path}`
      return mistake('image', image) ?? { kind: 'oci', name: image, image, push }
    }
    default:
      return 'is none of s3://, https://, http://, file:// and oci://'
  }
}

function mistake(part: keyof typeof remoteGrammars, value: string): string | undefined {
  const { pattern, says } = remoteGrammars[part]
  return pattern.test(value) ? undefined : `has no good ${part}: it must be ${says}`
}
