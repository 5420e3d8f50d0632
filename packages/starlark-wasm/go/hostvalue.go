package main

import (
	"fmt"
	"runtime"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// hostValue stands for an object that only the host can look into. It is immutable, is equal to itself alone,
// and shows what the host gave: its type, its text and its attributes.
type hostValue struct {
	id       uint32
	typeName string
	text     string
	attrs    starlark.StringDict
}

var (
	_ starlark.HasAttrs   = (*hostValue)(nil)
	_ starlark.Comparable = (*hostValue)(nil)
)

// dropped collects the ids of host values that were garbage-collected; every reply hands them to the host, which
// counts how often it sent each.
var dropped []uint32

func (r *wireReader) hostValue(depth int) (starlark.Value, error) {
	v := &hostValue{id: r.id(), typeName: r.string(), text: r.string()}
	attrs, err := r.fields(depth)
	if err != nil {
		return nil, err
	}
	starlark.FreezeOnce(attrs)
	v.attrs = attrs
	runtime.AddCleanup(v, func(id uint32) { dropped = append(dropped, id) }, v.id)
	return v, nil
}

func (v *hostValue) String() string        { return v.text }
func (v *hostValue) Type() string          { return v.typeName }
func (v *hostValue) Freeze()               {}
func (v *hostValue) Truth() starlark.Bool  { return starlark.True }
func (v *hostValue) Hash() (uint32, error) { return v.id * 2654435761, nil } // Knuth's multiplicative hash
func (v *hostValue) AttrNames() []string   { return v.attrs.Keys() }

func (v *hostValue) Attr(name string) (starlark.Value, error) {
	if value, ok := v.attrs[name]; ok {
		return value, nil
	}
	return nil, nil // starlark-go words the error and adds a spelling hint
}

func (v *hostValue) CompareSameType(op syntax.Token, other starlark.Value, _ int) (bool, error) {
	w, ok := other.(*hostValue)
	switch op {
	case syntax.EQL:
		return ok && v.id == w.id, nil
	case syntax.NEQ:
		return !ok || v.id != w.id, nil
	default:
		return false, fmt.Errorf("%s %s %s not implemented", v.Type(), op, other.Type())
	}
}
