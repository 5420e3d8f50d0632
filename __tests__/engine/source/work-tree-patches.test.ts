import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { userErrors } from '#engine/errors.ts'
import { commitPatches } from '#engine/source/work-tree-patches.ts'
import { hello, treeOf, userGit } from './trees.ts'

/** A diff of hello.c with `to` for `from` in line 5. */
const diff = (from: string, to: string): string => `--- a/hello.c
+++ b/hello.c
@@ -2,6 +2,6 @@

 int main(void)
 {
-\tputs("${from}");
+\tputs("${to}");
 \treturn 0;
 }
`

const mail = (
  subject: string,
  body: string,
): string => `From 1234567890123456789012345678901234567890 Mon Sep 17 00:00:00 2001
From: Zoé <zoe@example.org>
Date: Tue, 3 Mar 2020 10:20:30 +0100
Subject: [PATCH 3/7] ${subject}
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: 8bit

Why.
---
 hello.c | 2 +-
 1 file changed, 1 insertion(+), 1 deletion(-)

diff --git a/hello.c b/hello.c
${body}-- 
2.39.5

`

const rows: Readonly<
  Record<string, { readonly patches: readonly string[]; readonly log: string; readonly text: string }>
> = {
  'a mail keeps author, date and message': {
    patches: [mail('Say hi', diff('hello', 'hi'))],
    log: 'Zoé 2020-03-03 10:20:30 +0100 Say hi|Why.',
    text: 'hi',
  },
  'a plain diff is called like its file': {
    patches: [diff('hello', 'hi')],
    log: 'yoe 2024-01-01 00:00:00 +0000 1-fix|',
    text: 'hi',
  },
  'a diff that begins with what it is for': {
    patches: [`Description: greets\nAuthor: Bob <b@x>\nFrom here on\n---\nmore\n${diff('hello', 'hi')}`],
    log: 'yoe 2024-01-01 00:00:00 +0000 1-fix|Description: greets|Author: Bob <b@x>| From here on| ---|more',
    text: 'hi',
  },
  'one of svn, and without a line end': {
    patches: [
      `Index: hello.c\n${'='.repeat(67)}\n${diff('hello', 'hi').replace('--- a/hello.c', '--- a/hello.c\t(revision 1)')}`.trimEnd(),
    ],
    log: 'yoe 2024-01-01 00:00:00 +0000 1-fix|',
    text: 'hi',
  },
  'several, in their order; a file of mails is several commits': {
    patches: [mail('One', diff('hello', 'one')) + mail('Two', diff('one', 'two')), diff('two', 'three')],
    log: 'yoe 2024-01-01 00:00:00 +0000 2-fix|\nZoé 2020-03-03 10:20:30 +0100 Two|Why.\nZoé 2020-03-03 10:20:30 +0100 One|Why.',
    text: 'three',
  },
  'lines may have moved, as long as the context is the same': {
    patches: [diff('hello', 'hi').replace('-2,6 +2,6', '-12,6 +12,6')],
    log: 'yoe 2024-01-01 00:00:00 +0000 1-fix|',
    text: 'hi',
  },
}

const files = (folder: string, patches: readonly string[]) =>
  patches.map((text, index) => {
    const path = join(folder, `${index + 1}-fix.patch`)
    writeFileSync(path, text)
    return { path, label: `units/hello/${index + 1}-fix.patch` }
  })

for (const [name, { patches, log, text }] of Object.entries(rows)) {
  test(name, async (t) => {
    const [one, two] = [await treeOf(t), await treeOf(t)]
    const heads = []
    for (const { git, place, folder } of [one, two]) heads.push(await commitPatches(git, place, files(folder, patches)))
    assert.equal(heads[0], heads[1], 'equal patches give equal commits')
    const said = userGit(one.place, 'log', '--format=%an %ai %s%n%b', 'upstream..')
    assert.equal(
      said
        .trim()
        .replaceAll(/\n+(?=\S* ?\d{4}-)/g, '\n')
        .split('\n')
        .filter(Boolean)
        .join('\n'),
      shape(log),
    )
    assert.match(readFileSync(join(one.place.source, 'hello.c'), 'utf8'), new RegExp(`puts\\("${text}"\\)`))
    assert.equal(userGit(one.place, 'status', '--porcelain'), '')
  })
}

/** `subject|body|…` as git's log tells it. */
function shape(log: string): string {
  return log
    .split('\n')
    .flatMap((entry) => entry.split('|').filter(Boolean))
    .join('\n')
}

const failures: Readonly<Record<string, readonly [readonly string[], readonly RegExp[]]>> = {
  'a hunk whose context is another': [
    [diff('hello', 'one'), diff('hello', 'two')],
    [
      /^the patch units\/hello\/2-fix\.patch does not apply$/,
      /patch failed: hello\.c:2/,
      /│ -\s+puts\("hello"\);/,
      /│ \+\s+puts\("two"\);/,
    ],
  ],
  'one line of context is another: patch would find it near enough': [
    [diff('hello', 'hi').replace('int main(void)', 'int main()')],
    [/1-fix\.patch does not apply/, /patch failed: hello\.c:2/, /│ {2}int main\(\)/],
  ],
  'a file that is not there': [[diff('hello', 'hi').replaceAll('hello.c', 'gone.c')], [/1-fix\.patch/, /gone\.c/]],
  'a file outside': [[diff('hello', 'hi').replaceAll('b/hello.c', 'b/../../hello.c')], [/1-fix\.patch/, /hello\.c/]],
  'a file of git': [
    ['--- /dev/null\n+++ b/sub/.git/config\n@@ -0,0 +1 @@\n+[core]\n'],
    [/1-fix\.patch/, /invalid path '.*\.git\/config'/],
  ],
  'no patch at all': [['hello\n'], [/1-fix\.patch does not apply/]],
  'one that is there already': [
    [diff('hello', 'hi'), diff('hello', 'hi')],
    [/2-fix\.patch/, /patch failed/],
  ],
}

for (const [name, [patches, says]] of Object.entries(failures)) {
  test(`refused: ${name}`, async (t) => {
    const { git, place, folder } = await treeOf(t)
    const failure: unknown = await commitPatches(git, place, files(folder, patches)).catch((error: unknown) => error)
    const [error] = userErrors(failure) ?? []
    assert.ok(error, String(failure))
    assert.equal(error.code, 'TASK_FAILED')
    for (const line of says) {
      assert.ok(
        error.message.split('\n').some((text) => line.test(text.trim()) || line.test(text)),
        `${line} in ${error.message}`,
      )
    }
    assert.equal(userGit(place, 'status', '--porcelain'), '', 'the tree is as upstream has it')
    assert.equal(userGit(place, 'rev-parse', 'HEAD'), userGit(place, 'rev-parse', 'upstream'))
    assert.equal(readFileSync(join(place.source, 'hello.c'), 'utf8'), hello['hello.c'])
  })
}
