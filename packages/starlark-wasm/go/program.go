package main

import (
	"bytes"
	"errors"
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

var (
	programs     = map[uint32]*starlark.Program{}
	environments = map[uint32]*environment{}
	modules      = map[uint32]starlark.StringDict{}
)

// environment is what a file sees without loading it, and the dialect it is written in.
type environment struct {
	predeclared starlark.StringDict
	options     syntax.FileOptions
}

// Bits of the dialect; src/environment.ts has the same list.
const (
	dialectSet = 1 << iota
	dialectWhile
	dialectTopLevelControl
	dialectGlobalReassign
	dialectLoadBindsGlobally
	dialectRecursion
)

func fileOptions(bits uint64) syntax.FileOptions {
	return syntax.FileOptions{
		Set:               bits&dialectSet != 0,
		While:             bits&dialectWhile != 0,
		TopLevelControl:   bits&dialectTopLevelControl != 0,
		GlobalReassign:    bits&dialectGlobalReassign != 0,
		LoadBindsGlobally: bits&dialectLoadBindsGlobally != 0,
		Recursion:         bits&dialectRecursion != 0,
	}
}

// defineEnvironment reads: id, dialect bits, id of the base or 0, predeclared names with values.
func defineEnvironment(r *wireReader) error {
	id := r.id()
	env := &environment{options: fileOptions(r.uint()), predeclared: starlark.StringDict{}}
	if base, ok := environments[r.id()]; ok {
		for name, value := range base.predeclared {
			env.predeclared[name] = value
		}
	}
	own, err := r.fields(0)
	if err != nil {
		return err
	}
	for name, value := range own {
		starlark.FreezeOnce(value)
		env.predeclared[name] = value
	}
	environments[id] = env
	return nil
}

// compileSource reads: program id, environment id, file name, source. It replies with the load statements and the
// bytecode.
func compileSource(r *wireReader) error {
	id, env, file, source := r.id(), environments[r.id()], r.string(), r.bytes()
	if r.err != nil {
		return r.err
	}
	if env == nil {
		return errors.New("starlark-wasm: unknown environment")
	}
	if len(source) > limits.sourceBytes {
		return &limitError{fmt.Sprintf("%s: source of %d bytes is larger than %d bytes", file, len(source), limits.sourceBytes)}
	}
	tree, err := parseFile(&env.options, file, source)
	if err != nil {
		return err
	}
	if err := checkNesting(tree); err != nil {
		return err
	}
	program, err := starlark.FileProgram(tree, env.predeclared.Has)
	if err != nil {
		return err
	}
	programs[id] = program
	keepSource(program, file, source, env.options)
	reply.byte(replyDone)
	reply.loads(program)
	var bytecode bytes.Buffer
	if err := program.Write(&bytecode); err != nil {
		return err
	}
	reply.string(bytecode.String())
	return nil
}

// checkNesting bounds the depth of the tree. The parser bounds its own recursion, but builds chains (a+b+c, f()()(),
// elif) in loops, and the resolver and the compiler recurse into those. Walk never goes deeper than the bound.
func checkNesting(tree *syntax.File) error {
	depth := 0
	var tooDeep syntax.Node
	syntax.Walk(tree, func(n syntax.Node) bool {
		if n == nil {
			depth--
			return false
		}
		if depth >= limits.nesting {
			if tooDeep == nil {
				tooDeep = n
			}
			return false
		}
		depth++
		return true
	})
	if tooDeep == nil {
		return nil
	}
	return syntax.Error{Pos: leftmost(tooDeep), Msg: excessiveNesting}
}

const excessiveNesting = "excessive nesting" // as starlark-go's parser words it

// leftmost is where n starts. syntax.Start would recurse through the very chain that is too deep.
func leftmost(n syntax.Node) syntax.Position {
	for {
		switch x := n.(type) {
		case *syntax.BinaryExpr:
			n = x.X
		case *syntax.CallExpr:
			n = x.Fn
		case *syntax.DotExpr:
			n = x.X
		case *syntax.IndexExpr:
			n = x.X
		case *syntax.SliceExpr:
			n = x.X
		case *syntax.CondExpr:
			n = x.True
		case *syntax.ExprStmt:
			n = x.X
		case *syntax.AssignStmt:
			n = x.LHS
		case *syntax.DictEntry:
			n = x.Key
		default:
			start, _ := n.Span()
			return start
		}
	}
}

// loadBytecode reads: program id, bytecode, environment id, file name, source (empty when it is not at hand). It replies with
// the load statements.
func loadBytecode(r *wireReader) error {
	id, bytecode, env, file, source := r.id(), r.bytes(), environments[r.id()], r.string(), r.bytes()
	if r.err != nil {
		return r.err
	}
	if env == nil {
		return errors.New("starlark-wasm: unknown environment")
	}
	program, err := starlark.CompiledProgram(bytes.NewReader(bytecode))
	if err != nil {
		return err
	}
	programs[id] = program
	if len(source) > 0 {
		keepSource(program, file, source, env.options)
	}
	reply.byte(replyDone)
	reply.loads(program)
	return nil
}

func (e *encoder) loads(program *starlark.Program) {
	e.uint(uint64(program.NumLoads()))
	for i := range program.NumLoads() {
		module, pos := program.Load(i)
		e.text(module)
		e.position(pos)
	}
}

// executeProgram reads: run id, module id, program id, environment id, then each module name with the id of the loaded
// module. It replies with the names of the module's globals.
func executeProgram(r *wireReader) error {
	runID, moduleID, program, env := r.id(), r.id(), programs[r.id()], environments[r.id()]
	loads := map[string]starlark.StringDict{}
	for range r.count() {
		name := r.string()
		loads[name] = modules[r.id()]
	}
	if r.err != nil {
		return r.err
	}
	if program == nil || env == nil {
		return errors.New("starlark-wasm: unknown program or environment")
	}
	startRun(runID, func(thread *starlark.Thread) (func(*encoder) error, error) {
		thread.Load = func(_ *starlark.Thread, name string) (starlark.StringDict, error) {
			if globals := loads[name]; globals != nil {
				return globals, nil
			}
			return nil, fmt.Errorf("module %q is not loaded", name)
		}
		globals, err := program.Init(thread, env.predeclared)
		starlark.FreezeOnce(globals)
		if err != nil {
			return nil, err
		}
		modules[moduleID] = globals
		return func(e *encoder) error {
			names := globals.Keys()
			e.uint(uint64(len(names)))
			for _, name := range names {
				e.text(name)
			}
			return nil
		}, nil
	})
	return nil
}
