import type { RemoteCache } from '../../store/remotes/declaration.ts'
import { pushPolicies, remoteGrammars } from '../../store/remotes/declaration.ts'
import { defaulting, optional, required } from '../arguments.ts'
import { folderText, plainName } from '../names.ts'
import { flag, handleKind, named, oneOf } from '../readers.ts'
import type { Builtin } from './builtin.ts'
import { defined, making } from './builtin.ts'

/** A cache that is shared with other machines, whatever keeps it. */
export const remoteCacheKind = handleKind<RemoteCache>('s3_cache, http_cache, dir_cache or oci_cache')

const shown = ({ name }: RemoteCache) => ({ label: name })
const name = required(named(plainName))
const push = defaulting(oneOf(...pushPolicies), 'auto')

/** `s3_cache(name, bucket, endpoint, region, prefix, path_style, push)`. @see seed, Project Configuration */
export const s3Cache: Builtin = making(
  remoteCacheKind,
  {
    fields: {
      name,
      bucket: required(named(remoteGrammars.bucket)),
      endpoint: optional(named(remoteGrammars.endpoint)),
      region: optional(named(remoteGrammars.region)),
      prefix: defaulting(named(remoteGrammars.prefix), ''),
      path_style: optional(flag),
      push,
    },
  },
  ({ path_style: pathStyle, ...fields }) => ({
    kind: 's3' as const,
    ...defined<Omit<Extract<RemoteCache, { kind: 's3' }>, 'kind'>>({ ...fields, pathStyle }),
  }),
  shown,
)

/** `http_cache(name, url)`: any server of the files that another kind wrote. */
export const httpCache: Builtin = making(
  remoteCacheKind,
  { fields: { name, url: required(named(remoteGrammars.url)) } },
  (fields) => ({ kind: 'http' as const, ...fields }),
  shown,
)

/** `dir_cache(name, path, push)`: a folder that several machines see. */
export const dirCache: Builtin = making(
  remoteCacheKind,
  { fields: { name, path: required(named(folderText)), push } },
  (fields) => ({ kind: 'dir' as const, ...fields }),
  shown,
)

/** `oci_cache(name, image, push)`: a repository of a container registry. */
export const ociCache: Builtin = making(
  remoteCacheKind,
  { fields: { name, image: required(named(remoteGrammars.image)), push } },
  (fields) => ({ kind: 'oci' as const, ...fields }),
  shown,
)
