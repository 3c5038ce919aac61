package api

// CardinalityPath shows how many series there are, whose, and what budgets
// turned away.
const CardinalityPath = "/api/v1/cardinality"

// Cardinality is the series of this process. Lists come with the worst first.
type Cardinality struct {
	Series  int     `json:"series"`  // that the budgets count
	Deleted int     `json:"deleted"` // that take memory until the daemon ends
	Budgets Budgets `json:"budgets"`
	// Overflowed counts first sights that became overflow series, Unnamed those
	// of them whose names are not remembered.
	Overflowed uint64 `json:"overflowed"`
	Unnamed    uint64 `json:"unnamed"`

	Offenders     []Offender     `json:"offenders"`
	Names         []NameCount    `json:"names"`
	Tags          []TagCount     `json:"tags"`
	TypeConflicts []TypeConflict `json:"type_conflicts"`
	Conflicting   int            `json:"conflicting"` // names with several types in all
}

// Budgets bound series; 0 is no bound of its own.
type Budgets struct {
	Series     int `json:"series"`
	NameSeries int `json:"name_series"`
	TagValues  int `json:"tag_values"`
}

// Offender is a name beyond a budget: "series", "name" or "tag_values".
type Offender struct {
	Name     string        `json:"name"`
	Limit    string        `json:"limit"`
	TagKey   string        `json:"tag_key"`  // with most values in what was turned away
	Refused  uint64        `json:"refused"`  // first sights
	Distinct uint64        `json:"distinct"` // series turned away, estimated
	Sources  []SourceCount `json:"sources"`
}

// SourceCount is who brought first sights, and how many, nearly. An address is
// empty where the listener has none.
type SourceCount struct {
	Listener string `json:"listener"`
	Address  string `json:"address"`
	Count    uint64 `json:"count"`
}

// NameCount is a name and its series. Tags are those of the newest Sampled.
type NameCount struct {
	Name         string     `json:"name"`
	Series       int        `json:"series"`
	Types        []string   `json:"types"`
	TypeConflict bool       `json:"type_conflict"`
	Sampled      int        `json:"sampled"`
	Tags         []TagCount `json:"tags"`
}

// TagCount is a tag key, its values in admitted series, and what was turned away
// because of it.
type TagCount struct {
	Key      string        `json:"key"`
	Values   int           `json:"values"`
	Refused  uint64        `json:"refused,omitempty"`
	Distinct uint64        `json:"distinct,omitempty"` // values turned away, estimated
	Sources  []SourceCount `json:"sources,omitempty"`
}

// TypeConflict is a name that came as several types, and who brought each first;
// nobody where that was before the daemon's start.
type TypeConflict struct {
	Name  string       `json:"name"`
	Types []TypeSource `json:"types"`
}

// TypeSource is one type of a name.
type TypeSource struct {
	Type     string `json:"type"`
	Listener string `json:"listener,omitempty"`
	Address  string `json:"address,omitempty"`
}
