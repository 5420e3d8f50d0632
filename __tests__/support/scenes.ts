/**
 * A repository and GitHub around it, as far as scenes of it need: the project as a user has it, with the workflows that the
 * page "Add it to your repository" has it written by, runs of them under act, and what services were asked meanwhile.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type ActOptions, type ActRun, layRelease, releasedAt, runAct } from './act.ts'
import { type GitHub, startGitHub } from './github-rest.ts'
import { type PagesService, startPages } from './pages-service.ts'
import { checkout } from './project.ts'
import { type ResultsService, type Scope, startResultsService } from './results-service.ts'

export type Files = Readonly<Record<string, string>>

export interface SceneOptions extends Partial<ActOptions> {
  readonly boot?: boolean
  /** With the workflow that calls the reusable one. */
  readonly short?: boolean
  /** Changes the workflow. */
  readonly workflow?: (text: string) => string
}

export const arch = process.arch === 'arm64' ? 'arm64' : 'x86_64'
const repository = { full_name: 'octo/widgets', default_branch: 'main' }
const push = { ref: 'refs/heads/main', repository }

/** What a page of ours shows as commands or YAML, in its order. */
export function shownIn(page: string, language: '' | 'yaml'): readonly string[] {
  const text = readFileSync(join(checkout, 'docs', page), 'utf8')
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].flatMap(([, kind = '', body = '']) =>
    kind === language ? [body] : [],
  )
}

/** The long workflow with the step that attests, which the page shows. */
export function attesting(workflow: string): string {
  const [step = ''] = shownIn('add-to-your-repository.md', 'yaml').filter((yaml) => yaml.includes('actions/attest'))
  return workflow
    .replace('id-token: write }', 'id-token: write, attestations: write }')
    .replace(/( signing-key: "\$\{\{ secrets\.YOE_SIGNING_KEY \}\}".*\n)/, `$1${step}`)
}

/** All that runs of a scene have in common. */
export class Scenes {
  readonly service: ResultsService
  readonly github: GitHub
  readonly pages: PagesService
  /** Our actions as a release has them. */
  readonly release: string
  /** Every run, the failed ones too. */
  readonly runs: ActRun[] = []
  /** What runs took and the cache held, for whoever reads the test's output. */
  readonly figures: string[] = []
  readonly #dir: string

  private constructor(dir: string, release: string, service: ResultsService, github: GitHub, pages: PagesService) {
    this.#dir = dir
    this.release = release
    this.service = service
    this.github = github
    this.pages = pages
    // Cache and artifacts are asked of the results service itself, whatever else of GitHub of these.
    service.elsewhere = (path) =>
      /^\/repos\/octo\/widgets\/pages/.test(path)
        ? pages.url
        : /^\/(graphql$|repos\/octo\/widgets($|\/(issues|releases|git|attestations|actions\/runs)\b))/.test(path)
          ? github.url
          : undefined
    pages.statuses = ['succeed']
  }

  /** @param dir empty folder */
  static async open(dir: string): Promise<Scenes> {
    const release = join(dir, 'release')
    const bundle = ['--disable-warning=ExperimentalWarning', 'scripts/bundle.ts', join(dir, 'dist')]
    execFileSync(process.execPath, bundle, { cwd: checkout, stdio: 'inherit' })
    layRelease(checkout, join(dir, 'dist'), release)
    const service = await startResultsService({ dir: join(dir, 'store') })
    const pages = join(dir, 'pages')
    mkdirSync(pages)
    return new Scenes(dir, release, service, await startGitHub(), await startPages(pages, service))
  }

