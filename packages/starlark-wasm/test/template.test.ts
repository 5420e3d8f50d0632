import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  StarlarkFloat,
  type StarlarkInput,
  StarlarkSession,
  StarlarkStruct,
  StarlarkTuple,
  type TemplateOptions,
} from '../src/index.ts'
import { failureOf, summary } from './support.ts'

const session = await StarlarkSession.open()
const render = (text: string, context: StarlarkInput = new Map(), options?: TemplateOptions): Promise<string> =>
  session.renderTemplate('t.tmpl', text, context, options)
const mapOf = (entries: Readonly<Record<string, StarlarkInput>>): StarlarkInput => new Map(Object.entries(entries))

describe('templates have Go semantics', () => {
  const context = mapOf({
    name: 'web',
    port: 8080,
    debug: true,
    off: false,
    zero: 0,
    ratio: new StarlarkFloat(0.5),
    whole: new StarlarkFloat(2),
    none: null,
    big: 2n ** 70n,
    tags: ['a', 'b'],
    pair: new StarlarkTuple([1, 'x']),
    empty: [],
    machine: new StarlarkStruct(
      new Map<string, StarlarkInput>([
        ['arch', 'arm64'],
        ['serial', mapOf({ tty: 'ttyS0' })],
      ]),
    ),
  })
  const rows: readonly [text: string, want: string][] = [
    ['plain', 'plain'],
    ['{{.name}}:{{.port}} {{.debug}} {{.ratio}} {{.whole}} {{.big}}', 'web:8080 true 0.5 2 1180591620717411303424'],
    ['{{.none}}', '<no value>'],
    ['{{.machine.arch}} {{.machine.serial.tty}}', 'arm64 ttyS0'],
    ['{{range .tags}}[{{.}}]{{end}}', '[a][b]'],
    ['{{range $i, $t := .tags}}{{$i}}={{$t}} {{end}}', '0=a 1=b '],
    ['{{range $k, $v := .machine}}{{$k}} {{end}}', 'arch serial '],
    ['{{range .empty}}x{{else}}none{{end}}', 'none'],
    ['{{if .off}}1{{else if .zero}}2{{else}}3{{end}}', '3'],
    ['{{if and .debug (eq .name "web") (gt .port 80)}}yes{{end}}', 'yes'],
    ['{{with .machine}}{{.arch}}{{$.name}}{{end}}', 'arm64web'],
    ['{{- .name -}}  x  {{- /* comment */ -}}', 'webx'],
    ['{{printf "%05d %q %s" .port .name .tags}}', '08080 "web" [a b]'],
    ['{{.name | printf "%s-%s" "my" | len}}', '6'],
    ['{{index .tags 1}} {{index .pair 0}} {{len .tags}} {{slice .name 1}}', 'b 1 2 eb'],
    ['{{define "x"}}<{{.}}>{{end}}{{template "x" .name}}{{block "y" .port}}({{.}}){{end}}', '<web>(8080)'],
    ['{{range 3}}{{.}}{{end}}{{range $i, $e := .tags}}{{if $i}}{{break}}{{end}}{{$e}}{{end}}', '012a'],
    ['{{html "<&>"}} {{js "\'"}} {{urlquery "a b"}}', "&lt;&amp;&gt; \\' a+b"],
    ['{{"{{"}} ä→😀', '{{ ä→😀'],
    ['', ''],
  ]
  for (const [text, want] of rows) {
    test(JSON.stringify(text), async () => assert.equal(await render(text, context), want))
  }

  test('names that mean something to JavaScript are keys', async () => {
    const text = '{{.__proto__}} {{.constructor}}'
    assert.equal(
      await render(
        text,
        new Map([
          ['__proto__', 1],
          ['constructor', 2],
        ]),
      ),
      '1 2',
    )
    await failureOf(render(text), 'template')
  })
})

describe('a missing key', () => {
  test('is an error', async () => {
    const error = await failureOf(render('a\n\n  {{.nope}}'), 'template')
    assert.equal(summary(error), 'template t.tmpl:3:5 executing "t.tmpl" at <.nope>: map has no entry for key "nope"')
  })

  test('or what Go makes of it', async () => {
    assert.equal(await render('{{.nope}}', new Map(), { missingKey: 'default' }), '<no value>')
    assert.equal(await render('{{if .nope}}a{{else}}b{{end}}', new Map(), { missingKey: 'zero' }), 'b')
  })
})

describe('errors have a position', () => {
  const rows: readonly [text: string, want: string][] = [
    ['{{', 'template t.tmpl:1:0 unclosed action'],
    ['\n{{if}}{{end}}', 'template t.tmpl:2:0 missing value for if'],
    ['\n\n{{.x}', "template t.tmpl:3:0 bad character U+007D '}'"],
    ['{{nofunc 1}}', 'template t.tmpl:1:0 function "nofunc" not defined'],
    ['{{tick}}', 'template t.tmpl:1:0 function "tick" not defined'],
    [
      '{{template "gone"}}',
      'template t.tmpl:1:12 executing "t.tmpl" at <{{template "gone"}}>: template "gone" not defined',
    ],
    [
      'x {{index .list 5}}',
      'template t.tmpl:1:5 executing "t.tmpl" at <index .list 5>: error calling index: index out of range: 5',
    ],
  ]
  for (const [text, want] of rows) {
    test(JSON.stringify(text), async () => {
      assert.equal(summary(await failureOf(render(text, mapOf({ list: [1] })))), want)
    })
  }

  test('a context of functions, bytes or odd keys is refused', async () => {
    for (const value of [() => null, new Uint8Array(1), new Map([[1, 2]])]) {
      assert.match((await failureOf(render('', mapOf({ value })), 'template')).message, /a template context can't/)
    }
  })
})

describe('bounds', () => {
  const rows: readonly [name: string, text: string, options?: TemplateOptions][] = [
    ['an endless loop', '{{range 1000000000000}}{{end}}'],
    ['nested loops', '{{range 1000000}}{{range 1000000}}{{end}}{{end}}'],
    ['templates that call themselves twice', '{{define "x"}}{{template "x"}}{{template "x"}}{{end}}{{template "x"}}'],
    ['loops within if and with', '{{if 1}}{{with 1}}{{range 1000000000000}}{{else}}{{end}}{{end}}{{end}}'],
    ['output', '{{range 1000}}0123456789{{end}}', { maxOutputBytes: 9_999 }],
    ['a variable that doubles', '{{$x := "x"}}{{range 100}}{{$x = printf "%s%s" $x $x}}{{end}}'],
  ]
  for (const [name, text, options] of rows) {
    test(name, async () => {
      const own = await StarlarkSession.open({ limits: { memoryMiB: 64 } })
      const error = await failureOf(own.renderTemplate('t', text, null, options))
      assert.ok(error.kind === 'limit' || /maximum template depth/.test(error.message), summary(error))
    })
  }

  test('exactly at the limit is fine', async () => {
    assert.equal(
      (await render('{{range 1000}}0123456789{{end}}', new Map(), { maxOutputBytes: 10_000 })).length,
      10_000,
    )
  })

  test('depth costs the session at worst', async () => {
    const own = await StarlarkSession.open()
    for (const text of ['{{if 1}}'.repeat(100_000), `{{${'('.repeat(100_000)}`]) {
      await failureOf(own.renderTemplate('t', text, null))
      if (own.lost !== undefined) return
    }
  })
})
