import { defaulting, optional } from '../arguments.ts'
import { folderText, goProxies, mirroredUrl, mirrorUrl, registryUrl } from '../names.ts'
import { dict, distinct, handleKind, integer, made, named, oneOrMore, size, text } from '../readers.ts'
import type { CacheSettings, Sources } from '../settings.ts'
import type { Builtin } from './builtin.ts'
import { defined, making } from './builtin.ts'
import { remoteCacheKind } from './remote-cache.ts'
import { signingKeys } from './signing.ts'

export const cacheKind = handleKind<CacheSettings>('cache')
export const sourcesKind = handleKind<Sources>('sources')

/** `cache(path, retention_days, budget, remote, signing)` of a project. */
export const cache: Builtin = making(
  cacheKind,
  {
    fields: {
      path: optional(named(folderText)),
      retention_days: optional(integer(1, 36_500)),
      budget: optional(size),
      remote: optional(distinct(made(remoteCacheKind), ({ name }) => name)),
      signing: optional(oneOrMore(text)),
    },
  },
  ({ path, retention_days: retentionDays, budget, remote, signing }, invocation, context) => {
    const keys = signing === undefined ? undefined : signingKeys(signing, invocation, context)
    if (signing !== undefined && keys === undefined) return undefined
    return defined<CacheSettings>({ path, retentionDays, budget, remote, signing: keys })
  },
  () => ({ label: '' }),
)

/** `sources(mirrors, go_proxy, npm_registry, pip_index)` of a project. */
export const sources: Builtin = making(
  sourcesKind,
  {
    fields: {
      mirrors: defaulting(dict(named(mirroredUrl), named(mirrorUrl)), {}),
      go_proxy: optional(named(goProxies)),
      npm_registry: optional(named(registryUrl)),
      pip_index: optional(named(registryUrl)),
    },
  },
  ({ mirrors, go_proxy: goProxy, npm_registry: npmRegistry, pip_index: pipIndex }) =>
    defined<Sources>({ mirrors, goProxy, npmRegistry, pipIndex }),
  () => ({ label: '' }),
)
