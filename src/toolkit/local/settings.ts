import { isWorkerName, type WorkerName, workerNames } from '#engine/build/choose-worker.ts'
import { isLimitName, limitNames, readLimit } from '#engine/build/limits.ts'
import type { Limits } from '#engine/build/worker.ts'
import type { Position } from '#engine/errors.ts'
import { YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { Grammar } from '#engine/project/names.ts'
import { plainName, title, unitName } from '#engine/project/names.ts'
import type { Forward } from '#engine/project/scalars.ts'
import { portForward, sizeInBytes } from '#engine/project/scalars.ts'
import type { Assignment, Literal } from './syntax.ts'

/** What a developer chose for a project on this machine; see docs/local.md for what each means. */
export interface LocalSettings {
  readonly machine?: string
  readonly image?: string
  readonly default_distro_override?: string
  readonly parallel_builds?: number
  /** Bytes. */
  readonly qemu_memory?: number
  readonly qemu_display?: 'on' | 'off'
  readonly qemu_ports?: readonly Forward[]
  /** A block device: `/dev/sdb`. */
  readonly flash_device?: string
  /** `[user@]host[:port]`. */
  readonly deploy_host?: string
  /** What lists show when no query is given. */
  readonly query?: string
  readonly mirrors?: Readonly<Record<string, string>>
  /** Folder of the cache, relative to the project. */
  readonly cache?: string
  /** Where tasks run. */
  readonly worker?: WorkerName
  /** Bytes a second that go to shared caches, and as many that come from them. */
  readonly cache_bandwidth?: number
  /** What bounds tasks on this machine, over what units say. */
  readonly limits?: Partial<Limits>
}

export type LocalKey = keyof LocalSettings

interface Setting<T> {
  /** The typed value, or what it must be: `"on" or "off"`. */
  readonly read: (value: Literal) => { readonly value: T } | string
  /** The literal that a word of the command line means; a string stands for itself. */
  readonly fromText?: (text: string) => Literal
  readonly example: string
}

const device: Grammar = {
  pattern: /^\/dev\/(?!.*\.\.)[A-Za-z0-9/._:+-]{1,200}$/,
  says: 'a device such as "/dev/sdb"',
}

const remoteHost: Grammar = {
  pattern: /^([a-z_][a-z0-9_-]{0,31}@)?([A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9a-fA-F:]{2,39}\])(:[0-9]{1,5})?$/,
  says: 'a host such as "pi@dev-pi.local" or "localhost:2222"',
}

const folder: Grammar = { pattern: /^[^\u0000-\u001f\u007f]{1,1000}$/, says: 'the path of a folder' }

const scp = /^[a-z_][a-z0-9_-]{0,31}@[A-Za-z0-9.-]{1,253}:[^\s\u0000-\u001f\u007f]{0,2000}$/i
const url = /^[a-z][a-z0-9+.-]*:\/\/[^\s\u0000-\u001f\u007f]{1,2000}$/i

function word(grammar: Grammar, example: string): Setting<string> {
  return {
    read: (value) => (typeof value === 'string' && grammar.pattern.test(value) ? { value } : `text: ${grammar.says}`),
    example,
  }
}

function readLimits(value: Literal): { readonly value: Partial<Limits> } | string {
  const known = `a dict of limits (${limitNames.join(', ')}), such as {"memory": "8G"}`
  if (!(value instanceof Map)) return known
  const limits: Partial<Limits>[] = []
  for (const [name, amount] of value) {
    if (!isLimitName(name)) return known
    const read = readLimit(name, amount)
    if (typeof read === 'string') return `a dict in which ${JSON.stringify(name)} is ${read}`
    limits.push(read)
  }
  return { value: Object.assign({}, ...limits) }
}

const fewestJobs = 1
const mostJobs = 256

