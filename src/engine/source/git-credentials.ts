import { GitFailure, git } from './git-run.ts'

/**
 * The header that proves to a server who the user is, from whatever git itself would ask (without questions); undefined
 * when git knows nobody there.
 */
export async function gitCredentials(
  url: URL,
  signal: AbortSignal | undefined,
): Promise<Readonly<Record<string, string>> | undefined> {
  const asked = `protocol=${url.protocol.slice(0, -1)}\nhost=${url.host}\npath=${url.pathname.slice(1).replace(/\.git\/info\/lfs.*$/, '.git')}\n\n`
  if (/[\n\0]/.test(url.host + url.pathname)) return undefined
  try {
    const said = await git(['credential', 'fill'], { input: asked, signal })
    const field = (name: string): string | undefined => new RegExp(`^${name}=(.*)$`, 'm').exec(said)?.[1]
    const [user, password] = [field('username'), field('password')]
    if (user === undefined || password === undefined) return undefined
    return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }
  } catch (failure) {
    if (failure instanceof GitFailure) return undefined
    throw failure
  }
}
