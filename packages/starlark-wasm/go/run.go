package main

import (
	"errors"
	"unsafe"

	"go.starlark.net/starlark"
)

// run is one evaluation: of a module's top level or of a function that the host calls. It has a goroutine of its own so
// that it can park while the host awaits a promise; just one run is ever on the processor.
type run struct {
	id     uint32
	budget *budget
	answer chan []byte // from the host, for the function that parked the run
	left   chan bool   // the run left the processor: true when it ended, false when it parked
	finish func(*encoder)
}

var (
	runs   = map[uint32]*run{}
	active *run
)

const (
	replyDone = iota
	replyFailed
	replyParked
)

// startRun runs work until it ends or parks, and writes the reply.
func startRun(id uint32, work func(*starlark.Thread) (func(*encoder) error, error)) {
	thread := &starlark.Thread{Print: func(_ *starlark.Thread, msg string) {
		hostPrint(id, unsafe.Pointer(unsafe.StringData(msg)), uint32(len(msg)))
	}}
	r := &run{id: id, budget: newBudget(thread), answer: make(chan []byte), left: make(chan bool)}
	runs[id] = r
	r.proceed(func() { go r.main(thread, work) })
}

func (r *run) main(thread *starlark.Thread, work func(*starlark.Thread) (func(*encoder) error, error)) {
	defer func() {
		if value := recover(); value != nil {
			r.finish = failed(panicked(value))
			r.left <- true
		}
	}()
	result, err := work(thread)
	if r.budget.broken != nil {
		err = r.explain(err) // also where what broke the limit was the last that happened
	}
	if err != nil {
		r.finish = failed(err)
	} else {
		r.finish = func(e *encoder) {
			mark := e.mark()
			e.byte(replyDone)
			if err := result(e); err != nil {
				e.rewind(mark)
				failed(err)(e)
			}
		}
	}
	r.left <- true
}

func failed(err error) func(*encoder) {
	return func(e *encoder) {
		e.byte(replyFailed)
		e.failure(err)
	}
}

// explain restores the limit behind a cancelled thread: starlark-go keeps just its text.
func (r *run) explain(err error) error {
	limited := &limitedError{limit: r.budget.broken}
	errors.As(err, &limited.eval)
	return limited
}

// limitedError is a broken limit and the place where the interpreter noticed.
type limitedError struct {
	limit *limitError
	eval  *starlark.EvalError
}

func (e *limitedError) Error() string { return e.limit.msg }
func (e *limitedError) Unwrap() error { return e.limit }

// proceed lets the run have the processor until it leaves it, and writes the reply.
func (r *run) proceed(enter func()) {
	outer := active
	active = r
	starlark.WorkLeft = workInterval
	r.budget.resume()
	enter()
	ended := <-r.left
	r.budget.park()
	active = outer
	starlark.WorkLeft = workInterval
	if ended {
		delete(runs, r.id)
		r.finish(&reply)
	} else {
		reply.byte(replyParked)
	}
}

// wait parks the run until the host answers.
func (r *run) wait() []byte {
	r.left <- false
	return <-r.answer
}

// resumeRun answers the call for which a run parked.
func resumeRun(id uint32, answer []byte) {
	r, ok := runs[id]
	if !ok {
		failed(errors.New("starlark-wasm: no such run"))(&reply)
		return
	}
	r.proceed(func() { r.answer <- answer })
}
