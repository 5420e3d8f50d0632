import { defaulting, optional, required } from '../arguments.ts'
import type { ImageUnit, ImageUser, Place } from '../model.ts'
import { devicePath, hostName, packageName, plainName, serviceName, userName } from '../names.ts'
import { dict, handleKind, integer, list, made, named, set, text } from '../readers.ts'
import type { Builtin } from './builtin.ts'
import { declaring, defined, making } from './builtin.ts'
import { partitionFault, partitionKind } from './machine.ts'
import { existing, testKind } from './task.ts'
import { distrosOf, identityFields } from './unit.ts'

const userKind = handleKind<ImageUser>('user')

/** crypt(3) text: `$y$…`, `''` for none, `!` for locked. Never a plain password. */
const passwordHash = named({
  pattern: /^(!|\*|\$[0-9a-z]+\$[A-Za-z0-9./$=,+-]{8,200})?$/,
  says: 'a crypt(3) hash as `mkpasswd` prints it, "" for no password or "!" for a locked account',
})

const sshKey = named({
  pattern:
    /^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-[a-z0-9-]+@openssh\.com) [A-Za-z0-9+/=]{16,4000}( [^\u0000-\u001f]{0,200})?$/,
  says: 'an OpenSSH public key on one line',
})

/** `user(name, uid, groups, shell, home, password, authorized_keys)` of an image. */
export const user: Builtin = making(
  userKind,
  {
    fields: {
      name: required(named(userName)),
      uid: optional(integer(0, 59999)),
      groups: defaulting(set(named(userName)), []),
      shell: optional(named(devicePath)),
      home: optional(named(devicePath)),
      password: defaulting(passwordHash, '!'),
      authorized_keys: defaulting(list(sshKey), []),
    },
    positional: ['name'],
  },
  ({ home, authorized_keys: authorizedKeys, ...fields }) =>
    defined<ImageUser>({
      ...fields,
      authorizedKeys,
      home: home ?? (fields.name === 'root' ? '/root' : `/home/${fields.name}`),
    }),
  (data) => ({ label: JSON.stringify(data.name) }),
)

const names = set(named(packageName))

/** `image(name, artifacts, …)`: packages in a root file system on a disk. */
export const image: Builtin = declaring(
  'units',
  {
    fields: {
      ...identityFields,
      artifacts: required(names),
      distro_artifacts: defaulting(dict(named(plainName), names), {}),
      exclude: defaulting(names, []),
      hostname: optional(named(hostName)),
      timezone: defaulting(
        named({ pattern: /^[A-Za-z0-9_+-]+(\/[A-Za-z0-9_+-]+)*$/, says: 'a time zone such as "Europe/Berlin"' }),
        'UTC',
      ),
      locale: defaulting(named({ pattern: /^[A-Za-z0-9_.@-]{1,40}$/, says: 'a locale such as "C.UTF-8"' }), 'C.UTF-8'),
      services: defaulting(set(named(serviceName)), []),
      users: defaulting(list(made(userKind)), []),
      overlays: defaulting(list(text), []),
      partitions: optional(list(made(partitionKind))),
      tests: defaulting(list(made(testKind)), []),
    },
  },
  (fields, invocation, context) => {
    const { at, file, via } = invocation
    const { distro: _, hostname, partitions, overlays, tests, distro_artifacts: distroArtifacts, ...rest } = fields
    const distros = distrosOf(fields, invocation, context)
    const fault = partitions === undefined ? undefined : partitionFault(partitions)
    if (fault !== undefined)
      context.declarations.fail('BAD_FIELD', `image(): partitions: ${fault}`, { at, unit: fields.name })
    const folders = overlays.flatMap((overlay): Place[] => {
      const place = existing(overlay, invocation.file, 'folder', invocation, context)
      return place === undefined ? [] : [place]
    })
    if (folders.length < overlays.length) return
    context.declarations.addUnit(
      defined<ImageUnit>({
        ...rest,
        kind: 'image',
        module: file.module,
        at,
        builtVia: via,
        distros,
        distroArtifacts,
        hostname,
        partitions,
        overlays: folders,
        checks: tests,
      }),
    )
  },
)
