/** Completion as real shells do it. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { candidatesFor } from '#cli/completion/candidates.ts'
import { completionScripts } from '#cli/completion/scripts.ts'
import { removeTree } from '#engine/build/tree.ts'
import { checkout, projectIn, scratch, type TestProject } from '../support/project.ts'

const texts = {
  'PROJECT.star':
    'project(name = "demo", version = "1.0", modules = [module(local = "bsp")], defaults = defaults(machine = "desk-x86"))\n',
  'machines/m.star': 'machine(name = "desk-arm64", arch = "arm64")\nmachine(name = "desk-x86", arch = "x86_64")\n',
  'units/u.star': 'unit(name = "sensord", version = "1", description = "Reads: all sensors")\n',
  'images/i.star': 'image(name = "sense-image", artifacts = [])\n',
  'bsp/commands/flash-emmc.star': `command(
    name = "flash-emmc",
    description = "Writes the eMMC",
    args = [arg("image"), arg("--machine-port", type = "int"), arg("--force", type = "bool")],
)

def run(ctx):
    pass
`,
  'commands/$(touch pwned).star': 'x\n',
}

/** A line up to the cursor, and what may stand there; null: the shell's own file names. */
const lines: readonly (readonly [string, readonly string[] | null])[] = [
  ['yoe bui', ['build']],
  ['yoe fl', ['flash-emmc']],
  ['yoe build sens', ['sense-image', 'sensord']],
  ['yoe run sens', ['sense-image']],
  ['yoe build --mach', ['--machine']],
  ['yoe build --machine desk-a', ['desk-arm64']],
  ['yoe build --machine=desk-a', ['--machine=desk-arm64']],
  ['yoe build sensord --keep', ['--keep-going']],
  ['yoe config s', ['show', 'set']],
  ['yoe config set qemu-m', ['qemu-memory']],
  ['yoe ci --cell desk-x', ['desk-x86/sense-image']],
  ['yoe ci --through im', ['image']],
  ['yoe completion z', ['zsh']],
  ['yoe help conf', ['config']],
  ['yoe flash-emmc se', ['sense-image']],
  ['yoe flash-emmc --f', ['--force']],
  ['yoe --project PROJECT.star build sensor', ['sensord']],
  ['yoe build --project PROJ', null],
  ['yoe nothing of', []],
  ['yoe build "; touch pwned;', []],
]

