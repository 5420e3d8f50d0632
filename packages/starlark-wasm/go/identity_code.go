package main

import (
	"fmt"
	"math/big"
	"runtime"
	"weak"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

// source is what a program was compiled from: starlark-go keeps no syntax tree, so it is made again when a function's
// identity is asked for.
type source struct {
	file      string
	text      string
	options   syntax.FileOptions
	functions map[syntax.Position]*resolve.Function // once parsed; without the file, which is a pointer
}

var sources = map[weak.Pointer[starlark.Program]]*source{}

func keepSource(program *starlark.Program, file string, text []byte, options syntax.FileOptions) {
	key := weak.Make(program)
	sources[key] = &source{file: file, text: string(text), options: options}
	runtime.AddCleanup(program, func(key weak.Pointer[starlark.Program]) { delete(sources, key) }, key)
}

// codeOf finds the code of a function by where it stands.
func codeOf(function *starlark.Function) (*resolve.Function, error) {
	from, ok := sources[weak.Make(function.Module().Program())]
	if !ok {
		return nil, fmt.Errorf("the source of %s is not known: its program was restored from bytecode alone", function.Name())
	}
	if from.functions == nil {
		tree, err := parseFile(&from.options, from.file, []byte(from.text))
		if err != nil {
			return nil, err
		}
		if err := resolve.File(tree, function.Module().Predeclared().Has, starlark.Universe.Has); err != nil {
			return nil, err
		}
		from.functions = map[syntax.Position]*resolve.Function{}
		syntax.Walk(tree, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.DefStmt:
				from.functions[place(n.Def)] = n.Function.(*resolve.Function)
			case *syntax.LambdaExpr:
				from.functions[place(n.Lambda)] = n.Function.(*resolve.Function)
			}
			return true
		})
	}
	code := from.functions[place(function.Position())]
	if code == nil {
		return nil, fmt.Errorf("starlark-wasm: no function at %s", function.Position())
	}
	return code, nil
}

func place(pos syntax.Position) syntax.Position { return syntax.MakePosition(nil, pos.Line, pos.Col) }

// outside is a name that code uses and does not bind, perhaps with fields of structs: ctx.arch.
type outside struct {
	name  string
	value starlark.Value
}

// code writes the code of one function. What it names from outside itself is gathered in the order of the first use.
type code struct {
	*identity
	captured    map[*syntax.Ident]starlark.Value // by the identifier that binds the variable first
	globals     starlark.StringDict
	predeclared starlark.StringDict
	known       map[string]bool
	outside     []outside
	err         error
}

// Tags of identifiers and statements; other nodes have their Go type's name.
const (
	identInside = iota
	identOutside
	identUniversal
	identLabel // of a field or a keyword argument
)

func (d *identity) function(function *starlark.Function) error {
	resolved, err := codeOf(function)
	if err != nil {
		return err
	}
	c := &code{
		identity:    d,
		captured:    map[*syntax.Ident]starlark.Value{},
		globals:     d.globalsOf(function.Module()),
		predeclared: function.Module().Predeclared(),
		known:       map[string]bool{},
	}
	for i, binding := range resolved.FreeVars {
		_, c.captured[binding.First] = function.FreeVar(i)
	}
	d.out.string(function.Name())
	d.out.uint(uint64(d.file(function.Position().Filename())))
	c.parameters(resolved.Params, func(i int, _ syntax.Expr) {
		c.fail(d.value(function.ParamDefault(i), 0))
	})
	c.statements(resolved.Body)
	if c.err != nil {
		return c.err
	}
	d.out.uint(uint64(len(c.outside)))
	for _, each := range c.outside {
		d.out.string(each.name)
		if err := d.value(each.value, 0); err != nil {
			return err
		}
	}
	return nil
}

func (c *code) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// parameters writes the names; what a default is, its caller knows: of the function itself a value, of one inside an
// expression.
func (c *code) parameters(params []syntax.Expr, fallback func(i int, expr syntax.Expr)) {
	c.out.uint(uint64(len(params)))
	at := 0
	for _, param := range params {
		switch param := param.(type) {
		case *syntax.Ident:
			c.out.string(param.Name)
			at++
		case *syntax.BinaryExpr: // name=default
			c.out.string("=")
			c.out.string(param.X.(*syntax.Ident).Name)
			fallback(at, param.Y)
			at++
		case *syntax.UnaryExpr: // * or *args or **kwargs
			c.out.string(param.Op.String())
			if name, ok := param.X.(*syntax.Ident); ok {
				c.out.string(name.Name)
			} else {
				c.out.string("")
			}
		}
	}
}

func (c *code) lambda(function any) {
	inner := function.(*resolve.Function)
	c.parameters(inner.Params, func(_ int, expr syntax.Expr) { c.node(expr) })
	c.statements(inner.Body)
}

// statements leaves out texts that stand alone: they are comments.
func (c *code) statements(list []syntax.Stmt) {
	for _, statement := range list {
		if alone, ok := statement.(*syntax.ExprStmt); ok {
			if literal, ok := alone.X.(*syntax.Literal); ok && literal.Token == syntax.STRING {
				continue
			}
		}
		c.out.byte(1)
		c.node(statement)
	}
	c.out.byte(0)
}

func (c *code) nodes(list []syntax.Expr) {
	c.out.uint(uint64(len(list)))
	for _, each := range list {
		c.node(each)
	}
}

// optional writes a part that may be missing.
func (c *code) optional(n syntax.Expr) {
	if n == nil {
		c.out.byte(0)
		return
	}
	c.out.byte(1)
	c.node(n)
}

