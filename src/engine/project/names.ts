import { imagePattern } from '../containers/reference.ts'

/** What a declared name must look like, and the words that say so. Names become folders, package names and keys. */
export interface Grammar {
  readonly pattern: RegExp
  readonly says: string
}

/** Also a Debian package name (Debian policy 5.6.7) and an apk one. */
export const unitName: Grammar = {
  pattern: /^[a-z0-9][a-z0-9+.-]{1,99}$/,
  says: 'lower-case letters, digits, "+", "-" and ".", starting with a letter or digit, 2 to 100 characters',
}

/**
 * What may be asked for: a unit, a package of any feed (Alpine has `wpa_supplicant` and `R`), or what an apk package provides
 * by its files (`so:libz.so.1`, `cmd:sh`, `pc:zlib`). Whether it is there is decided when it is resolved.
 */
export const packageName: Grammar = {
  pattern: /^(?:[A-Z]|(?:(?:so|cmd|pc):)?[A-Za-z0-9][A-Za-z0-9._+-]{1,99})$/,
  says: 'the name of a unit or package: letters, digits, "+", "-", "_" and ".", starting with a letter or digit',
}

/** An image of a registry. */
export const imageName: Grammar = {
  pattern: imagePattern,
  says: 'an image of a registry with its tag or digest, such as "golang:1.26" or "ghcr.io/acme/tools:2"',
}

/** A root to run tasks in: a unit, or an image of a registry. */
export const containerName: Grammar = {
  pattern: new RegExp(`(?:${unitName.pattern.source})|(?:${imagePattern.source})`),
  says: 'the name of a container, or an image of a registry with its tag such as "golang:1.26"',
}

export const plainName: Grammar = {
  pattern: /^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$/,
  says: 'letters, digits, "+", "-", "_" and ".", starting with a letter or digit, at most 100 characters',
}

export const versionText: Grammar = {
  pattern: /^[0-9A-Za-z][0-9A-Za-z.+~_]{0,99}$/,
  says: 'letters, digits, ".", "+", "~" and "_" (1.0_rc1 for Alpine or 1.0~rc1 for Debian, not 1.0-rc1), starting with a letter or digit',
}

/** A version as packages of any format have it: with epoch and revision. */
export const packageVersion: Grammar = {
  pattern: /^[0-9A-Za-z][0-9A-Za-z.+~_:-]{0,199}$/,
  says: 'letters, digits, ".", "+", "~", "_", ":" and "-", starting with a letter or digit',
}

/** The name of a file system partition: GPT holds 36 characters, ext4 16. */
export const partitionLabel: Grammar = {
  pattern: /^[A-Za-z0-9][A-Za-z0-9_-]{0,15}$/,
  says: 'letters, digits, "-" and "_", at most 16 characters',
}

/** RFC 1123. */
export const hostName: Grammar = {
  pattern: /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/,
  says: 'letters, digits and "-", at most 63 characters',
}

/** What useradd accepts. */
export const userName: Grammar = {
  pattern: /^[a-z_][a-z0-9_-]{0,31}$/,
  says: 'lower-case letters, digits, "-" and "_", starting with a letter, at most 32 characters',
}

/** A title that people read, on one line. */
export const title: Grammar = {
  pattern: /^[^\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069]{1,200}$/,
  says: 'one line of at most 200 characters, without control characters',
}

/** systemd and OpenRC service names. */
export const serviceName: Grammar = {
  pattern: /^[A-Za-z0-9][A-Za-z0-9:_.@-]{0,254}$/,
  says: 'letters, digits, ":", "_", ".", "@" and "-"',
}

/** A variable of the environment. */
export const variableName: Grammar = {
  pattern: /^[A-Za-z_][A-Za-z0-9_]{0,99}$/,
  says: 'letters, digits and "_", not starting with a digit, at most 100 characters',
}

/** An absolute path on the device, already in its shortest form. */
export const devicePath: Grammar = {
  pattern: /^(?!.*(?:\/\/|\/\.\.?(?:\/|$)))\/[^\u0000-\u001f\u007f]*[^/\u0000-\u001f\u007f]$/,
  says: 'an absolute path such as /etc/app.conf, without "..", "." or "//"',
}

export const gitCommit: Grammar = {
  pattern: /^[0-9a-f]{40}$/,
  says: 'a full commit id: 40 lower-case hexadecimal digits',
}

export const sha256Text: Grammar = {
  pattern: /^[0-9a-f]{64}$/,
  says: '64 lower-case hexadecimal digits',
}

/** A name that git takes for a tag or branch (git-check-ref-format), never an option. */
export const gitRef: Grammar = {
  pattern: /^(?!.*(\.\.|\/\/|@\{|\.lock(\/|$)|\/\.))[A-Za-z0-9_][A-Za-z0-9._/@+-]{0,199}(?<![./])$/,
  says: 'the name of a tag or branch, or a commit id',
}

/** Where git fetches from: a URL, or the scp form of ssh. */
export const gitUrl: Grammar = {
  pattern:
    /^((https?|git|ssh|file):\/\/[^\s"'<>\\`\u0000-\u001f]{1,2000}|[a-z_][a-z0-9_-]{0,31}@[A-Za-z0-9.-]{1,253}:[A-Za-z0-9._~/-]{1,1000})$/,
  says: 'a URL of http, https, git, ssh or file, or user@host:path',
}

/** Where sources are fetched from. */
export const sourceUrl: Grammar = gitUrl

/** What addresses that are found elsewhere begin with. */
export const mirroredUrl: Grammar = {
  pattern:
    /^((https?|file|git|ssh):\/\/[^\s"'<>\\`,\u0000-\u001f]{1,2000}|[a-z_][a-z0-9_-]{0,31}@[A-Za-z0-9.-]{1,253}:[A-Za-z0-9._~/-]{0,1000})$/,
  says: 'an address such as "https://example.org/pool/" or "git@example.org:team/"',
}

/** Where they are found. */
export const mirrorUrl: Grammar = {
  pattern: /^(https?|file|git|ssh):\/\/[^\s"'<>\\`,\u0000-\u001f]{1,2000}$/,
  says: 'an address such as "https://example.org/pool/"',
}

const registry = `https?:\\/\\/[^\\s"'<>\\\\\`@,|\\u0000-\\u001f]{1,2000}`

/** A package registry, which tasks see: nothing secret is in its address. */
export const registryUrl: Grammar = {
  pattern: new RegExp(`^${registry}$`),
  says: 'an http or https address without a user or password',
}

/** Where devices fetch packages. */
export const feedUrl: Grammar = {
  pattern: /^https?:\/\/[^\s"'<>\\`@,|?#\u0000-\u001f\u007f-\uffff]{1,2000}$/,
  says: 'an http or https address without a user, password or query, such as "https://feed.example.com"',
}

/** GOPROXY. */
export const goProxies: Grammar = {
  pattern: new RegExp(`^(${registry}|direct|off)([,|](${registry}|direct|off))*$`),
  says: 'an http or https address without a user or password, or several and "direct" with commas between',
}

/** A folder on the machine that builds. */
export const folderText: Grammar = {
  pattern: /^[^\u0000-\u001f\u007f]{1,1000}$/,
  says: 'the path of a folder',
}