describe('completion', () => {
  let project: TestProject
  let path = ''

  const folder = mkdtempSync(join(tmpdir(), 'yoe-completion-'))
  after(() => removeTree(folder))

  before(async () => {
    project = projectIn(join(folder, 'project'), join(folder, 'home'))
    project.write(texts)
    const bin = join(project.root, '..', 'bin')
    mkdirSync(bin)
    symlinkSync(join(checkout, 'bin/yoe'), join(bin, 'yoe'))
    path = `${bin}:${process.env['PATH']}`
    for (const args of [['key', 'show'], ['--help']]) {
      const ran = await project.yoe(args)
      assert.deepEqual([ran.code, ran.stderr], [0, ''])
    }
  })

  /** Runs a shell in the project. */
  function run(shell: string, args: readonly string[], input = ''): string {
    const env = { PATH: path, HOME: join(project.root, '..'), LANG: 'C.UTF-8', TERM: 'dumb' }
    const ran = spawnSync(shell, [...args], { cwd: project.root, env, input, encoding: 'utf8' })
    assert.equal(ran.error, undefined)
    assert.equal(ran.stderr, '')
    assert.ok(!existsSync(join(project.root, 'pwned')))
    return ran.stdout
  }

  it('in bash', () => {
    const asked = lines.map(([line]) => {
      // As readline divides it: `=` is a word of its own.
      const words = line.split(/ +|(?<==)|(?==)/).filter((word, index, all) => word !== '' || index === all.length - 1)
      const quoted = words.map((word) => `'${word}'`).join(' ')
      return `COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; _yoe; echo "\${COMPREPLY[*]}"\n`
    })
    const script = `source <(yoe completion bash)\ncomplete -p yoe\n${asked.join('')}`
    const [registered, ...answers] = run('bash', ['--norc'], script).split('\n')
    assert.equal(registered, 'complete -F _yoe yoe')
    for (const [index, [line, want]] of lines.entries()) {
      // What stands before `=` is on the line already.
      const rest = (want ?? []).map((text) => text.replace(/^--machine=/, ''))
      assert.equal(answers[index], rest.join(' '), line)
    }
  })

  it('in zsh', () => {
    const asked = lines.map(([line]) => {
      const words = line.split(/ +/)
      const quoted = words.map((word) => `'${word}'`).join(' ')
      return `words=(${quoted}); CURRENT=${words.length}; _yoe; print -- ":end"\n`
    })
    const stubs = `_describe() { print -rl -- "\${(@P)3}" }\n_files() { print -- files }\n`
    const script = `autoload -Uz compinit; compinit -u -D\nsource <(yoe completion zsh)\nprint $_comps[yoe]\n${stubs}${asked.join('')}`
    const [registered = '', ...told] = run('zsh', ['-f'], script).split(/(?<=^_yoe)\n|:end\n/)
    assert.equal(registered, '_yoe')
    for (const [index, [line, want]] of lines.entries()) {
      const found = (told[index] ?? '').split('\n').filter(Boolean)
      const names = found.map((entry) => entry.split(/(?<!\\):/)[0])
      assert.deepEqual(names, want === null ? ['files'] : want, line)
    }
  })

  it('in fish', () => {
    const asked = lines.map(([line]) => `complete -C '${line}'\necho ":end"\n`)
    const told = run('fish', ['--no-config', '-c', `yoe completion fish | source\n${asked.join('')}`]).split(':end\n')
    for (const [index, [line, want]] of lines.entries()) {
      const names = (told[index] ?? '').split('\n').filter(Boolean)
      // fish sorts by itself.
      assert.deepEqual(names.map((entry) => entry.split('\t')[0]).sort(), (want ?? ['PROJECT.star']).toSorted(), line)
    }
  })

  it('takes what a command last saw, evaluates nothing, writes nothing and fails never', async (t) => {
    const ask = (...words: string[]) =>
      project.yoe(['__complete', 'fish', String(words.length - 1), ...words]).then(({ code, stdout, stderr }) => {
        assert.deepEqual([code, stderr], [0, ''])
        return stdout
      })
    assert.equal(await ask('yoe', 'build', 'sensor'), 'sensord\tReads: all sensors\n')
    writeFileSync(join(project.root, 'units/u.star'), 'this is no Starlark\n')
    assert.equal(await ask('yoe', 'build', 'sensor'), 'sensord\tReads: all sensors\n')
    writeFileSync(join(project.root, 'local.star'), 'neither is this\n')
    assert.equal(await ask('yoe', 'build', 'sensor'), '')
    assert.match(await ask('yoe', 'buil'), /^build\t/)
    const nowhere = await project.yoe(['__complete', 'fish', '2', 'yoe', 'build', ''], { cwd: scratch(t) })
    assert.deepEqual(nowhere, { code: 0, stdout: '', stderr: '' })
    for (const args of [
      [],
      ['tcsh', '1', 'yoe'],
      ['bash', 'x', 'yoe', 'b'],
      ['bash', '99', 'yoe'],
      ['fish', '-1', 'yoe'],
    ]) {
      const ran = await project.yoe(['__complete', ...args])
      assert.deepEqual([ran.code, ran.stderr], [0, ''], args.join(' '))
    }
  })

  it('offers nothing that a shell could take for more than text', async () => {
    const evil = ['$(id)', '`id`', 'a b', "it's", '-rf;', 'a\nb', '\u202ex', 'good']
    const knowledge = {
      commands: evil.map((text) => ({ text, about: '' })),
      command: async () => undefined,
      names: () => [],
    }
    assert.deepEqual(await candidatesFor(knowledge, [], ''), [{ text: 'good', about: '' }])
    for (const script of Object.values(completionScripts)) assert.doesNotMatch(script, /\beval\b|compgen -W/)
  })
})
