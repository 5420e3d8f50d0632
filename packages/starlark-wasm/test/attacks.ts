/** A value that contains another twice, sixty levels deep: small in memory, and never to be walked to its end. */
const doubled = (start: string, item: string) => `x = ${start}\nfor _ in range(60): x = ${item}\n`
export const doubledTuples: string = doubled('(0,)', '(x, x)')
const structs = doubled('struct(a = 1)', 'struct(a = x, b = x)')
const lists = doubled('[0]', '[x, x]')
const dicts = doubled('{}', '{0: x, 1: x}')
/** A thousand wide and nine deep: within what may be compared. */
const wide = (name: string) => `${name} = (0,)\nfor _ in range(8): ${name} = (${name},) * 1000\n`
const text = 's = "a" * 10000000\nt = s[:-1] + "b"\nu = s[:-1] + "b"\n'

/** Code whose every step does more than could ever be done, by what it does. All of it must end at the step limit. */
export const attacks: readonly [name: string, source: string][] = [
  ['a key: tuples', `${doubledTuples}d = {x: 1}`],
  ['a key: structs', `${structs}d = {x: 1}`],
  ['in a dict', `${doubledTuples}b = x in {}`],
  ['dict.get', `${doubledTuples}b = {}.get(x)`],
  ['dict.setdefault', `${doubledTuples}b = {}.setdefault(x)`],
  ['dict.update', `${doubledTuples}d = {}\nd.update([(x, 1)])`],
  ['set()', `${doubledTuples}b = set([x])`],
  ['set.add', `${doubledTuples}b = set()\nb.add(x)`],
  ['str of tuples', `${doubledTuples}b = str(x)`],
  ['str of lists', `${lists}b = str(x)`],
  ['str of dicts', `${dicts}b = str(x)`],
  ['str of structs', `${structs}b = str(x)`],
  ['repr', `${doubledTuples}b = repr(x)`],
  ['%s', `${doubledTuples}b = "%s" % (x,)`],
  ['%r', `${lists}b = "%r" % [x]`],
  ['format', `${doubledTuples}b = "{}".format(x)`],
  ['print', `${doubledTuples}print(x)`],
  ['fail', `${doubledTuples}fail(x)`],
  ['an error that shows a value', `${doubledTuples}b = {}[struct(a = x)]`],
  ['== of tuples', `${wide('x')}${wide('y')}b = x == y`],
  ['< of tuples', `${wide('x')}${wide('y')}b = x < y`],
  ['in a list', `${wide('x')}${wide('y')}b = x in [y]`],
  ['list.index', `${wide('x')}${wide('y')}b = [y].index(x)`],
  ['list.remove', `${wide('x')}${wide('y')}[y].remove(x)`],
  ['sorted', `${wide('x')}${wide('y')}b = sorted([x, y])`],
  ['max', `${wide('x')}${wide('y')}b = max([x, y])`],
  ['== of sets', 's = set(["%d" % i for i in range(100000)])\nt = set(s)\nb = [s] * 100000 == [t] * 100000'],
  ['== of dicts', 's = {str(i): 1 for i in range(100000)}\nt = dict(s)\nb = [s] * 100000 == [t] * 100000'],
  ['set.union', 's = set(["%d" % i for i in range(100000)])\nb = s.union(*([s] * 100000))'],
  ['set.issubset', 's = set(["%d" % i for i in range(100000)])\nb = [s] * 100000 == [s | set()] * 100000'],
  ['long texts that are equal', `${text}b = [t] * 1000000 == [u] * 1000000`],
  ['hashes of long texts', `${text}b = {(s,) * 1000000: 1}`],
  ['startswith', `${text}b = s.startswith((t,) * 1000000)`],
  ['strip', 's = "a" * 1000000\nb = s.strip("é" * 1000000 + "a")'],
  ['format by name', 'd = {"k%d" % i: 1 for i in range(100000)}\nb = ("{k99999}" * 1000000).format(**d)'],
  [
    'keyword arguments',
    `def f(${Array.from({ length: 100_000 }, (_, i) => `p${i} = 0`).join(',')}): pass
d = {"p%d" % (99999 - i): 1 for i in range(100000)}
for _ in range(100): f(**d)`,
  ],
  ['keys with one hash', 'b = {i << 32: 1 for i in range(1000000)}'],
  ['keys in one bucket', 'b = {i << 24: 1 for i in range(1000000)}'],
  ['json.encode of tuples', `${doubledTuples}b = json.encode(x)`],
  ['json.encode of structs', `${structs}b = json.encode(x)`],
  ['json.encode of dicts', `${doubled('{}', '{"a": x, "b": x}')}b = json.encode(x)`],
  ['sums of squares', 'x = (1 << 511) + 1\nfor _ in range(8): x = x * x\nfor _ in range(1000000): y = x * x'],
  ['decimal digits', 'x = (1 << 511) + 1\nfor _ in range(8): x = x * x\nfor _ in range(1000000): y = str(x)'],
]
