package dialect

import (
	"strconv"
	"strings"
)

// sqliteVariables is SQLite's own bound on the parameters of a statement.
const sqliteVariables = 32766

// newSQLiteDialect needs no driver, so it stands outside the build constraint
// and is checked in every build.
func newSQLiteDialect(classify func(error) Class) *Dialect {
	return &Dialect{
		Name:         SQLite,
		MaxRows:      func(columns int) int { return min(500, sqliteVariables/columns) },
		placeholders: func(q string) string { return strings.ReplaceAll(q, "$", "?") },
		inInts:       "IN (SELECT value FROM json_each($%d))",
		intsArg:      func(list []int64) any { return JSONInts(list) },
		rows:         valuesRows,
		classify:     classify,
	}
}

// JSONInts writes the list that SQLite's json_each reads: one parameter, one
// prepared statement, whatever the number of values.
func JSONInts(list []int64) string {
	b := make([]byte, 0, 2+20*len(list))
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, v, 10)
	}
	return string(append(b, ']'))
}

func valuesRows(cols []Column) (string, []any) {
	n := cols[0].Len()
	row := "(" + strings.Repeat("?,", len(cols)-1) + "?)"
	args := make([]any, 0, n*len(cols))
	for i := range n {
		for _, c := range cols {
			args = append(args, c.at(i))
		}
	}
	return "VALUES " + strings.Repeat(row+",", n-1) + row, args
}
