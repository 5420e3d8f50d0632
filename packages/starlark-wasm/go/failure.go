package main

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Kinds of failure; src/codec.ts has the same list.
const (
	kindSyntax byte = iota
	kindResolve
	kindEval
	kindLimit
	kindLoad
	kindCancelled
	kindTemplate
	kindInternal
)

// limitError is a bound that was reached, as opposed to a fault of the program's logic.
type limitError struct{ msg string }

func (e *limitError) Error() string { return e.msg }

// hostError is an exception of a host function. The host keeps the exception itself under id.
type hostError struct {
	id        uint64
	msg       string
	cancelled bool
}

func (e *hostError) Error() string { return e.msg }

// failure writes what the host makes a StarlarkError from: kind, message, frames (innermost first), the id of the host
// exception that caused it (0: none), then for each diagnostic a position and a message.
func (e *encoder) failure(err error) {
	var (
		evalError  *starlark.EvalError
		syntaxErr  syntax.Error
		resolveErr resolve.ErrorList
		host       *hostError
	)
	causeID := uint64(0)
	if errors.As(err, &host) {
		causeID = host.id
	}
	if limited, ok := errors.AsType[*limitedError](err); ok && limited.eval != nil {
		e.header(kindLimit, limited.limit.msg)
		e.frames(limited.eval.CallStack)
		e.uint(0)
		e.uint(0)
		return
	}
	switch {
	case errors.As(err, &evalError):
		e.header(evalKind(err), evalError.Msg)
		e.frames(evalError.CallStack)
		e.uint(causeID)
		e.uint(0)
	case errors.As(err, &syntaxErr):
		kind := kindSyntax
		if syntaxErr.Msg == excessiveNesting {
			kind = kindLimit
		}
		e.header(kind, syntaxErr.Msg)
		e.frames(nil)
		e.uint(0)
		e.uint(1)
		e.diagnostic(syntaxErr.Pos, syntaxErr.Msg)
	case errors.As(err, &resolveErr):
		e.header(kindResolve, resolveErr[0].Msg)
		e.frames(nil)
		e.uint(0)
		e.uint(uint64(len(resolveErr)))
		for _, each := range resolveErr {
			e.diagnostic(each.Pos, each.Msg)
		}
	default:
		kind, msg := evalKind(err), err.Error()
		var limit *limitError
		if errors.As(err, &limit) {
			msg = limit.msg // without the words of a template around it
		}
		e.header(kind, msg)
		e.frames(nil)
		e.uint(causeID)
		e.uint(0)
	}
}

func evalKind(err error) byte {
	var (
		host     *hostError
		limit    *limitError
		template *templateError
		panicked *panicError
	)
	switch {
	case errors.As(err, &limit):
		return kindLimit
	case errors.As(err, &panicked):
		return kindInternal
	case errors.As(err, &template):
		return kindTemplate
	case errors.As(err, &host) && host.cancelled:
		return kindCancelled
	default:
		return kindEval
	}
}

func (e *encoder) header(kind byte, msg string) {
	e.byte(kind)
	e.text(msg)
}

func (e *encoder) diagnostic(pos syntax.Position, msg string) {
	e.position(pos)
	e.text(msg)
}

func (e *encoder) position(pos syntax.Position) {
	e.name(pos.Filename())
	e.uint(uint64(pos.Line))
	e.uint(uint64(pos.Col))
}

// frames writes a call stack, innermost frame first. Frames of builtins have no position: line 0.
func (e *encoder) frames(stack starlark.CallStack) {
	e.uint(uint64(len(stack)))
	for i := range stack {
		frame := stack.At(i)
		e.name(frame.Name)
		e.position(frame.Pos)
	}
}

// panicked tells a request for more memory than can exist from a bug. Go panics for the former before it touches anything,
// and starlark-go's threads let panics pass, so the instance stays sound.
func panicked(value any) error {
	text := fmt.Sprint(value)
	for _, tooLarge := range []string{"makeslice: len out of range", "growslice: len out of range", "output length overflow"} {
		if strings.Contains(text, tooLarge) {
			return &limitError{fmt.Sprintf("memory limit of %d MiB exceeded", limits.heapBytes>>20)}
		}
	}
	return &panicError{value}
}

// panicError is a bug in the interpreter or in this shim. The host gives the instance up when it sees one.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("interpreter panic: %v", e.value) }
