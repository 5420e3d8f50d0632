import { feedBuiltin } from '../shared/feed-builtin.ts'
import { alpineFeedOptions } from './feed-options.ts'

/** `alpine_feed(...)` for MODULE.star and PROJECT.star: declares the feed `<module>.<name>`. */
export const alpineFeed = feedBuiltin('alpine_feed', 'apk', (given, at) => {
  const checked = alpineFeedOptions(given, at)
  return checked.ok ? { name: checked.options.name, distro: 'alpine' } : checked.errors
})
