package main

import (
	"encoding/binary"
	"errors"
	"math"
)

// The wire is a flat byte string. Counts, ids and lengths are unsigned varints, text is UTF-8 after its length.
// src/wire.ts is the other side and must change together with this file.

var errTruncated = errors.New("starlark-wasm: message ends early")

type wireWriter struct{ buf []byte }

func (w *wireWriter) reset()        { w.buf = w.buf[:0] }
func (w *wireWriter) byte(b byte)   { w.buf = append(w.buf, b) }
func (w *wireWriter) uint(n uint64) { w.buf = binary.AppendUvarint(w.buf, n) }
func (w *wireWriter) string(s string) {
	w.uint(uint64(len(s)))
	w.buf = append(w.buf, s...)
}
func (w *wireWriter) float(f float64) {
	w.buf = binary.LittleEndian.AppendUint64(w.buf, math.Float64bits(f))
}

// wireReader reads a message once, front to back. The first fault sticks and every later read gives a zero value,
// so that callers check err once, at the end.
type wireReader struct {
	buf []byte
	err error
}

func (r *wireReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.buf = nil
}

func (r *wireReader) byte() byte {
	if len(r.buf) == 0 {
		r.fail(errTruncated)
		return 0
	}
	b := r.buf[0]
	r.buf = r.buf[1:]
	return b
}

func (r *wireReader) uint() uint64 {
	n, size := binary.Uvarint(r.buf)
	if size <= 0 {
		r.fail(errTruncated)
		return 0
	}
	r.buf = r.buf[size:]
	return n
}

func (r *wireReader) id() uint32 { return uint32(r.uint()) }

// count reads a number of items that each take at least one byte, so that a wrong count can't ask for endless memory.
func (r *wireReader) count() int {
	n := r.uint()
	if n > uint64(len(r.buf)) {
		r.fail(errTruncated)
		return 0
	}
	return int(n)
}

func (r *wireReader) bytes() []byte {
	n := r.count()
	b := r.buf[:n]
	r.buf = r.buf[n:]
	return b
}

func (r *wireReader) string() string { return string(r.bytes()) }

func (r *wireReader) float() float64 {
	if len(r.buf) < 8 {
		r.fail(errTruncated)
		return 0
	}
	bits := binary.LittleEndian.Uint64(r.buf)
	r.buf = r.buf[8:]
	return math.Float64frombits(bits)
}
