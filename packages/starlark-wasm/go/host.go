package main

import (
	"unsafe"

	"go.starlark.net/starlark"
)

// The functions that the host provides. A function of the host answers into the answer buffer when it fits; a longer
// answer waits on the host's side until takeAnswer fetches it.

//go:wasmimport starlark call
func hostCall(run, function uint32, args unsafe.Pointer, size uint32) int64

//go:wasmimport starlark take
func hostTake(into unsafe.Pointer)

//go:wasmimport starlark print
func hostPrint(run uint32, text unsafe.Pointer, size uint32)

// hostPages is how many pages of 64 KiB the memory has.
//
//go:wasmimport starlark pages
func hostPages() uint32

const (
	answerSize    = 1 << 16
	answerPending = -1 // the host function returned a promise; the run parks
)

var (
	answerBuffer [answerSize]byte
	outgoing     = encoder{names: &names}
)

const (
	answerValue = iota
	answerError
	answerCancelled
)

// newHostFunction makes the builtin whose calls cross to the host function with this id.
func newHostFunction(id uint32, name string) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		current := active
		outgoing.reset()
		mark := outgoing.mark()
		if err := outgoing.call(thread, args, kwargs); err != nil {
			outgoing.rewind(mark)
			return nil, err
		}
		if !current.budget.charge(outgoing.cost()) {
			outgoing.rewind(mark)
			return nil, starlark.ErrWork
		}
		size := hostCall(current.id, id, unsafe.Pointer(unsafe.SliceData(outgoing.buf)), uint32(len(outgoing.buf)))
		switch {
		case size == answerPending:
			return readAnswer(current.wait())
		case size > answerSize:
			answer := make([]byte, size)
			hostTake(unsafe.Pointer(unsafe.SliceData(answer)))
			return readAnswer(answer)
		default:
			return readAnswer(answerBuffer[:size])
		}
	})
}

// call writes the arguments of a call of a host function and the stack of Starlark frames that led to it.
func (e *encoder) call(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) error {
	depth := thread.CallStackDepth()
	e.uint(uint64(depth - 1))
	for i := 1; i < depth; i++ {
		frame := thread.CallFrame(i)
		e.name(frame.Name)
		e.position(frame.Pos)
	}
	if err := e.values(args, 0); err != nil {
		return err
	}
	e.uint(uint64(len(kwargs)))
	for _, kwarg := range kwargs {
		name, value := kwarg[0].(starlark.String), kwarg[1]
		e.name(string(name))
		if err := e.value(value, 0); err != nil {
			return &argumentError{string(name), err}
		}
	}
	return nil
}

type argumentError struct {
	name  string
	cause error
}

func (e *argumentError) Error() string { return "for parameter " + e.name + ": " + e.cause.Error() }
func (e *argumentError) Unwrap() error { return e.cause }

// readAnswer is the counterpart of encodeAnswer in src/codec.ts.
func readAnswer(answer []byte) (starlark.Value, error) {
	r := wireReader{buf: answer}
	switch r.byte() {
	case answerValue:
		value := r.value()
		return value, r.err
	case answerCancelled:
		return nil, &hostError{id: r.uint(), msg: r.string(), cancelled: true}
	default:
		return nil, &hostError{id: r.uint(), msg: r.string()}
	}
}
