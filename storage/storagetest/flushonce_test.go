package storagetest_test

import (
	"slices"
	"strings"
	"testing"

	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/dialect"
	"example.com/nexusctl/storage/storagetest/pgtest"
)

// TestOneStatement holds that Postgres is asked for all of a flush in one statement
// once it has had one, and for each in several where it cannot do it in one: a rule
// refuses what a server refuses that distributes its tables.
func TestOneStatement(t *testing.T) {
	for name, c := range map[string]struct {
		setup string
		want  []string
	}{
		"in one":     {"SELECT 1", []string{"INSERT", "WITH", "WITH", "WITH"}},
		"in several": {"CREATE RULE two AS ON UPDATE TO flush_note DO ALSO SELECT 1; CREATE RULE one AS ON UPDATE TO writer_position DO ALSO UPDATE flush_note SET q = q WHERE false", []string{"INSERT", "UPDATE", "UPDATE", "UPDATE"}},
	} {
		t.Run(name, func(t *testing.T) {
			url := pgtest.DSN(t)
			up(t, url, "")
			db, err := dialect.Open(t.Context(), dialect.Config{URL: url})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			for _, q := range []string{"CREATE TABLE flush_note (at serial, q text)", `CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO flush_note (q) VALUES (current_query()); RETURN NULL; END $$`,
				"CREATE TRIGGER note AFTER INSERT OR UPDATE ON writer_position FOR EACH ROW EXECUTE FUNCTION note()"} {
				if _, err := db.Write.ExecContext(t.Context(), q); err != nil {
					t.Fatal(err)
				}
			}
			for q := range strings.SplitSeq(c.setup, ";") {
				if _, err := db.Write.ExecContext(t.Context(), q); err != nil {
					t.Fatal(err)
				}
			}
			s := openStore(t, url, "")
			for n := range uint64(len(c.want)) {
				f := storage.Flush{Writer: "w", From: n, To: n + 1, Seq: n + 1, Counts: storage.Counts{Stored: 2}, Blocks: []storage.Block{{Shard: 3, Data: []byte{byte(n)}}, {Shard: 4, Data: []byte{1}}}}
				if applied, err := s.Commit(t.Context(), f); err != nil || !applied {
					t.Fatalf("flush %d: applied %v, %v", n, applied, err)
				}
			}
			if got := noted(t, db); !slices.Equal(got, c.want) {
				t.Errorf("the writer's row was moved by %v, want %v", got, c.want)
			}
			blocks, err := s.Blocks(t.Context(), 0, 1)
			if err != nil || len(blocks) != 2*len(c.want) {
				t.Errorf("%d blocks, %v", len(blocks), err)
			}
			if w, err := s.Writer(t.Context(), "w"); err != nil || w.Counts.Stored != uint64(2*len(c.want)) || w.Position != uint64(len(c.want)) {
				t.Errorf("%+v, %v", w, err)
			}
		})
	}
}

// noted returns the first words of the statements that moved the writer's row.
func noted(t *testing.T, db *dialect.Database) (words []string) {
	t.Helper()
	rows, err := db.Read.QueryContext(t.Context(), "SELECT split_part(q, ' ', 1) FROM flush_note ORDER BY at")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var w string
		if err := rows.Scan(&w); err != nil {
			t.Fatal(err)
		}
		words = append(words, w)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return words
}
