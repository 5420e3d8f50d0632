import { YoeError } from '../../errors.ts'
import { required } from '../arguments.ts'
import { feedUrl } from '../names.ts'
import { follow, placeLabel } from '../place.ts'
import { handleKind, Mismatch, type Reader, set, text } from '../readers.ts'
import type { ProjectFeed, PublicKeyFile } from '../settings.ts'
import type { Builtin, Context, Invocation } from './builtin.ts'
import { making } from './builtin.ts'
import { existing } from './task.ts'

export const projectFeedKind = handleKind<ProjectFeed>('feed')

/** A few keys, each with its signatures. */
const largest = 1 << 16
const most = 16

/** What is wrong with it is not repeated: it may hold a password. */
const address: Reader<string> = (value) => {
  const found = text(value)
  if (!feedUrl.pattern.test(found)) throw new Mismatch(`must be ${feedUrl.says}`)
  return found
}

/** `feed(url, keys)` of a project: where its devices find its packages. */
export const feed: Builtin = making(
  projectFeedKind,
  { fields: { url: required(address), keys: required(set(text)) } },
  ({ url, keys }, invocation, context) => {
    const { at } = invocation
    if (keys.length === 0 || keys.length > most) {
      context.declarations.fail('BAD_FIELD', `feed(): keys must name 1 to ${most} files`, {
        at,
        hint: 'yoe key export feed >keys/NAME.asc, then keys = ["keys/NAME.asc"]',
      })
      return undefined
    }
    const files = keys.map((key) => keyFile(key, invocation, context))
    const read = files.filter((file) => file !== undefined)
    return read.length < files.length ? undefined : { url: url.replace(/\/+$/, ''), keys: read, at }
  },
  ({ url }) => ({ label: JSON.stringify(url) }),
)

function keyFile(reference: string, invocation: Invocation, context: Context): PublicKeyFile | undefined {
  const asked = follow(reference, invocation.calledFrom)
  // Until it is there: whoever wants to make the key has a project all the same.
  if (asked !== undefined && context.files.kindOf(asked) === 'missing') return { file: placeLabel(asked), content: '' }
  const place = existing(reference, invocation.calledFrom, 'file', invocation, context)
  if (place === undefined) return undefined
  const label = placeLabel(place)
  const wrong = (what: string, hint: string): undefined => {
    const message = `feed(): ${label} ${what}`
    context.declarations.errors.push(new YoeError('KEY_INVALID', message, { at: invocation.at, hint }))
    return undefined
  }
  const bytes = context.files.read(place)
  if (place.module !== '') return wrong('belongs to a module', 'copy it into the project: it says whom devices believe')
  if (isPrivate(bytes))
    return wrong(
      'is a private key',
      `remove it here and from git's history, replace the key (yoe key rotate), and name what yoe key export prints`,
    )
  if (bytes.length > largest) return wrong(`is larger than ${largest} bytes`, 'name a file of public keys alone')
  return { file: label, content: Buffer.from(bytes).toString('base64') }
}

/** Armored or PEM text; the first packet of an OpenPGP key that is not armored (RFC 9580, 4.2 and 5.5.1.3). */
function isPrivate(bytes: Uint8Array): boolean {
  const [first = 0] = bytes
  return first === 0xc5 || (first & 0xfc) === 0x94 || Buffer.from(bytes).includes('PRIVATE KEY')
}