func (c *code) node(n syntax.Node) {
	if c.err != nil {
		return
	}
	c.fail(c.charge())
	if paren, ok := n.(*syntax.ParenExpr); ok {
		c.node(paren.X)
		return
	}
	c.out.string(fmt.Sprintf("%T", n))
	switch n := n.(type) {
	case *syntax.AssignStmt:
		c.out.string(n.Op.String())
		c.node(n.LHS)
		c.node(n.RHS)
	case *syntax.BranchStmt:
		c.out.string(n.Token.String())
	case *syntax.DefStmt:
		c.ident(n.Name)
		c.lambda(n.Function)
	case *syntax.ExprStmt:
		c.node(n.X)
	case *syntax.ForStmt:
		c.node(n.Vars)
		c.node(n.X)
		c.statements(n.Body)
	case *syntax.WhileStmt:
		c.node(n.Cond)
		c.statements(n.Body)
	case *syntax.IfStmt:
		c.node(n.Cond)
		c.statements(n.True)
		c.statements(n.False)
	case *syntax.ReturnStmt:
		c.optional(n.Result)
	case *syntax.BinaryExpr:
		c.out.string(n.Op.String())
		c.node(n.X)
		c.node(n.Y)
	case *syntax.CallExpr:
		c.node(n.Fn)
		c.nodes(n.Args)
	case *syntax.Comprehension:
		c.flag(n.Curly)
		c.node(n.Body)
		c.out.uint(uint64(len(n.Clauses)))
		for _, clause := range n.Clauses {
			c.node(clause)
		}
	case *syntax.ForClause:
		c.node(n.Vars)
		c.node(n.X)
	case *syntax.IfClause:
		c.node(n.Cond)
	case *syntax.CondExpr:
		c.node(n.Cond)
		c.node(n.True)
		c.node(n.False)
	case *syntax.DictEntry:
		c.node(n.Key)
		c.node(n.Value)
	case *syntax.DictExpr:
		c.nodes(n.List)
	case *syntax.DotExpr:
		c.dot(n)
	case *syntax.Ident:
		c.ident(n)
	case *syntax.IndexExpr:
		c.node(n.X)
		c.node(n.Y)
	case *syntax.LambdaExpr:
		c.lambda(n.Function)
	case *syntax.ListExpr:
		c.nodes(n.List)
	case *syntax.Literal:
		c.literal(n)
	case *syntax.SliceExpr:
		c.node(n.X)
		c.optional(n.Lo)
		c.optional(n.Hi)
		c.optional(n.Step)
	case *syntax.TupleExpr:
		c.nodes(n.List)
	case *syntax.UnaryExpr:
		c.out.string(n.Op.String())
		c.optional(n.X)
	default:
		c.fail(fmt.Errorf("starlark-wasm: unknown syntax %T", n))
	}
}

func (c *code) flag(set bool) {
	if set {
		c.out.byte(1)
	} else {
		c.out.byte(0)
	}
}

func (c *code) literal(n *syntax.Literal) {
	var value starlark.Value
	switch v := n.Value.(type) {
	case int64:
		value = starlark.MakeInt64(v)
	case *big.Int:
		value = starlark.MakeBigInt(v)
	case float64:
		value = starlark.Float(v)
	case string:
		value = starlark.String(v)
		if n.Token == syntax.BYTES {
			value = starlark.Bytes(v)
		}
	}
	c.fail(c.value(value, 0))
}

func (c *code) ident(id *syntax.Ident) {
	binding, ok := id.Binding.(*resolve.Binding)
	if !ok {
		c.out.byte(identLabel)
	} else if value, ok := c.fromOutside(id, binding); ok {
		c.out.byte(identOutside)
		c.refer(id.Name, value)
	} else if binding.Scope == resolve.Universal {
		c.out.byte(identUniversal)
	} else {
		c.out.byte(identInside)
	}
	c.out.string(id.Name)
}

// fromOutside is the value of a name that is no variable of the function's own.
func (c *code) fromOutside(id *syntax.Ident, binding *resolve.Binding) (starlark.Value, bool) {
	switch binding.Scope {
	case resolve.Global:
		return c.globals[id.Name], true
	case resolve.Predeclared:
		return c.predeclared[id.Name], true
	case resolve.Free:
		value, ok := c.captured[binding.First]
		return value, ok
	default:
		return nil, false
	}
}

func (c *code) refer(name string, value starlark.Value) {
	if !c.known[name] {
		c.known[name] = true
		c.outside = append(c.outside, outside{name, value})
	}
}

// dot takes of a struct only the field that is named: ctx.arch says nothing about ctx.machine.
func (c *code) dot(n *syntax.DotExpr) {
	if path, value, ok := c.field(n); ok {
		c.out.byte(identOutside)
		c.out.string(path)
		c.refer(path, value)
		return
	}
	c.out.byte(identInside)
	c.node(n.X)
	c.out.string(n.Name.Name)
}

// field follows a name from outside through the fields of structs.
func (c *code) field(x syntax.Expr) (string, starlark.Value, bool) {
	switch x := x.(type) {
	case *syntax.ParenExpr:
		return c.field(x.X)
	case *syntax.Ident:
		if binding, ok := x.Binding.(*resolve.Binding); ok {
			value, ok := c.fromOutside(x, binding)
			return x.Name, value, ok
		}
	case *syntax.DotExpr:
		path, value, ok := c.field(x.X)
		holder, isHolder := value.(starlark.HasAttrs)
		switch value.(type) {
		case *starlarkstruct.Struct, *starlarkstruct.Module:
		default:
			isHolder = false
		}
		if ok && isHolder {
			if found, err := holder.Attr(x.Name.Name); err == nil && found != nil {
				return path + "." + x.Name.Name, found, true
			}
		}
	}
	return "", nil, false
}
