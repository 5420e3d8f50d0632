// Command starlark-wasm is go.starlark.net as a WebAssembly reactor. The host (../src) calls one exported function,
// request, with an operation and a message; request leaves the reply in memory.
package main

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"
	"unsafe"

	"go.starlark.net/starlark"
)

// Operations; src/instance.ts has the same list.
const (
	opConfigure = iota
	opEnvironment
	opCompile
	opLoadBytecode
	opExecute
	opResume
	opCall
	opGlobal
	opRelease
	opTemplate
	opDiscardProgram
	opIdentity
)

var (
	message []byte
	reply   = encoder{names: &names}
)

// reserve makes room for a message of this size and returns where the host shall write it. It stays valid until the
// next call of reserve.
//
//go:wasmexport reserve
func reserve(size uint32) uint32 {
	if int(size) > cap(message) {
		message = make([]byte, max(int(size), 1<<16))
	}
	message = message[:cap(message)]
	return address(message)
}

// answers returns where the host writes the answers of its functions.
//
//go:wasmexport answers
func answers() uint32 { return address(answerBuffer[:]) }

// request reads a message of this size where reserve said, and returns address<<32 | size of the reply, which stays
// valid until the next request.
//
//go:wasmexport request
func request(op, size uint32) uint64 {
	// Runs hand the processor straight back to request, so Go's own goroutines, which run cleanups, would never have it.
	runtime.Gosched()
	reply.reset()
	reply.flushDropped()
	mark := reply.mark()
	if err := perform(op, &wireReader{buf: message[:size]}); err != nil {
		reply.rewind(mark)
		failed(err)(&reply)
	}
	return uint64(address(reply.buf))<<32 | uint64(len(reply.buf))
}

func address(b []byte) uint32 { return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

// flushDropped begins every reply with the ids of host values that Starlark no longer holds.
func (e *encoder) flushDropped() {
	e.uint(uint64(len(dropped)))
	for _, id := range dropped {
		e.uint(uint64(id))
	}
	dropped = dropped[:0]
}

func perform(op uint32, r *wireReader) error {
	switch op {
	case opConfigure:
		return configure(r)
	case opEnvironment:
		return done(defineEnvironment(r))
	case opCompile:
		return compileSource(r)
	case opLoadBytecode:
		return loadBytecode(r)
	case opExecute:
		return executeProgram(r)
	case opResume:
		id := r.id()
		// The run keeps slices of its answer while the host may already write the next message.
		resumeRun(id, append([]byte(nil), r.buf...))
		return nil
	case opCall:
		return callFunction(r)
	case opGlobal:
		return global(r)
	case opRelease:
		for range r.count() {
			handles.release(r.id(), r.uint())
		}
		return done(r.err)
	case opTemplate:
		return renderTemplate(r)
	case opDiscardProgram:
		delete(programs, r.id())
		return done(r.err)
	case opIdentity:
		return functionIdentity(r)
	default:
		return fmt.Errorf("starlark-wasm: unknown operation %d", op)
	}
}

func done(err error) error {
	if err == nil {
		reply.byte(replyDone)
	}
	return err
}

// configure reads the limits and replies with the version of the bytecode: the interpreter module's and the compiler's.
func configure(r *wireReader) error {
	limits.steps = r.uint()
	limits.callDepth = int(r.uint())
	limits.nesting = int(r.uint())
	limits.sourceBytes = int(r.uint())
	limits.heapBytes = r.uint()
	limits.activeTime = time.Duration(r.uint()) * time.Millisecond
	limits.message = int(r.uint())
	outgoing.maxBytes, reply.maxBytes = limits.message, limits.message
	// Collect harder as the live heap nears its bound, so that garbage alone doesn't break it.
	// A run is short and most of what it makes is kept, so collecting seldom is twice as fast.
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(int64(limits.heapBytes))
	if r.err != nil {
		return r.err
	}
	reply.byte(replyDone)
	reply.text(fmt.Sprintf("%s compiler %d", interpreterVersion(), starlark.CompilerVersion))
	return nil
}

func interpreterVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == "go.starlark.net" {
				return dep.Version
			}
		}
	}
	return "unknown"
}

// callFunction reads: run id, handle, positional and keyword arguments. It replies with the result.
func callFunction(r *wireReader) error {
	runID := r.id()
	function, err := handles.get(r.id())
	if err != nil {
		return err
	}
	args, kwargs := r.arguments()
	if r.err != nil {
		return r.err
	}
	startRun(runID, func(thread *starlark.Thread) (func(*encoder) error, error) {
		result, err := starlark.Call(thread, function, args, kwargs)
		return func(e *encoder) error { return e.value(result, 0) }, err
	})
	return nil
}

// global reads: module id, name. It replies with the value.
func global(r *wireReader) error {
	globals, name := modules[r.id()], r.string()
	value, ok := globals[name]
	if !ok {
		return errors.New("starlark-wasm: no such global")
	}
	reply.byte(replyDone)
	return reply.value(value, 0)
}

func main() {}

func init() {
	meterRanges()
	starlark.WorkLeft, starlark.OnWork = workInterval, chargeWork
}
