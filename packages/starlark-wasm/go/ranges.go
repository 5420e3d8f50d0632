package main

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// A range costs nothing to make and may be endless in practice, and builtins such as all, max or set.difference walk it
// inside a single interpreter step. meteredRange is starlark-go's range whose iteration counts steps.
type meteredRange struct{ rangeLike }

type rangeLike interface {
	starlark.Indexable
	starlark.Sequence
	starlark.Comparable
	starlark.Sliceable
	starlark.Container
}

var _ rangeLike = meteredRange{}

func meterRanges() {
	plain, ok := starlark.Universe["range"].(*starlark.Builtin)
	if !ok {
		panic("starlark-go has no range")
	}
	starlark.Universe["range"] = starlark.NewBuiltin("range", func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		v, err := plain.CallInternal(thread, args, kwargs)
		if err != nil {
			return nil, err
		}
		return meter(v)
	})
}

func meter(v starlark.Value) (starlark.Value, error) {
	inner, ok := v.(rangeLike)
	if !ok {
		return nil, fmt.Errorf("range: unexpected %s", v.Type())
	}
	return meteredRange{inner}, nil
}

func (r meteredRange) Iterate() starlark.Iterator {
	return &meteredIterator{r.rangeLike.Iterate(), active}
}

func (r meteredRange) Slice(start, end, step int) starlark.Value {
	sliced := r.rangeLike.Slice(start, end, step)
	if metered, err := meter(sliced); err == nil {
		return metered
	}
	return sliced
}

func (r meteredRange) CompareSameType(op syntax.Token, other starlark.Value, depth int) (bool, error) {
	if metered, ok := other.(meteredRange); ok {
		other = metered.rangeLike
	}
	return r.rangeLike.CompareSameType(op, other, depth)
}

// elementSteps is the cost of an element. Making its int takes about as long as three steps.
const elementSteps = 3

type meteredIterator struct {
	starlark.Iterator
	run *run
}

func (it *meteredIterator) Next(p *starlark.Value) bool {
	if it.run != nil && !it.run.budget.charge(elementSteps) {
		return false // the interpreter notices the broken limit at its next step
	}
	return it.Iterator.Next(p)
}
