import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { YoeError } from '#engine/errors.ts'
import { zstdFrames } from '#engine/image/zstd.ts'
import { commandData, neutralText } from './neutral.ts'
import { publicFiles, type Redactions, redact } from './public-files.ts'

export interface Uploaded {
  readonly name: string
  /** The artifact's page. */
  readonly url: string
}

/** The artifacts of this run. A name is unique in a run: of a job that runs again the newer one stays. */
export class Artifacts {
  readonly #runUrl: string
  readonly #temp: string
  readonly #days: number | undefined
  readonly #write: (text: string) => void
  readonly #redactions: Redactions
  readonly uploaded: Uploaded[] = []

  /**
   * @param temp RUNNER_TEMP
   * @param write to the log: what the client says of an upload is one closed group
   * @param days how long they are kept; undefined: as the repository says
   * @param redactions what must stand in no text
   */
  constructor(runUrl: string, temp: string, write: (text: string) => void, days?: number, redactions: Redactions = []) {
    this.#redactions = redactions
    this.#runUrl = runUrl
    this.#write = write
    this.#temp = temp
    this.#days = days
  }

  /** A disk image, compressed: most of it is zeros. @throws {YoeError} PUBLISH_FAILED */
  async image(cell: string, path: string): Promise<Uploaded> {
    const folder = await mkdtemp(join(this.#temp, 'yoe-image-'))
    try {
      const file = join(folder, `${artifactName('image', cell)}.img.zst`)
      // Steps of a pipeline are called with options of its own, too.
      const compressed = (plain: AsyncIterable<Buffer>) => zstdFrames(plain)
      await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), compressed, createWriteStream(file))
      return await this.#upload(basename(file), [file], folder, { skipArchive: true })
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  /** A signed repository: what a feed consists of, and nothing else that lies there. @throws {YoeError} PUBLISH_FAILED */
  async feed(name: string, folder: string): Promise<Uploaded> {
    const { files, leftOut } = await publicFiles(folder)
    if (leftOut.length > 0) {
      const shown = leftOut.slice(0, 5).join(', ')
      this.#write(
        `${neutralText(`not uploaded, being no part of a feed: ${shown}${leftOut.length > 5 ? ', …' : ''}`)}\n`,
      )
    }
    return await this.#upload(name, [...files], folder, { compressionLevel: 0 })
  }

  /**
   * The archive of a site, as GitHub Pages takes it: by this name, and for a day, since nobody reads it afterwards.
   *
   * @returns the artifact's number
   * @throws {YoeError} PUBLISH_FAILED
   */
  async site(archive: string): Promise<number> {
    const options = { compressionLevel: 0, retentionDays: 1 }
    const { url } = await this.#upload('github-pages', [archive], dirname(archive), options)
    return Number(url.split('/').at(-1))
  }

  /** One text file: a report, a serial log; without secrets. @throws {YoeError} PUBLISH_FAILED */
  async text(name: string, path: string): Promise<Uploaded> {
    const folder = await mkdtemp(join(this.#temp, 'yoe-text-'))
    try {
      const file = join(folder, basename(path))
      await writeFile(file, redact(await readFile(path, 'utf8'), this.#redactions))
      return await this.#upload(name, [file], folder, { compressionLevel: 6 })
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  /** Downloads all artifacts of this run whose names start so, each into a folder of its name. @throws {YoeError} */
  async download(prefix: string, folder: string): Promise<readonly string[]> {
    const { DefaultArtifactClient } = await import('@actions/artifact')
    const client = new DefaultArtifactClient()
    const folders: string[] = []
    try {
      const { artifacts } = await client.listArtifacts({ latest: true })
      for (const { id, name, digest } of artifacts.filter((one) => one.name.startsWith(prefix))) {
        const path = join(folder, artifactName(name))
        const { digestMismatch } = await client.downloadArtifact(id, {
          path,
          ...(digest === undefined ? {} : { expectedHash: digest }),
        })
        if (digestMismatch === true)
          throw new YoeError('DIGEST_MISMATCH', `the artifact ${name} arrived damaged`, { hint: 're-run this job' })
        folders.push(path)
      }
    } catch (failure) {
      if (failure instanceof YoeError) throw failure
      throw new YoeError('FETCH_FAILED', `the artifacts of this run could not be fetched: ${reasonOf(failure)}`, {
        hint: 're-run this job',
        cause: failure,
      })
    }
    return folders.sort()
  }

  async #upload(
    name: string,
    files: string[],
    root: string,
    options: { compressionLevel?: number; skipArchive?: boolean; retentionDays?: number },
  ): Promise<Uploaded> {
    const { DefaultArtifactClient } = await import('@actions/artifact')
    const client = new DefaultArtifactClient()
    const upload = () =>
      client.uploadArtifact(name, files, root, {
        ...(this.#days === undefined ? {} : { retentionDays: this.#days }),
        ...options,
      })
    this.#write(`::group::Upload ${commandData(neutralText(name))}\n`)
    try {
      const { id } = await upload().catch(async (failure: unknown) => {
        if (!/already[ _]exists|\(409\)/i.test(String(failure))) throw failure
        await client.deleteArtifact(name)
        return await upload()
      })
      const uploaded = { name, url: `${this.#runUrl}/artifacts/${id}` }
      this.uploaded.push(uploaded)
      return uploaded
    } catch (failure) {
      throw new YoeError('PUBLISH_FAILED', `the artifact ${name} could not be uploaded: ${reasonOf(failure)}`, {
        hint: 're-run this job: what was built is restored',
        cause: failure,
      })
    } finally {
      this.#write('::endgroup::\n')
    }
  }
}

/** A name without the characters that an artifact's must not have. */
export function artifactName(...parts: readonly string[]): string {
  return parts.join('-').replaceAll(/[^A-Za-z0-9._+~-]+/g, '-')
}

/** The client's words, without the queries of addresses: they are signatures. */
function reasonOf(failure: unknown): string {
  return (failure instanceof Error ? failure.message : String(failure)).replaceAll(/\?[^\s"']*/g, '')
}
