package main

import (
	"fmt"
	"math/big"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// value reads one value that the host sent. Lists, dicts and sets are fresh and mutable, as if Starlark code had
// just made them; environment.go freezes those that are predeclared.
func (r *wireReader) value() starlark.Value {
	v, err := r.decode(0)
	if err != nil {
		r.fail(err)
	}
	if r.err != nil {
		return starlark.None
	}
	return v
}

func (r *wireReader) decode(depth int) (starlark.Value, error) {
	if depth > maxValueDepth {
		return nil, fmt.Errorf("value is nested deeper than %d levels or contains itself", maxValueDepth)
	}
	switch tag := r.byte(); tag {
	case tagNone:
		return starlark.None, r.err
	case tagFalse:
		return starlark.False, nil
	case tagTrue:
		return starlark.True, nil
	case tagInt:
		return starlark.MakeUint64(r.uint()), r.err
	case tagNegativeInt:
		return starlark.MakeInt64(-int64(r.uint())), r.err
	case tagBigInt:
		n, ok := new(big.Int).SetString(r.string(), 10)
		if !ok {
			return nil, fmt.Errorf("starlark-wasm: malformed integer")
		}
		return starlark.MakeBigInt(n), nil
	case tagFloat:
		return starlark.Float(r.float()), r.err
	case tagString:
		return starlark.String(r.string()), r.err
	case tagBytes:
		return starlark.Bytes(r.string()), r.err
	case tagList:
		items, err := r.values(depth)
		return starlark.NewList(items), err
	case tagTuple:
		items, err := r.values(depth)
		return starlark.Tuple(items), err
	case tagDict:
		return r.dict(depth)
	case tagSet:
		return r.set(depth)
	case tagStruct:
		constructor := starlark.String(r.string())
		fields, err := r.fields(depth)
		return starlarkstruct.FromStringDict(constructor, fields), err
	case tagCallable:
		return handles.get(r.id())
	case tagHostValue:
		return r.hostValue(depth)
	case tagHostFunction:
		id := r.id()
		return newHostFunction(id, r.string()), r.err
	case tagStandard:
		return standardValue(r.string())
	default:
		return nil, fmt.Errorf("starlark-wasm: unknown value tag %d", tag)
	}
}

func (r *wireReader) values(depth int) ([]starlark.Value, error) {
	n := r.count()
	items := make([]starlark.Value, n)
	for i := range items {
		item, err := r.decode(depth + 1)
		if err != nil {
			return nil, err
		}
		items[i] = item
	}
	return items, r.err
}

func (r *wireReader) dict(depth int) (starlark.Value, error) {
	n := r.count()
	dict := starlark.NewDict(n)
	for range n {
		key, err := r.decode(depth + 1)
		if err != nil {
			return nil, err
		}
		value, err := r.decode(depth + 1)
		if err != nil {
			return nil, err
		}
		if err := dict.SetKey(key, value); err != nil {
			return nil, err
		}
	}
	return dict, r.err
}

func (r *wireReader) set(depth int) (starlark.Value, error) {
	n := r.count()
	set := starlark.NewSet(n)
	for range n {
		item, err := r.decode(depth + 1)
		if err != nil {
			return nil, err
		}
		if err := set.Insert(item); err != nil {
			return nil, err
		}
	}
	return set, r.err
}

func (r *wireReader) fields(depth int) (starlark.StringDict, error) {
	n := r.count()
	fields := make(starlark.StringDict, n)
	for range n {
		name := r.string()
		value, err := r.decode(depth + 1)
		if err != nil {
			return nil, err
		}
		fields[name] = value
	}
	return fields, r.err
}

// arguments reads positional and keyword arguments of a call that the host makes.
func (r *wireReader) arguments() (starlark.Tuple, []starlark.Tuple) {
	args, err := r.values(0)
	if err != nil {
		r.fail(err)
	}
	kwargs := make([]starlark.Tuple, r.count())
	for i := range kwargs {
		name := starlark.String(r.string())
		kwargs[i] = starlark.Tuple{name, r.value()}
	}
	return args, kwargs
}
