package main

import (
	"fmt"

	"go.starlark.net/starlark"
)

// handleTable keeps the callables that the host holds. A callable has one id for as long as the host may name it:
// sends counts how often the id crossed, and the host gives back the count it saw when its handle was collected. An id
// that was sent again meanwhile therefore survives.
type handleTable struct {
	byID  map[uint32]*handle
	ids   map[starlark.Callable]uint32
	count uint32
}

type handle struct {
	callable starlark.Callable
	sends    uint64
}

var handles = handleTable{byID: map[uint32]*handle{}, ids: map[starlark.Callable]uint32{}}

func (t *handleTable) send(c starlark.Callable) uint32 {
	id, known := t.ids[c]
	if !known {
		t.count++
		id = t.count
		t.ids[c] = id
		t.byID[id] = &handle{callable: c}
	}
	t.byID[id].sends++
	return id
}

func (t *handleTable) get(id uint32) (starlark.Callable, error) {
	h, ok := t.byID[id]
	if !ok {
		return nil, fmt.Errorf("starlark-wasm: unknown callable %d", id)
	}
	return h.callable, nil
}

func (t *handleTable) release(id uint32, sends uint64) {
	h, ok := t.byID[id]
	if !ok {
		return
	}
	if h.sends -= min(sends, h.sends); h.sends == 0 {
		delete(t.byID, id)
		delete(t.ids, h.callable)
	}
}
