package main

import (
	"fmt"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// Tags of values on the wire; src/codec.ts has the same list.
const (
	tagNone = iota
	tagFalse
	tagTrue
	tagInt         // zero or positive, at most 2^53-1
	tagNegativeInt // magnitude, at most 2^53-1
	tagBigInt      // decimal text
	tagFloat
	tagString
	tagBytes
	tagList
	tagTuple
	tagDict
	tagSet
	tagStruct
	tagCallable
	tagHostValue
	tagForeign
	tagHostFunction
	tagStandard
)

const (
	maxSafeInteger = 1<<53 - 1
	// maxValueDepth bounds nesting of a value that crosses, which also ends the encoding of cyclic values.
	maxValueDepth = 200
	// maxValues bounds the values of one message: small ones take many times their bytes on the other side.
	maxValues = 1 << 21
	// maxInterned bounds the table of names; names beyond it cross as text.
	maxInterned = 1 << 14
)

// encoder writes values for the host.
type encoder struct {
	wireWriter
	names    *nameTable
	maxBytes int
	left     int // values that the message may still hold
}

func (e *encoder) reset() {
	e.wireWriter.reset()
	e.left = maxValues
}

// cost is what the message takes on its way, in steps.
func (e *encoder) cost() uint64 { return uint64(8*(maxValues-e.left) + len(e.buf)/8) }

// nameTable numbers texts that repeat (files, functions, keyword arguments): they cross once and are numbers afterwards.
type nameTable struct {
	ids   map[string]uint32
	order []string
}

var names = nameTable{ids: map[string]uint32{}}

// name writes a text that is likely to come again: 0 and the text when it gets no number, 1 and the text when it gets
// the next one, number + 2 afterwards.
func (e *encoder) name(s string) {
	if id, ok := e.names.ids[s]; ok {
		e.uint(uint64(id) + 2)
		return
	}
	if len(e.names.order) >= maxInterned || len(s) > 256 {
		e.uint(0)
		e.text(s)
		return
	}
	e.names.ids[s] = uint32(len(e.names.order))
	e.names.order = append(e.names.order, s)
	e.uint(1)
	e.text(s)
}

// encoderMark is a place to go back to when the rest of a message can't be written: the host never sees that rest, so
// the names in it must be sent again.
type encoderMark struct{ bytes, names int }

func (e *encoder) mark() encoderMark { return encoderMark{len(e.buf), len(e.names.order)} }

func (e *encoder) rewind(mark encoderMark) {
	e.buf = e.buf[:mark.bytes]
	for _, name := range e.names.order[mark.names:] {
		delete(e.names.ids, name)
	}
	e.names.order = e.names.order[:mark.names]
}

// text writes a string that is meant for people: bytes that are not UTF-8 are shown as U+FFFD.
func (e *encoder) text(s string) {
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	e.string(s)
}

func (e *encoder) value(v starlark.Value, depth int) error {
	if depth > maxValueDepth {
		return fmt.Errorf("value is nested deeper than %d levels or contains itself", maxValueDepth)
	}
	if len(e.buf) > e.maxBytes {
		return fmt.Errorf("value is larger than %d bytes", e.maxBytes)
	}
	if e.left--; e.left < 0 {
		return fmt.Errorf("value has more than %d values in it", maxValues)
	}
	switch v := v.(type) {
	case starlark.NoneType:
		e.byte(tagNone)
	case starlark.Bool:
		if v {
			e.byte(tagTrue)
		} else {
			e.byte(tagFalse)
		}
	case starlark.Int:
		e.int(v)
	case starlark.Float:
		e.byte(tagFloat)
		e.float(float64(v))
	case starlark.String:
		if !utf8.ValidString(string(v)) {
			return fmt.Errorf("string %s is not valid UTF-8: use bytes", v)
		}
		e.byte(tagString)
		e.string(string(v))
	case starlark.Bytes:
		e.byte(tagBytes)
		e.string(string(v))
	case starlark.Tuple:
		e.byte(tagTuple)
		return e.values(v, depth)
	case *starlark.Dict:
		return e.dict(v, depth)
	case *starlark.Set:
		e.byte(tagSet)
		return e.sequence(v, depth)
	case *starlarkstruct.Struct:
		return e.structure(v, depth)
	case *hostValue:
		e.byte(tagHostValue)
		e.uint(uint64(v.id))
	case starlark.Callable:
		e.byte(tagCallable)
		e.uint(uint64(handles.send(v)))
		e.name(v.Name())
	case starlark.Sequence: // list, range
		e.byte(tagList)
		return e.sequence(v, depth)
	default:
		e.byte(tagForeign)
		e.name(v.Type())
		e.text(v.String())
	}
	return nil
}

func (e *encoder) int(v starlark.Int) {
	if n, ok := v.Int64(); ok && n >= -maxSafeInteger && n <= maxSafeInteger {
		if n >= 0 {
			e.byte(tagInt)
			e.uint(uint64(n))
		} else {
			e.byte(tagNegativeInt)
			e.uint(uint64(-n))
		}
		return
	}
	e.byte(tagBigInt)
	e.string(v.String())
}

func (e *encoder) values(items []starlark.Value, depth int) error {
	e.uint(uint64(len(items)))
	for _, item := range items {
		if err := e.value(item, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (e *encoder) sequence(items starlark.Sequence, depth int) error {
	if items.Len() > e.maxBytes {
		return fmt.Errorf("value has more than %d elements", e.maxBytes)
	}
	e.uint(uint64(items.Len()))
	iterator := items.Iterate()
	defer iterator.Done()
	var item starlark.Value
	for iterator.Next(&item) {
		if err := e.value(item, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (e *encoder) dict(dict *starlark.Dict, depth int) error {
	e.byte(tagDict)
	e.uint(uint64(dict.Len()))
	for _, item := range dict.Items() {
		if err := e.value(item[0], depth+1); err != nil {
			return err
		}
		if err := e.value(item[1], depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (e *encoder) structure(s *starlarkstruct.Struct, depth int) error {
	e.byte(tagStruct)
	if constructor, ok := s.Constructor().(starlark.String); ok {
		e.name(string(constructor))
	} else {
		e.name(s.Constructor().String())
	}
	e.uint(uint64(s.Len()))
	for name, field := range s.Entries() {
		e.name(name)
		if err := e.value(field, depth+1); err != nil {
			return err
		}
	}
	return nil
}
