package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// The identity of a function is a digest of all that it can see and do: its code without positions and comments, its
// defaults, what it captured, and every global, predeclared value and function that it names, and those in turn.
// Functions are numbered in the order in which they are met and written one after another, so recursion ends and
// nothing nests deeper than data does.
type identity struct {
	out   wireWriter // not yet in sum
	sum   hash.Hash
	items int
	bytes int
	// met numbers lists, dicts, sets, structs, functions and host values: met again, only the number is written.
	met      map[starlark.Value]int
	globals  map[*starlark.Module]starlark.StringDict
	queue    []*starlark.Function
	files    []string // of the functions, in the order in which they were met
	builtins []string // predeclared builtins that were met
}

// Tags beside those of values in encode.go.
const (
	tagUnbound = iota + 64
	tagMet
	tagFunction
	tagBuiltin
	tagMethod
	tagModule
	tagSequence
)

// maxIdentityItems bounds the values and syntax nodes of one identity.
const maxIdentityItems = 1 << 20

// functionIdentity reads: handle. It replies with the digest, the names of parameters that must be given, the files whose
// code the function can reach, and the builtins. What the function captured is frozen, so that it stays what was digested.
func functionIdentity(r *wireReader) error {
	callable, err := handles.get(r.id())
	if err != nil {
		return err
	}
	starlark.FreezeOnce(callable)
	d := &identity{
		sum:     sha256.New(),
		met:     map[starlark.Value]int{},
		globals: map[*starlark.Module]starlark.StringDict{},
	}
	if err := d.value(callable, 0); err != nil {
		return err
	}
	for at := 0; at < len(d.queue); at++ {
		if err := d.function(d.queue[at]); err != nil {
			return err
		}
	}
	if err := d.charge(); err != nil {
		return err
	}
	d.flush()
	slices.Sort(d.builtins)
	reply.byte(replyDone)
	reply.string(hex.EncodeToString(d.sum.Sum(nil)))
	for _, texts := range [][]string{requiredParameters(callable), d.files, slices.Compact(d.builtins)} {
		reply.uint(uint64(len(texts)))
		for _, text := range texts {
			reply.text(text)
		}
	}
	return nil
}

// requiredParameters are those without a default; *args and **kwargs may be empty.
func requiredParameters(callable starlark.Callable) []string {
	function, ok := callable.(*starlark.Function)
	if !ok {
		return nil
	}
	named := function.NumParams()
	if function.HasVarargs() {
		named--
	}
	if function.HasKwargs() {
		named--
	}
	var required []string
	for i := range named {
		if function.ParamDefault(i) == nil {
			name, _ := function.Param(i)
			required = append(required, name)
		}
	}
	return required
}

func (d *identity) charge() error {
	d.items++
	if len(d.out.buf) > 1<<15 {
		d.flush()
	}
	if d.items > maxIdentityItems || d.bytes+len(d.out.buf) > limits.message {
		return &limitError{"what the function can see is too large to be identified"}
	}
	return nil
}

func (d *identity) flush() {
	d.bytes += len(d.out.buf)
	d.sum.Write(d.out.buf)
	d.out.reset()
}

// again writes the number of a value that was met before; otherwise it numbers the value.
func (d *identity) again(v starlark.Value) bool {
	if number, ok := d.met[v]; ok {
		d.out.byte(tagMet)
		d.out.uint(uint64(number))
		return true
	}
	d.met[v] = len(d.met)
	return false
}

