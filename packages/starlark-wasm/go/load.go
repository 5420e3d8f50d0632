package main

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"go.starlark.net/syntax"
)

// starlark-go's parser refuses a load statement that names no symbols, and its position is that of the opening bracket.
const loadsNothing = "load statement must import at least 1 symbol"

// parseFile parses a file in which load("a.star") without symbols is a load statement too: for what the other file does.
//
// Where the parser refuses such a statement, its keyword gives way to an identifier of the same length, so the parser
// sees a call at the very same position. In the tree that call becomes the load statement.
func parseFile(options *syntax.FileOptions, file string, source []byte) (*syntax.File, error) {
	var bare []syntax.Position
	text := source
	reparsed := 0
	for {
		tree, err := options.Parse(file, text, 0)
		if err == nil {
			if at, ok := restoreLoads(tree, bare); !ok {
				return nil, syntax.Error{Pos: at, Msg: loadsNothing}
			}
			return tree, nil
		}
		var refused syntax.Error
		if !errors.As(err, &refused) || refused.Msg != loadsNothing {
			return nil, err
		}
		keyword := keywordBefore(text, refused.Pos)
		if keyword < 0 {
			return nil, err
		}
		// All that comes before is parsed again.
		if reparsed += keyword; reparsed > limits.sourceBytes {
			return nil, &limitError{fmt.Sprintf("%s: too many load statements without symbols", file)}
		}
		if len(bare) == 0 {
			text = bytes.Clone(source)
		}
		copy(text[keyword:], "l0ad")
		bare = append(bare, refused.Pos)
	}
}

// keywordBefore is the offset of the keyword load in front of the bracket at pos, or -1.
func keywordBefore(text []byte, pos syntax.Position) int {
	head := text[:offsetOf(text, pos)]
	for trimmed := []byte(nil); len(trimmed) != len(head); {
		trimmed = head
		head = bytes.TrimRight(head, " \t\r\n")
		head = bytes.TrimSuffix(head, []byte("\\")) // joins two lines
	}
	if !bytes.HasSuffix(head, []byte("load")) {
		return -1
	}
	return len(head) - len("load")
}

// offsetOf is the offset in bytes of a position, counted as starlark-go's scanner does: in runes, and CR, LF and CRLF each
// end a line.
func offsetOf(text []byte, pos syntax.Position) int {
	line, column := int32(1), int32(1)
	for at := 0; at < len(text); {
		if line == pos.Line && column == pos.Col {
			return at
		}
		r, size := utf8.DecodeRune(text[at:])
		at += size
		if r == '\r' && at < len(text) && text[at] == '\n' {
			at++
		}
		if r == '\n' || r == '\r' {
			line, column = line+1, 1
		} else {
			column++
		}
	}
	return len(text)
}

// restoreLoads makes the calls whose brackets are at these positions load statements again. All must be statements of
// their own, and load one literal string; else it tells where one is not.
func restoreLoads(tree *syntax.File, brackets []syntax.Position) (syntax.Position, bool) {
	type place struct{ line, column int32 }
	wanted := map[place]bool{}
	for _, at := range brackets {
		wanted[place{at.Line, at.Col}] = true
	}
	// In blocks too: that they do not belong there is for the resolver to say.
	for blocks := [][]syntax.Stmt{tree.Stmts}; len(blocks) > 0; {
		block := blocks[len(blocks)-1]
		blocks = blocks[:len(blocks)-1]
		for i, stmt := range block {
			switch stmt := stmt.(type) {
			case *syntax.DefStmt:
				blocks = append(blocks, stmt.Body)
			case *syntax.ForStmt:
				blocks = append(blocks, stmt.Body)
			case *syntax.WhileStmt:
				blocks = append(blocks, stmt.Body)
			case *syntax.IfStmt:
				blocks = append(blocks, stmt.True, stmt.False)
			case *syntax.ExprStmt:
				load, bracket := loadOf(stmt)
				if at := (place{bracket.Line, bracket.Col}); load != nil && wanted[at] {
					delete(wanted, at)
					block[i] = load
				}
			}
		}
	}
	for _, at := range brackets {
		if wanted[place{at.Line, at.Col}] {
			return at, false
		}
	}
	return syntax.Position{}, true
}

// loadOf is the load statement that a call of a name with one literal string stands for, and its opening bracket.
func loadOf(stmt *syntax.ExprStmt) (*syntax.LoadStmt, syntax.Position) {
	call, ok := stmt.X.(*syntax.CallExpr)
	if !ok || len(call.Args) != 1 {
		return nil, syntax.Position{}
	}
	name, isName := call.Fn.(*syntax.Ident)
	literal, isLiteral := call.Args[0].(*syntax.Literal)
	if !isName || !isLiteral || literal.Token != syntax.STRING {
		return nil, syntax.Position{}
	}
	return &syntax.LoadStmt{Load: name.NamePos, Module: literal, Rparen: call.Rparen}, call.Lparen
}
