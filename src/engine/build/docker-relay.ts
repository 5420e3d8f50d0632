import type Docker from 'dockerode'
import type { ContainerIds } from './docker-container.ts'
import { hostFolders, label, type RootImages } from './docker-images.ts'
import { ownerLabel, removeContainer, thisOwner } from './docker-orphans.ts'
import type { Egress } from './egress.ts'
import { relayArguments } from './relay.ts'
import { seccompProfile } from './seccomp.ts'

/**
 * Starts a relay in the network of a container, in a container of its own: a plain user can't enter another's network
 * namespace, and the daemon can. It runs this Node, in the host's own root.
 *
 * @param lost told when it ends by itself
 * @returns what ends it; resolves when it listens
 */
export async function startDockerRelay(
  docker: Docker,
  images: RootImages,
  network: string,
  egress: Egress,
  { uid, gid }: ContainerIds,
  lost: (why: string) => void,
): Promise<() => Promise<void>> {
  const shown: readonly (readonly [source: string, target: string])[] = [
    ...(await hostFolders()).map((path) => [path, path] as const),
    [process.execPath, '/node'],
    [egress.folder, egress.folder],
  ]
  const container = await docker.createContainer({
    Image: await images.hostId(),
    Labels: { [label]: 'run', [ownerLabel]: thisOwner() },
    User: `${uid}:${gid}`,
    Entrypoint: ['/node'],
    Cmd: relayArguments(egress, ''),
    OpenStdin: true,
    StdinOnce: true,
    HostConfig: {
      NetworkMode: `container:${network}`,
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      UsernsMode: 'host',
      SecurityOpt: ['no-new-privileges', 'label=disable', `seccomp=${JSON.stringify(seccompProfile('user'))}`],
      Mounts: shown.map(([Source, Target]) => ({ Type: 'bind' as const, Source, Target, ReadOnly: true })),
      LogConfig: { Type: 'none', Config: {} },
    },
  })
  let stopped = false
  try {
    const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true })
    let said = ''
    const up = new Promise<void>((resolve, reject) => {
      stream.on('data', (chunk: Buffer) => {
        said += chunk.toString()
        if (said.includes('up\n')) resolve()
      })
      stream.once('close', () => {
        const why = new Error(`the way to the network ended: ${said.trim()}`)
        reject(why)
        if (!stopped) lost(why.message)
      })
    })
    await container.start()
    await up
    return async () => {
      stopped = true
      stream.end()
      await removeContainer(docker, container.id)
    }
  } catch (failure) {
    stopped = true
    await removeContainer(docker, container.id)
    throw failure
  }
}
