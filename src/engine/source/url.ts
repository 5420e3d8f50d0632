/** `url` as it may be shown and stored: without a user's credentials, and without a query, where tokens travel. */
export function shownUrl(url: string): string {
  const bare = url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, '$1***@')
  const cut = bare.search(/[?#]/)
  return cut === -1 ? bare : `${bare.slice(0, cut)}?***`
}

/** A reason why a redirect is not followed, or where it leads. */
export type Redirect = { readonly ok: true; readonly url: URL } | { readonly ok: false; readonly reason: string }

/**
 * Where an answer's Location leads. Refused: another scheme than http and https, https to http, control characters
 * (also percent-encoded ones, which some servers decode before they log or forward), and ports below 1024 that are not the web's.
 */
export function redirectTarget(from: URL, location: string | undefined): Redirect {
  const refuse = (reason: string): Redirect => ({ ok: false, reason })
  if (location === undefined || location === '') return refuse('redirects without saying where to')
  if (/[\x00-\x20\x7f-\x9f]|%[01][0-9a-f]|%7f/i.test(location))
    return refuse('redirects to an address with control characters')
  if (!URL.canParse(location, from.href)) return refuse('redirects to something that is no address')
  const url = new URL(location, from)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return refuse(`redirects to a ${url.protocol} address`)
  if (from.protocol === 'https:' && url.protocol === 'http:') return refuse('redirects from https to http')
  const port = Number(url.port)
  if (port !== 0 && port < 1024 && port !== 80 && port !== 443) return refuse(`redirects to port ${port}`)
  // The next server learns nothing of what was meant for this one, unless it is this one.
  if (url.origin === from.origin && url.username === '') {
    url.username = from.username
    url.password = from.password
  }
  return { ok: true, url }
}