func (d *identity) value(v starlark.Value, depth int) error {
	if depth > maxValueDepth {
		return &limitError{fmt.Sprintf("a value that the function can see is nested deeper than %d levels", maxValueDepth)}
	}
	if err := d.charge(); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		d.out.byte(tagUnbound)
	case starlark.NoneType:
		d.out.byte(tagNone)
	case starlark.Bool:
		if v {
			d.out.byte(tagTrue)
		} else {
			d.out.byte(tagFalse)
		}
	case starlark.Int:
		d.out.byte(tagBigInt)
		d.out.string(v.BigInt().Text(62))
	case starlark.Float:
		d.out.byte(tagFloat)
		if v != v {
			v = starlark.Float(math.NaN()) // there is one NaN
		}
		d.out.float(float64(v))
	case starlark.String:
		d.out.byte(tagString)
		d.out.string(string(v))
	case starlark.Bytes:
		d.out.byte(tagBytes)
		d.out.string(string(v))
	case starlark.Tuple:
		d.out.byte(tagTuple)
		return d.values(v, depth)
	case *starlark.List:
		return d.sequence(tagList, v, depth)
	case *starlark.Set:
		return d.sequence(tagSet, v, depth)
	case *starlark.Dict:
		return d.dict(v, depth)
	case *starlarkstruct.Struct:
		return d.structure(v, depth)
	case *starlarkstruct.Module:
		d.out.byte(tagModule)
		d.out.string(v.Name)
	case *hostValue:
		return d.host(v, depth)
	case *starlark.Function:
		if !d.again(v) {
			d.out.byte(tagFunction)
			d.queue = append(d.queue, v)
		}
	case *starlark.Builtin:
		return d.builtin(v, depth)
	default:
		switch v.Type() {
		case "range", "string.elems", "string.codepoints", "bytes.elems":
			d.out.byte(tagSequence)
			d.out.string(v.String()) // which shows all of it
		default:
			return fmt.Errorf("the function can see a %s, which can't be identified", v.Type())
		}
	}
	return nil
}

func (d *identity) values(items []starlark.Value, depth int) error {
	d.out.uint(uint64(len(items)))
	for _, item := range items {
		if err := d.value(item, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (d *identity) sequence(tag byte, v starlark.Sequence, depth int) error {
	if d.again(v) {
		return nil
	}
	d.out.byte(tag)
	d.out.uint(uint64(v.Len()))
	iterator := v.Iterate()
	defer iterator.Done()
	var item starlark.Value
	for iterator.Next(&item) {
		if err := d.value(item, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// dict keeps the order, which code sees.
func (d *identity) dict(v *starlark.Dict, depth int) error {
	if d.again(v) {
		return nil
	}
	d.out.byte(tagDict)
	d.out.uint(uint64(v.Len()))
	for key, item := range v.Entries() {
		if err := d.value(key, depth+1); err != nil {
			return err
		}
		if err := d.value(item, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (d *identity) structure(v *starlarkstruct.Struct, depth int) error {
	if d.again(v) {
		return nil
	}
	d.out.byte(tagStruct)
	d.out.string(v.Constructor().String())
	d.out.uint(uint64(v.Len()))
	for name, field := range v.Entries() {
		d.out.string(name)
		if err := d.value(field, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (d *identity) host(v *hostValue, depth int) error {
	if d.again(v) {
		return nil
	}
	d.out.byte(tagHostValue)
	d.out.string(v.typeName)
	d.out.string(v.text)
	names := v.attrs.Keys()
	d.out.uint(uint64(len(names)))
	for _, name := range names {
		d.out.string(name)
		if err := d.value(v.attrs[name], depth+1); err != nil {
			return err
		}
	}
	return nil
}

// builtin is known by its name; a method, such as [].append, by the value that it belongs to, too.
func (d *identity) builtin(v *starlark.Builtin, depth int) error {
	if v.Receiver() != nil {
		d.out.byte(tagMethod)
		d.out.string(v.Name())
		return d.value(v.Receiver(), depth+1)
	}
	d.out.byte(tagBuiltin)
	d.out.string(v.Name())
	d.builtins = append(d.builtins, v.Name())
	return nil
}

// globalsOf asks each module once: starlark-go makes the dict anew each time.
func (d *identity) globalsOf(module *starlark.Module) starlark.StringDict {
	known, ok := d.globals[module]
	if !ok {
		known = module.Globals()
		d.globals[module] = known
	}
	return known
}

// file numbers the files in the order in which they are met: which functions share one decides what lies beside them,
// what a file is called does not.
func (d *identity) file(name string) int {
	at := slices.Index(d.files, name)
	if at < 0 {
		at = len(d.files)
		d.files = append(d.files, name)
	}
	return at
}