  async close(): Promise<void> {
    await Promise.all([this.service.close(), this.github.close(), this.pages.close()])
    rmSync(this.#dir, { recursive: true, force: true })
  }

  /** One run on a machine that knows nothing: a fresh checkout, whose `cache/` is empty. */
  async run(
    files: Files,
    { boot = false, short = false, workflow = same, ...options }: SceneOptions = {},
  ): Promise<ActRun> {
    const start = performance.now()
    const number = this.runs.length + 1
    const result = await runAct({
      service: this.service,
      release: this.release,
      project: this.#project(files, { boot, short, workflow }),
      event: 'push',
      payload: push,
      run: `run-${number}`,
      ...options,
    })
    this.runs.push(result)
    const stored = this.service.caches.reduce((sum, { size }) => sum + size, 0) / 1e6
    const seconds = ((performance.now() - start) / 1000).toFixed(0)
    this.figures.push(`run ${number}: ${seconds} s, cache ${stored.toFixed(0)} MB`)
    return result
  }

  /** The fixture's project with the workflows that the page's first command writes, and some files changed. */
  #project(
    files: Files,
    { boot, short, workflow }: Required<Pick<SceneOptions, 'boot' | 'short' | 'workflow'>>,
  ): string {
    const folder = mkdtempSync(join(this.#dir, 'project-'))
    cpSync(join(checkout, '__tests__', 'fixtures', 'product'), folder, { recursive: true })
    const [init = ''] = shownIn('add-to-your-repository.md', '')[0]?.split('\n') ?? []
    const [, ...argv] = init.replace('--ci', short ? '--ci --ci-short' : '--ci').split(' ')
    const { status, stderr } = spawnSync(join(checkout, 'bin/yoe'), [...argv, '--actions', `octo/yoe@${releasedAt}`], {
      cwd: folder,
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(`${init}: ${stderr}`)
    const machine = readFileSync(join(folder, 'machines/box.star'), 'utf8').replace('"x86_64"', `"${arch}"`)
    const written = readFileSync(join(folder, '.github/workflows/images.yml'), 'utf8')
    const [key = ''] = shownIn('add-to-your-repository.md', 'yaml').flatMap(
      (yaml) => /cache-key: (.*)/.exec(yaml)?.[1] ?? [],
    )
    const all: Files = {
      'machines/box.star': machine,
      '.github/workflows/images.yml': workflow(written)
        .replace(/^permissions:/m, `env: { DEPLOY_TOKEN: "\${{ secrets.DEPLOY_TOKEN }}" }\npermissions:`)
        .replace('with: { cell:', `with: { boot-test: ${boot}, cache-key: "${key}", cell:`)
        .replace('with: { publish:', `with: { boot-test: ${boot}, publish:`)
        .replace('secrets: { ', `secrets: { cache-key: "\${{ secrets.YOE_CACHE_SIGNING_KEY }}", `),
      ...files,
    }
    for (const [path, text] of Object.entries(all)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    return folder
  }

  /** What was asked of the services since `from`, by what it means. */
  asked(from: number): Readonly<Record<'lookups' | 'saves' | 'downloads' | 'rest' | 'compared', number>> {
    const count = (pattern: RegExp): number =>
      this.service.requests.slice(from).filter((what) => pattern.test(what)).length
    return {
      lookups: count(/GetCacheEntryDownloadURL/),
      saves: count(/CreateCacheEntry/),
      downloads: count(/^GET \/devstoreaccount1\//),
      rest: count(/ \/(repos\/|graphql)/),
      compared: count(/\/compare\//),
    }
  }

  /** Lets GitHub say which files a pull request touches. */
  touches(...files: readonly string[]): void {
    this.service.intercept = (what) =>
      what.includes('/compare/') ? { status: 200, body: { files: files.map((filename) => ({ filename })) } } : undefined
  }
}

const same = (text: string): string => text

/** The event of a pull request: whose code it runs, and on which commit of the base branch it stands. */
export function pull(base: string, from = 'octo/widgets'): Pick<ActOptions, 'event' | 'payload' | 'scopes'> {
  const fork = from !== repository.full_name
  return {
    event: 'pull_request',
    payload: {
      action: 'opened',
      // act takes the ref from here, GitHub's own payload has it too.
      number: 7,
      repository,
      pull_request: {
        number: 7,
        base: { ref: 'main', sha: base, repo: { full_name: repository.full_name } },
        head: { ref: 'patch', sha: 'b'.repeat(40), repo: { full_name: from } },
      },
    },
    scopes: [...(fork ? [] : [own]), { Scope: 'refs/heads/main', Permission: 1 }],
  }
}

/** What a pull request's token may do in the cache, beside reading the base's. */
const own: Scope = { Scope: 'refs/pull/7/merge', Permission: 3 }

export const jobsOf = (result: ActRun): readonly string[] =>
  result.jobs.map(({ id, result: outcome }) => `${id} ${outcome}`)

/** The cell's page; the plan has one of its own. */
export const cellSummary = (result: ActRun): string => result.summaries.find((text) => text.includes('### Units')) ?? ''

/** The rows of its units table, as `name outcome`. */
export function outcomes(result: ActRun): readonly string[] {
  return [...cellSummary(result).matchAll(/^\| ([\w&#;-]+) \| (built|restored|at hand|❌ failed|skipped) \|/gm)]
    .map(([, name, what]) => `${name} ${what}`)
    .sort()
}