/** Every key of `local.star`, and what it may hold. */
export const localKeys: { readonly [K in LocalKey]-?: Setting<NonNullable<LocalSettings[K]>> } = {
  machine: word(plainName, 'qemu-arm64'),
  image: word(unitName, 'dev-image'),
  default_distro_override: word(plainName, 'debian'),
  parallel_builds: {
    read: (value) =>
      typeof value === 'number' && value >= fewestJobs && value <= mostJobs
        ? { value }
        : `a whole number from ${fewestJobs} to ${mostJobs}`,
    fromText: (text) => (/^[0-9]{1,9}$/.test(text) ? Number(text) : text),
    example: '8',
  },
  qemu_memory: {
    read: (value) => {
      const bytes = typeof value === 'string' ? sizeInBytes(value) : undefined
      return bytes === undefined ? 'a size such as "2G" or "512M"' : { value: bytes }
    },
    example: '2G',
  },
  qemu_display: {
    read: (value) => (value === 'on' || value === 'off' ? { value } : '"on" or "off"'),
    example: 'on',
  },
  qemu_ports: {
    read: (value) => {
      const forwards = Array.isArray(value)
        ? value.map((item) => (typeof item === 'string' ? portForward(item) : undefined))
        : [undefined]
      const known = forwards.filter((forward) => forward !== undefined)
      return known.length === forwards.length ? { value: known } : 'a list of "HOST:GUEST", such as ["9000:9000"]'
    },
    fromText: (text) => text.split(',').map((part) => part.trim()),
    example: '9000:9000,8081:80',
  },
  flash_device: word(device, '/dev/sdb'),
  deploy_host: word(remoteHost, 'root@dev-pi.local'),
  query: word(title, 'type:image'),
  mirrors: {
    read: (value) => {
      const entries = value instanceof Map ? [...value] : [['', '']]
      const known = entries.flatMap(([from = '', to]) =>
        typeof from === 'string' && (url.test(from) || scp.test(from)) && typeof to === 'string' && url.test(to)
          ? [[from, to] as const]
          : [],
      )
      return known.length === entries.length
        ? { value: Object.fromEntries(known) }
        : 'a dict from address to address, such as {"https://example.org/pool/": "http://mirror.lan/pool/"}'
    },
    // An address may hold "=" itself: the one that an address follows divides.
    fromText: (text) =>
      new Map(
        text.split(',').map((entry): [string, Literal] => {
          const [, from = '', to = ''] = /^\s*(.+?)=([a-z][a-z0-9+.-]*:\/\/.+?)\s*$/i.exec(entry) ?? []
          return [from, to]
        }),
      ),
    example: 'https://example.org/pool/=http://mirror.lan/pool/',
  },
  cache: word(folder, '../cache'),
  cache_bandwidth: {
    read: (value) => {
      const rate = typeof value === 'string' ? sizeInBytes(value) : undefined
      return rate === undefined ? 'bytes a second such as "5M" or "500K"' : { value: rate }
    },
    example: '5M',
  },
  worker: {
    read: (value) =>
      typeof value === 'string' && isWorkerName(value)
        ? { value }
        : workerNames.map((name) => `"${name}"`).join(' or '),
    example: 'docker',
  },
  limits: {
    read: readLimits,
    fromText: (text) =>
      new Map(
        text.split(',').map((entry): [string, Literal] => {
          const [name = '', value = ''] = entry.split('=').map((part) => part.trim())
          return [name, /^[0-9]{1,15}$/.test(value) ? Number(value) : value]
        }),
      ),
    example: 'memory=8G,time=8h',
  },
}

export const localKeyNames: readonly string[] = Object.keys(localKeys)

export function isLocalKey(name: string): name is LocalKey {
  return Object.hasOwn(localKeys, name)
}

/** Settings of a file, and where each stands. */
export interface Local {
  readonly settings: LocalSettings
  readonly at: ReadonlyMap<string, Position>
}

/** Checks every assignment. @returns the settings, or every error */
export function readSettings(assignments: readonly Assignment[]): Local | readonly YoeError[] {
  const errors: YoeError[] = []
  const found = new Map<string, unknown>()
  const places = new Map<string, Position>()
  for (const { name, value, at } of assignments) {
    const first = places.get(name)
    if (!isLocalKey(name)) {
      const hint = didYouMean(name, localKeyNames) ?? `it has: ${localKeyNames.join(', ')}`
      errors.push(new YoeError('UNKNOWN_FIELD', `local.star has no setting "${name}"`, { at, hint }))
      continue
    }
    if (first !== undefined) {
      errors.push(
        new YoeError('DUPLICATE', `${name} is set twice`, {
          at,
          hint: `the first is at line ${first.line}; remove one`,
        }),
      )
      continue
    }
    places.set(name, at)
    const read = localKeys[name].read(value)
    if (typeof read === 'string') errors.push(new YoeError('BAD_FIELD', `${name} must be ${read}`, { at }))
    else found.set(name, read.value)
  }
  if (errors.length > 0) return errors
  // Every value was read by the reader of its own key just above.
  return { settings: Object.fromEntries(found) as LocalSettings, at: places }
}

/**
 * The literal that `config set KEY TEXT` writes.
 * @throws {YoeError} USAGE when the text is no value for that key
 */
export function literalOf(key: LocalKey, text: string): Literal {
  const setting = localKeys[key]
  const literal = setting.fromText?.(text) ?? text
  const read = setting.read(literal)
  if (typeof read !== 'string') return literal
  const dashed = key.replaceAll('_', '-')
  throw new YoeError('USAGE', `${JSON.stringify(text)} is nothing for ${dashed}: it must be ${read}`, {
    hint: `such as: yoe config set ${dashed} ${setting.example}`,
  })
}
