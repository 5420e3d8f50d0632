import { feedBuiltin } from '../shared/feed-builtin.ts'
import { aptFeedOptions } from './feed-options.ts'

/** `apt_feed(...)` for MODULE.star and PROJECT.star: declares the feed `<module>.<name>`. */
export const aptFeed = feedBuiltin('apt_feed', 'debian', (given, at) => {
  const checked = aptFeedOptions(given, at)
  return checked.ok ? checked.options : checked.errors
})
