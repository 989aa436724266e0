package sheet

import (
	"strings"
	"unicode/utf8"
)

// Separator stands between the elements of a cell that is a list.
const Separator = ";"

// Value returns what a person means by a cell: without the blanks around it, and
// without what makes a spreadsheet take digits for text, as ="0201" and '0201 do.
func Value(cell string) string {
	cell = strings.TrimSpace(cell)
	if inner, ok := formulaText(cell); ok {
		return strings.TrimSpace(inner)
	}
	return unguard(cell)
}

// formulaText returns the text in a formula that is but a text: ="0201".
func formulaText(cell string) (string, bool) {
	if len(cell) < 3 || !strings.HasPrefix(cell, `="`) || !strings.HasSuffix(cell, `"`) {
		return "", false
	}
	inner := cell[2 : len(cell)-1]
	text := strings.ReplaceAll(inner, `""`, "")
	return strings.ReplaceAll(inner, `""`, `"`), !strings.Contains(text, `"`)
}

// Elements returns the elements of a cell that is a list, each as Value does; an
// empty cell has none.
func Elements(cell string) []string {
	cell = strings.TrimSpace(cell)
	if inner, ok := formulaText(cell); ok {
		cell = inner
	}
	if cell == "" {
		return nil
	}
	all := strings.Split(cell, Separator)
	for i := range all {
		all[i] = Value(all[i])
	}
	return all
}

// Join writes elements as a cell that Elements reads.
func Join(elements []string) string {
	guarded := make([]string, len(elements))
	for i, element := range elements {
		guarded[i] = Guard(element)
	}
	return strings.Join(guarded, Separator)
}

// Guard puts an apostrophe before a cell that a spreadsheet would take for a
// formula; Value takes it away. It also puts one before a cell that begins with an
// apostrophe that Value would take away. What is after a semicolon is guarded too: where
// semicolons are between the cells, a spreadsheet takes that for a cell of its own.
func Guard(cell string) string {
	return pieces(cell, func(piece string) string {
		if formula(piece) || marks(piece) {
			return "'" + piece
		}
		return piece
	})
}

// Unguard undoes Guard, and nothing else.
func Unguard(cell string) string {
	return pieces(cell, func(piece string) string {
		if rest, ok := strings.CutPrefix(piece, "'"); ok && (formula(rest) || marks(rest)) {
			return rest
		}
		return piece
	})
}

// pieces changes each piece between semicolons.
func pieces(cell string, change func(string) string) string {
	if !strings.Contains(cell, Separator) {
		return change(cell)
	}
	all := strings.Split(cell, Separator)
	for i := range all {
		all[i] = change(all[i])
	}
	return strings.Join(all, Separator)
}

// unguard undoes Guard, and takes away an apostrophe before a digit, which a
// person wrote for the spreadsheet.
func unguard(cell string) string {
	return pieces(cell, func(piece string) string {
		if marks(piece) {
			return piece[1:]
		}
		return piece
	})
}

// marks reports whether a cell begins with an apostrophe that is there for the
// spreadsheet.
func marks(cell string) bool {
	rest := strings.TrimLeft(cell, "'")
	return rest != cell && rest != "" && (formula(rest) || rest[0] >= '0' && rest[0] <= '9')
}

// formula reports whether a spreadsheet may take a cell for a formula: also after
// blanks, and in the wide letters of East Asia.
func formula(cell string) bool {
	if cell != "" && strings.ContainsAny(cell[:1], "\t\r\n") {
		return true
	}
	first, _ := utf8.DecodeRuneInString(strings.TrimSpace(cell))
	return strings.ContainsRune("=+-@＝＋－＠", first)
}

// Safe guards a cell of a table, unless a spreadsheet takes it for a text anyway. So it
// means the same as before.
func Safe(cell string) string {
	if _, ok := formulaText(strings.TrimSpace(cell)); ok {
		return cell
	}
	return pieces(cell, func(piece string) string {
		if formula(piece) {
			return "'" + piece
		}
		return piece
	})
}
