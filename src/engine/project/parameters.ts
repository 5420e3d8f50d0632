/**
 * The parameters of a function, by its name, as the text of its file has them: what a misspelt argument that ended up in
 * its `**kwargs` may have been meant for. A look at the text, for hints only: the interpreter does not tell.
 *
 * @returns none when the text defines no such function
 */
export function parametersOf(text: string, name: string): readonly string[] {
  const start = new RegExp(`^[ \\t]*def[ \\t]+${name}[ \\t]*\\(`, 'm').exec(text)
  if (start === null) return []
  // What could hold a bracket or a comma of its own.
  const rest = text.slice(start.index + start[0].length).replaceAll(/#.*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g, '')
  const found: string[] = []
  let depth = 0
  let begins = true
  for (const [token] of rest.matchAll(/[A-Za-z_]\w*|[()[\]{},*]/g)) {
    if (token === ',') begins = depth === 0
    else if (/^[([{]$/.test(token)) depth++
    else if (/^[)\]}]$/.test(token)) depth--
    else {
      if (begins && token !== '*') found.push(token)
      begins = false
    }
    if (depth < 0) break
  }
  return found
}
