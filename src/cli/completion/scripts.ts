/** Shells that `yoe completion` has a script for. */
export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

/** The verb that scripts ask; not for people. */
export const askVerb = '__complete'

/** What an answer says where the shell itself knows better: names of files. */
export const filesMark = ':files'

/**
 * The script that makes a shell ask `yoe __complete SHELL INDEX WORD…`, whose answer is lines of a candidate, a tab and
 * what it is. The shell never reads a candidate as anything but text.
 */
export const completionScripts: Readonly<Record<Shell, string>> = {
  bash: `# bash completion of yoe: source <(yoe completion bash)
_yoe() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    if [ "$line" = ${filesMark} ]; then
      compopt -o default 2>/dev/null
      COMPREPLY=()
      return
    fi
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <("\${COMP_WORDS[0]/#\\~/$HOME}" ${askVerb} bash "$COMP_CWORD" "\${COMP_WORDS[@]}" 2>/dev/null </dev/null)
}
complete -F _yoe yoe
`,
  zsh: `#compdef yoe
# zsh completion of yoe: source <(yoe completion zsh), after compinit
_yoe() {
  local line
  local -a candidates
  while IFS= read -r line; do
    if [[ $line == ${filesMark} ]]; then
      _files
      return
    fi
    candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done < <("\${(Q)words[1]/#\\~/$HOME}" ${askVerb} zsh $((CURRENT - 1)) "\${(Q)words[@]}" 2>/dev/null </dev/null)
  _describe -V yoe candidates
}
if [[ \${funcstack[1]} == _yoe ]]; then _yoe "$@"; else compdef _yoe yoe; fi
`,
  fish: `# fish completion of yoe: yoe completion fish | source
function __yoe_complete
  set -l before (commandline -opc)
  set -l current (commandline -ct)
  set -l answer ($before[1] ${askVerb} fish (count $before) $before $current 2>/dev/null </dev/null)
  if test "$answer[1]" = ${filesMark}
    __fish_complete_path $current
  else
    printf '%s\\n' $answer
  end
end
complete -c yoe -f -a '(__yoe_complete)'
`,
}
