import type { PublicConfig } from '../model.ts'
import { devicePath, variableName } from '../names.ts'
import type { Reader } from '../readers.ts'
import { dict, either, list, Mismatch, named, set, text } from '../readers.ts'

/** One word for the shell of a build: what a compiler takes as one argument. */
const flagWord = named({
  pattern: /^[A-Za-z0-9_+@%:,./=~-]{1,500}$/,
  says: 'one compiler flag without white space or quotes',
})

/** `"-O2 -march=armv8-a"` or `["-O2", "-march=armv8-a"]`. */
const flags: Reader<readonly string[]> = either(list(flagWord), (value) =>
  text(value)
    .split(/\s+/)
    .filter((word) => word !== '')
    .map(flagWord),
)

const entries = {
  CFLAGS: flags,
  CXXFLAGS: flags,
  CPPFLAGS: flags,
  LDFLAGS: flags,
  include_paths: set(named(devicePath)),
  environment: dict(named(variableName), text),
} as const

/**
 * `public_config = {"CFLAGS": "-O2", "include_paths": ["/usr/include/x"], "environment": {…}}` of units and machines.
 * @see seed, Config Propagation
 */
export const publicConfig: Reader<PublicConfig> = (value) => {
  const given = dict(text, (member) => member)(value)
  for (const key of Object.keys(given)) {
    if (!Object.hasOwn(entries, key))
      throw new Mismatch(` takes ${Object.keys(entries).join(', ')}; not ${JSON.stringify(key)}`)
  }
  const read = <T>(key: keyof typeof entries, reader: Reader<T>, fallback: T): T => {
    const member = given[key]
    if (member === undefined) return fallback
    try {
      return reader(member)
    } catch (failure) {
      if (!(failure instanceof Mismatch)) throw failure
      throw new Mismatch(failure.message, `["${key}"]${failure.path}`)
    }
  }
  return {
    cflags: read('CFLAGS', entries.CFLAGS, []),
    cxxflags: read('CXXFLAGS', entries.CXXFLAGS, []),
    cppflags: read('CPPFLAGS', entries.CPPFLAGS, []),
    ldflags: read('LDFLAGS', entries.LDFLAGS, []),
    includePaths: read('include_paths', entries.include_paths, []),
    environment: read('environment', entries.environment, {}),
  }
}
