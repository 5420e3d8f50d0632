package main

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"time"

	"go.starlark.net/starlark"
)

// limits holds for every run of the instance; the host sets it once, at the start.
var limits struct {
	steps       uint64
	callDepth   int
	nesting     int
	sourceBytes int
	heapBytes   uint64 // live Starlark and Go data together
	activeTime  time.Duration
	message     int // bytes of one value that crosses
}

// workInterval is how much work within steps, such as the comparison of two lists, happens between two charges.
const workInterval = 1_000

// chargeWork charges the run on the processor for the work that was done since the last time. Outside of runs nothing is
// walked that the host did not write out in full.
func chargeWork() bool {
	units := workInterval - starlark.WorkLeft
	starlark.WorkLeft = workInterval
	if active == nil || active.budget.charge(uint64(units)) {
		return true
	}
	starlark.WorkLeft = 0
	return false
}

// Steps say nothing about time or bytes: a single one may copy a huge value. So the clock and the memory are looked at more
// often, in steps, while much happens between two looks.
const (
	firstInterval   = 16
	longestInterval = 4_000
	slowInterval    = 10 * time.Millisecond
	busyInterval    = 4 << 20 // bytes that the memory grew by
)

// budget bounds one run. starlark-go offers a single hook, called when a thread's step count reaches a number; every
// other bound is checked there too, and the number is then moved to where the next bound could first be broken.
type budget struct {
	thread   *starlark.Thread
	next     uint64 // step count of the next check
	inspect  uint64 // step count of the next look
	interval uint64
	resumed  time.Time
	used     time.Duration // active time before resumed
	seen     time.Duration // active time at the last look
	memory   uint64        // bytes at the last look
	broken   *limitError
}

func newBudget(thread *starlark.Thread) *budget {
	b := &budget{thread: thread, interval: firstInterval, inspect: firstInterval, memory: memoryBytes()}
	thread.OnMaxSteps = func(*starlark.Thread) { b.check() }
	b.schedule()
	return b
}

func (b *budget) resume() { b.resumed = time.Now() }
func (b *budget) park()   { b.used += time.Since(b.resumed) }

// charge counts work that the interpreter doesn't see, and reports whether the run may go on.
func (b *budget) charge(steps uint64) bool {
	b.thread.Steps += steps
	if b.thread.Steps >= b.next {
		b.check()
	}
	return b.broken == nil
}

func (b *budget) fail(format string, args ...any) {
	if b.broken == nil {
		b.broken = &limitError{fmt.Sprintf(format, args...)}
	}
	b.thread.Cancel(b.broken.msg)
}

func (b *budget) check() {
	if b.broken != nil {
		return
	}
	if b.thread.Steps >= limits.steps {
		b.fail("step limit of %d exceeded", limits.steps)
		return
	}
	if b.thread.CallStackDepth() > limits.callDepth {
		b.fail("Starlark stack overflow: more than %d nested calls", limits.callDepth)
		return
	}
	if b.thread.Steps >= b.inspect {
		b.look()
	}
	b.schedule()
}

// look checks what is dear to ask for. What no look comes in time for, such as one string of a gigabyte, ends at the
// maximum of the WebAssembly memory.
func (b *budget) look() {
	active, memory := b.used+time.Since(b.resumed), memoryBytes()
	if active > limits.activeTime {
		b.fail("time limit of %v exceeded", limits.activeTime)
	}
	if memory > limits.heapBytes && liveHeapBytes() > limits.heapBytes {
		b.fail("memory limit of %d MiB exceeded", limits.heapBytes>>20)
	}
	if active-b.seen > slowInterval || memory-b.memory > busyInterval {
		b.interval = max(b.interval/4, firstInterval)
	} else {
		b.interval = min(b.interval*2, longestInterval)
	}
	b.seen, b.memory = active, memory
	b.inspect = b.thread.Steps + b.interval
}

// schedule moves the hook. A Starlark call takes at least two steps (load the function, call it), so a thread that is
// n frames below the depth limit can't pass it in fewer than 2n steps.
func (b *budget) schedule() {
	room := max(limits.callDepth-b.thread.CallStackDepth(), 0)
	b.next = min(limits.steps, b.inspect, b.thread.Steps+2*uint64(room)+1)
	b.thread.SetMaxExecutionSteps(b.next)
}

// memoryBytes is the size of the WebAssembly memory, which never shrinks.
func memoryBytes() uint64 { return uint64(hostPages()) << 16 }

var heapSamples = []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/frees:bytes"}}

// lastForced is what had been allocated when liveHeapBytes last forced a collection.
var lastForced uint64

// liveHeapBytes is what the last garbage collection left. It forces one when the heap, garbage included, is above the limit:
// Go's own collector gives way to the program when both are short of time, and would let the heap grow on.
func liveHeapBytes() uint64 {
	metrics.Read(heapSamples)
	live, allocated, freed := heapSamples[0].Value.Uint64(), heapSamples[1].Value.Uint64(), heapSamples[2].Value.Uint64()
	if allocated-freed > limits.heapBytes && allocated-lastForced > limits.heapBytes/8 {
		lastForced = allocated
		runtime.GC()
		metrics.Read(heapSamples[:1])
		live = heapSamples[0].Value.Uint64()
	}
	return live
}
