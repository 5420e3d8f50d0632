/** What stands in the way of a sandbox, judging by what was said when one failed; and what to type. */
export function diagnose(said: string): { readonly hint: string } {
  const command = /(bwrap|unshare|setpriv|bash|mount)(: command)? not found|spawn (\S+) ENOENT/.exec(said)
  if (command) return { hint: 'sudo apt-get install bubblewrap util-linux bash' }
  return { hint: 'yoe doctor' }
}
