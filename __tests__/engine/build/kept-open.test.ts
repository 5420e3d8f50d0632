/** F9: a task gives an open file of its output to another build, which writes to it when it has been hashed. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { silent } from '#engine/events.ts'
import { Store } from '#engine/store/store.ts'
import { packDeb } from '#feeds/debian/pack.ts'
import { packInput } from '../../support/making.ts'
import { bash, run, scratch, unusable, worker, writableFolder } from './helpers.ts'

let reason: string | false = false
before(async () => {
  reason = await unusable()
})

/** `send SOCKET FILE` opens a file and gives it away; `take SOCKET SIGN` gets it, waits for a sign, and writes to it. */
const program = `
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(int n, char **a) {
  int sending = !strcmp(a[1], "send"), s = socket(AF_UNIX, SOCK_STREAM, 0), fd = -1;
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  strcpy(at.sun_path, a[2]);
  char byte = 0, room[CMSG_SPACE(sizeof fd)] = {0};
  struct iovec io = {&byte, 1};
  struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
  if (sending) {
    struct cmsghdr *with = CMSG_FIRSTHDR(&message);
    with->cmsg_level = SOL_SOCKET, with->cmsg_type = SCM_RIGHTS, with->cmsg_len = CMSG_LEN(sizeof fd);
    fd = open(a[3], O_RDWR);
    memcpy(CMSG_DATA(with), &fd, sizeof fd);
    return fd < 0 || connect(s, (void *)&at, sizeof at) || sendmsg(s, &message, 0) != 1;
  }
  if (bind(s, (void *)&at, sizeof at) || listen(s, 1)) return 1;
  puts("up"), fflush(stdout);
  if (recvmsg(accept(s, 0, 0), &message, 0) != 1) return 2;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  while (access(a[3], F_OK)) usleep(10000);
  return pwrite(fd, "tampered", 8, 0) != 8;
}
`

const digest = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

/** Both in sandboxes of their own, with a folder in common: more than any two builds have (cache_dirs are held by one). */
async function conspiracy(t: TestContext) {
  const folder = await scratch(t)
  writeFileSync(join(folder, 'fd.c'), program)
  await run('gcc', ['-o', join(folder, 'fd'), join(folder, 'fd.c')])
  const [shared, destdir] = [await writableFolder(t), await writableFolder(t)]
  const mounts = [
    { source: folder, target: '/program', writable: false },
    { source: shared, target: '/shared', writable: true },
  ]
  let listening = false
  const second = bash('exec /program/fd take /shared/socket /shared/go', {
    mounts,
    output: () => {
      listening = true
    },
  })
  second.catch(() => {})
  for (let tries = 0; !listening && tries < 500; tries++) await sleep(20)
  const first = await bash(
    'mkdir -p /out/usr/bin; echo "honest work" >/out/usr/bin/tool; chmod 755 /out/usr/bin/tool; exec /program/fd send /shared/socket /out/usr/bin/tool',
    { mounts: [...mounts, { source: destdir, target: '/out', writable: true }] },
  )
  assert.deepEqual(first.result, { kind: 'exited', code: 0 }, first.said)
  await worker.prepareReadable(destdir)
  return {
    folder,
    destdir,
    tamper: async () => {
      writeFileSync(join(shared, 'go'), '')
      assert.deepEqual((await second).result, { kind: 'exited', code: 0 })
    },
  }
}

test('F9 what was stored is a copy that no task ever had open; a file that is taken as it is changes', async (t) => {
  if (reason !== false) return t.skip(reason)
  const { folder, destdir, tamper } = await conspiracy(t)
  const tool = join(destdir, 'usr/bin/tool')
  // The naive store takes the file itself.
  const naive = join(folder, 'naive')
  linkSync(tool, naive)
  const believed = digest(naive)

  const outdir = join(folder, 'packages')
  mkdirSync(outdir)
  const [packed] = await packDeb(packInput(destdir, outdir, { unit: { scope: 'noarch' } }))
  const store = await Store.open(join(folder, 'cache'), { report: silent })
  const { sha256 } = await store.objects.adopt(packed?.path ?? '')

  await tamper()
  assert.equal(readFileSync(tool, 'utf8'), 'tamperedork\n')
  assert.notEqual(digest(naive), believed)
  const stored = await store.objects.path(sha256)
  assert.ok(stored)
  assert.equal(digest(stored), sha256)
  const out = join(folder, 'out')
  await run('dpkg-deb', ['--extract', stored, out])
  assert.equal(readFileSync(join(out, 'usr/bin/tool'), 'utf8'), 'honest work\n')
})
