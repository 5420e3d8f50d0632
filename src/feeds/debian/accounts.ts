import type { Permission } from '#engine/project/model.ts'
import { type BaseAccounts, fixedOwnerIn, type NumberedOwner } from '../shared/accounts.ts'

/** Users that every Debian system has, under these ids. @see base-passwd(7), passwd.master */
const users: Readonly<Record<string, number>> = {
  root: 0,
  daemon: 1,
  bin: 2,
  sys: 3,
  games: 5,
  man: 6,
  lp: 7,
  mail: 8,
  news: 9,
  uucp: 10,
  proxy: 13,
  'www-data': 33,
  backup: 34,
  list: 38,
  irc: 39,
  nobody: 65534,
}

/** Likewise groups. @see base-passwd(7), group.master */
const groups: Readonly<Record<string, number>> = {
  root: 0,
  daemon: 1,
  bin: 2,
  sys: 3,
  adm: 4,
  tty: 5,
  disk: 6,
  lp: 7,
  mail: 8,
  news: 9,
  uucp: 10,
  man: 12,
  proxy: 13,
  kmem: 15,
  dialout: 20,
  fax: 21,
  voice: 22,
  cdrom: 24,
  floppy: 25,
  tape: 26,
  sudo: 27,
  audio: 29,
  dip: 30,
  'www-data': 33,
  backup: 34,
  operator: 37,
  list: 38,
  irc: 39,
  src: 40,
  shadow: 42,
  video: 44,
  sasl: 45,
  plugdev: 46,
  staff: 50,
  games: 60,
  users: 100,
  nogroup: 65534,
}

export const debianAccounts: BaseAccounts = { users, groups }

/** The ids of an owner that every system knows; undefined when one is made where the package is installed. */
export const fixedOwner = (permission: Permission): NumberedOwner | undefined =>
  fixedOwnerIn(debianAccounts, permission)
