import type { Mirrors } from '#engine/source/mirrors.ts'
import { hostMirrors } from '#feeds/debian/host-mirror.ts'

const archives = ['http://ftp.debian.org/debian', 'http://security.debian.org/debian-security']

/** Debian where this machine's own apt finds it: what a test that needs the real archive asks. */
export const hostsOwn: Mirrors = {
  rules: [],
  only: false,
  near: archives.flatMap((from) => hostMirrors(from, 'debian').map((to) => ({ from, to }))),
}
