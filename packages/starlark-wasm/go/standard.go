package main

import (
	"fmt"

	"go.starlark.net/lib/json"
	"go.starlark.net/lib/math"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// standard holds what the host may predeclare by name. time is left out of it: its now() makes results depend on
// the clock.
var standard = starlark.StringDict{
	"struct": starlark.NewBuiltin("struct", starlarkstruct.Make),
	"json":   json.Module,
	"math":   math.Module,
}

func standardValue(name string) (starlark.Value, error) {
	if value, ok := standard[name]; ok {
		return value, nil
	}
	return nil, fmt.Errorf("there is no standard value %q", name)
}
