//go:build conformance

package main

// What starlark-go's own tests predeclare, for test/conformance.test.ts. The released interpreter has none of it.

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	_ "time/tzdata" // time.star looks up zones, and there is no file system

	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

func init() {
	standard["time"] = time.Module
	standard["fibonacci"] = fibonacci{}
	for name, fn := range map[string]func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error){
		"hasfields": newHasFields,
		"catch":     catch,
		"matches":   matches,
		"module":    starlarkstruct.MakeModule,
		"freeze":    freeze,
		"floateq":   floatEqual,
	} {
		standard[name] = starlark.NewBuiltin(name, fn)
	}
}

// catch(f) is the message of the error that f() ends with, or None.
func catch(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var fn starlark.Callable
	if err := starlark.UnpackArgs("catch", args, kwargs, "fn", &fn); err != nil {
		return nil, err
	}
	if _, err := starlark.Call(thread, fn, nil, nil); err != nil {
		active.budget.mend()
		return starlark.String(err.Error()), nil
	}
	return starlark.None, nil
}

// mend lets a run go on after a broken limit: a released interpreter never does, but here recursion.star goes on.
func (b *budget) mend() {
	b.broken = nil
	b.thread.Uncancel()
	b.schedule()
}

// matches(pattern, str) tells whether the regular expression occurs in str.
func matches(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var pattern, str string
	if err := starlark.UnpackArgs("matches", args, kwargs, "pattern", &pattern, "str", &str); err != nil {
		return nil, err
	}
	found, err := regexp.MatchString(pattern, str)
	return starlark.Bool(found), err
}

func freeze(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var value starlark.Value
	if err := starlark.UnpackPositionalArgs("freeze", args, kwargs, 1, &value); err != nil {
		return nil, err
	}
	value.Freeze()
	return value, nil
}

// floateq(x, y) tells whether two floats are at most one unit in the last place apart.
func floatEqual(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x, y starlark.Float
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 2, &x, &y); err != nil {
		return nil, err
	}
	fx, fy := float64(x), float64(y)
	if math.IsNaN(fx) || math.IsNaN(fy) {
		return starlark.Bool(math.IsNaN(fx) && math.IsNaN(fy)), nil
	}
	bx, by := math.Float64bits(fx), math.Float64bits(fy)
	return starlark.Bool(fx == fy || bx == by+1 || by == bx+1), nil
}

// fibonacci is the endless sequence of Fibonacci numbers.
type fibonacci struct{}

func (fibonacci) Freeze()                    {}
func (fibonacci) String() string             { return "fib" }
func (fibonacci) Type() string               { return "fib" }
func (fibonacci) Truth() starlark.Bool       { return true }
func (fibonacci) Hash() (uint32, error)      { return 0, fmt.Errorf("fib is unhashable") }
func (fibonacci) Iterate() starlark.Iterator { return &fibonacciIterator{0, 1} }

type fibonacciIterator struct{ x, y int }

func (it *fibonacciIterator) Next(p *starlark.Value) bool {
	*p = starlark.MakeInt(it.x)
	it.x, it.y = it.y, it.x+it.y
	return true
}
func (*fibonacciIterator) Done() {}

// hasFields is a value whose fields may be set, except those whose names begin with "no".
type hasFields struct {
	fields starlark.StringDict
	frozen bool
}

var (
	_ starlark.HasSetField = (*hasFields)(nil)
	_ starlark.HasBinary   = (*hasFields)(nil)
)

func newHasFields(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args)+len(kwargs) > 0 {
		return nil, fmt.Errorf("%s: unexpected arguments", b.Name())
	}
	return &hasFields{fields: starlark.StringDict{}}, nil
}

func (h *hasFields) String() string        { return "hasfields" }
func (h *hasFields) Type() string          { return "hasfields" }
func (h *hasFields) Truth() starlark.Bool  { return true }
func (h *hasFields) Hash() (uint32, error) { return 42, nil }

func (h *hasFields) Freeze() {
	if !h.frozen {
		h.frozen = true
		h.fields.Freeze()
	}
}

func (h *hasFields) Attr(name string) (starlark.Value, error) { return h.fields[name], nil }

func (h *hasFields) AttrNames() []string { return h.fields.Keys() }

func (h *hasFields) SetField(name string, value starlark.Value) error {
	if h.frozen {
		return fmt.Errorf("cannot set field on a frozen hasfields")
	}
	if strings.HasPrefix(name, "no") {
		return starlark.NoSuchAttrError(fmt.Sprintf("no .%s field", name))
	}
	h.fields[name] = value
	return nil
}

// Binary makes list + hasfields 42, so that `list += x` is tried with an x that is not iterable.
func (h *hasFields) Binary(op syntax.Token, y starlark.Value, _ starlark.Side) (starlark.Value, error) {
	if _, ok := y.(*starlark.List); ok && op == syntax.PLUS {
		return starlark.MakeInt(42), nil
	}
	return nil, nil
}
