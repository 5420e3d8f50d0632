import type { OwnFields, ScriptName } from './own-fields.ts'
import { scriptNames } from './own-fields.ts'

/** Only a machine that has started has it: nothing is started in an image that is being made. */
const isLive = '[ -e /run/openrc/softlevel ]'

/**
 * The scripts of a package by name: accounts before files are unpacked, since names in its tar mean them; services when
 * all is there; and what the unit has of its own.
 *
 * @param accounts shell commands
 * @param services that the package enables
 */
export function installScripts(
  accounts: readonly string[],
  services: readonly string[],
  own: OwnFields['scripts'],
): ReadonlyMap<ScriptName, string> {
  const made: Partial<Record<ScriptName, readonly string[]>> = {
    'pre-install': accounts,
    'pre-upgrade': accounts,
    'post-install': live(services, 'rc-service', 'start'),
    'post-upgrade': live(services, 'rc-service --ifstarted', 'restart'),
    'pre-deinstall': live(services, 'rc-service --ifstarted', 'stop'),
  }
  const scripts = new Map<ScriptName, string>()
  for (const name of scriptNames) {
    const [lines, text] = [made[name] ?? [], own[name]]
    if (lines.length > 0) scripts.set(name, joined(lines, text))
    else if (text !== undefined) scripts.set(name, text.startsWith('#!') ? text : `#!/bin/sh\n${text}`)
  }
  return scripts
}

/** A script in another language can't go on where one of the shell ends. */
function joined(lines: readonly string[], text: string | undefined): string {
  const first = `#!/bin/sh\nset -e\n${lines.map((line) => `${line}\n`).join('')}`
  if (text === undefined) return first
  const [, body = text] = /^#![^\n]*\n([\s\S]*)$/.exec(text) ?? []
  return `${first}set +e\n${body}`
}

const live = (services: readonly string[], command: string, verb: string): readonly string[] =>
  services.map((service) => `if ${isLive}; then ${command} ${service} ${verb} || true; fi`)
