package main

import (
	"bytes"
	"fmt"
	"math/big"
	"text/template"
	"text/template/parse"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// templateError is a fault in a template; its text begins with "template: name:line:column:".
type templateError struct{ cause error }

func (e *templateError) Error() string { return e.cause.Error() }
func (e *templateError) Unwrap() error { return e.cause }

// tickName is the function that bounds a rendering. It is defined after the text is parsed, so the text can't name it.
const tickName = "tick"

// renderTemplate reads: name, text, missing key option, output limit in bytes, step limit, context.
func renderTemplate(r *wireReader) error {
	name, text, missingKey := r.string(), r.string(), r.string()
	maxOutput, maxTicks := int(r.uint()), r.uint()
	context := r.value()
	if r.err != nil {
		return r.err
	}
	data, err := templateData(context)
	if err != nil {
		return &templateError{err}
	}
	rendering := &rendering{maxOutput: maxOutput, maxTicks: maxTicks, started: time.Now()}
	parsed, err := template.New(name).
		Option("missingkey=" + missingKey).
		Parse(text)
	if err != nil {
		return &templateError{err}
	}
	if err := rendering.bound(parsed); err != nil {
		return &templateError{err}
	}
	if err := parsed.Execute(rendering, data); err != nil {
		return &templateError{err}
	}
	reply.byte(replyDone)
	reply.text(rendering.output.String())
	return nil
}

type rendering struct {
	output    bytes.Buffer
	maxOutput int
	ticks     uint64
	maxTicks  uint64
	started   time.Time
}

func (r *rendering) Write(p []byte) (int, error) {
	if r.output.Len()+len(p) > r.maxOutput {
		return 0, &limitError{fmt.Sprintf("output is larger than %d bytes", r.maxOutput)}
	}
	return r.output.Write(p)
}

// bound makes every loop body and every template body begin with a call of tick: loops over integers and templates that
// call themselves twice would otherwise run for ever.
func (r *rendering) bound(t *template.Template) error {
	tick := template.FuncMap{tickName: r.tick}
	for _, each := range t.Templates() {
		if each.Tree == nil || each.Tree.Root == nil {
			continue
		}
		trees, err := parse.Parse(each.Tree.ParseName, "{{"+tickName+"}}", "", "", tick)
		if err != nil {
			return err
		}
		for _, tree := range trees {
			insert(each.Tree.Root, tree.Root.Nodes[0])
			each.Tree.Root.Nodes = append([]parse.Node{tree.Root.Nodes[0]}, each.Tree.Root.Nodes...)
		}
	}
	t.Funcs(tick)
	return nil
}

// insert puts the action at the start of every loop body below the list.
func insert(list *parse.ListNode, action parse.Node) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		switch node := node.(type) {
		case *parse.IfNode:
			insert(node.List, action)
			insert(node.ElseList, action)
		case *parse.WithNode:
			insert(node.List, action)
			insert(node.ElseList, action)
		case *parse.RangeNode:
			insert(node.List, action)
			insert(node.ElseList, action)
			node.List.Nodes = append([]parse.Node{action}, node.List.Nodes...)
		}
	}
}

func (r *rendering) tick() (string, error) {
	r.ticks++
	if r.ticks > r.maxTicks {
		return "", &limitError{fmt.Sprintf("more than %d loop steps and calls", r.maxTicks)}
	}
	if r.ticks%1000 == 0 && time.Since(r.started) > limits.activeTime {
		return "", &limitError{fmt.Sprintf("time limit of %v exceeded", limits.activeTime)}
	}
	return "", nil
}

// templateData turns a value into what Go templates work with: map[string]any for dicts and structs, []any for
// lists, tuples and sets, int, float64, string, bool and nil.
func templateData(v starlark.Value) (any, error) {
	switch v := v.(type) {
	case starlark.NoneType:
		return nil, nil
	case starlark.Bool:
		return bool(v), nil
	case starlark.Int:
		if n, ok := v.Int64(); ok {
			return int(n), nil
		}
		return new(big.Int).Set(v.BigInt()), nil
	case starlark.Float:
		return float64(v), nil
	case starlark.String:
		return string(v), nil
	case *starlark.Dict:
		return templateMap(v)
	case *starlarkstruct.Struct:
		fields := make(map[string]any, v.Len())
		for name, field := range v.Entries() {
			data, err := templateData(field)
			if err != nil {
				return nil, err
			}
			fields[name] = data
		}
		return fields, nil
	case starlark.Bytes:
		return nil, fmt.Errorf("a template context can't hold %s", v.Type())
	case starlark.Sequence:
		items := make([]any, 0, v.Len())
		for item := range starlark.Elements(v) {
			data, err := templateData(item)
			if err != nil {
				return nil, err
			}
			items = append(items, data)
		}
		return items, nil
	default:
		return nil, fmt.Errorf("a template context can't hold %s", v.Type())
	}
}

func templateMap(dict *starlark.Dict) (any, error) {
	fields := make(map[string]any, dict.Len())
	for _, item := range dict.Items() {
		key, ok := starlark.AsString(item[0])
		if !ok {
			return nil, fmt.Errorf("a template context can't have the key %s: it is no string", item[0])
		}
		data, err := templateData(item[1])
		if err != nil {
			return nil, err
		}
		fields[key] = data
	}
	return fields, nil
}
