import type { BuildContext } from '#engine/build/context.ts'
import type { Remotes } from '#engine/build/known-results.ts'
import { YoeError } from '#engine/errors.ts'
import type { LayerName, LayerStore } from '#engine/image/layers.ts'
import type { ImageNode } from '#engine/plan/graph.ts'
import type { SealedManifest } from '#engine/store/manifest.ts'
import { seal } from '#engine/store/manifest.ts'
import type { CacheSigner } from '#engine/store/signing.ts'

/**
 * The layer that takes long to make and seldom changes: a runner that has nothing brings it from a shared store and installs
 * only the project's own packages. The others change with every unit, and are quick to make.
 */
const shared: ReadonlySet<LayerName> = new Set(['feed packages'])

type LayeredImage = Pick<ImageNode, 'arch' | 'distro'> & { readonly unit: Pick<ImageNode['unit'], 'name'> }

/** The layers of a run's images: results like those of units, each under its own key. */
export class ImageLayers {
  readonly #context: BuildContext
  readonly #remotes: Remotes | undefined
  readonly #signer: CacheSigner | undefined
  readonly #saving: Promise<void>[] = []

  constructor(context: BuildContext, remotes: Remotes | undefined, signer: CacheSigner | undefined) {
    this.#context = context
    this.#remotes = remotes
    this.#signer = signer
  }

  of({ arch, distro, unit }: LayeredImage): LayerStore {
    const { store } = this.#context
    const file = async (hash: string): Promise<string | undefined> => {
      const [layer] = (await store.manifest(arch, hash))?.manifest.files ?? []
      if (layer !== undefined) store.used(arch, hash)
      return layer === undefined ? undefined : store.objects.path(layer.sha256)
    }
    return {
      find: async (key, name) => {
        const known = await file(key)
        if (known !== undefined || !shared.has(name)) return known
        return (await this.#remotes?.restore(arch, key, { title: `the ${name} of ${unit.name}` })) === undefined
          ? undefined
          : file(key)
      },
      keep: async (key, path, name) => {
        const layer = await store.objects.adopt(path)
        const sealed = seal(
          {
            unit: unit.name,
            arch,
            distro,
            hash: key,
            inputs: { layer: name },
            files: [{ name: 'layer.tar.zst', ...layer }],
            facts: { builtAt: Date.now(), ms: 0, builder: this.#context.builder },
          },
          store.scope,
          this.#signer,
        )
        await store.record(sealed)
        if (shared.has(name)) this.#share(sealed)
        const kept = await store.objects.path(layer.sha256)
        if (kept === undefined)
          throw new YoeError('STORE_DAMAGED', `${store.root} lost a layer that was just put into it`)
        return kept
      },
    }
  }

  #share(sealed: SealedManifest): void {
    if (this.#remotes !== undefined) this.#saving.push(this.#remotes.share(sealed))
  }

  /** Waits for what is still on its way to shared stores. */
  async settled(): Promise<void> {
    await Promise.all(this.#saving)
  }
}
