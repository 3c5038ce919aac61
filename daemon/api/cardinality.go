package api

import (
	"net/http"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/protocol/api"
)

const (
	defaultNamed = 20
	maxNamed     = 100
)

// cardinality shows how many series there are, whose, and what budgets turned
// away.
func (s *Server) cardinality(w http.ResponseWriter, r *http.Request) {
	limit, p := intParam(r, "limit", defaultNamed, 1, maxNamed)
	if p != nil {
		s.problem(w, r, *p)
		return
	}
	s.answer(w, r, http.StatusOK, CardinalityBody(s.opts.Cardinality(limit)))
}

// CardinalityBody returns a report as it is sent.
func CardinalityBody(c admit.Cardinality) api.Cardinality {
	b := api.Cardinality{
		Series:     c.Series,
		Deleted:    c.Deleted,
		Budgets:    api.Budgets{Series: c.Budgets.Series, NameSeries: c.Budgets.NameSeries, TagValues: c.Budgets.TagValues},
		Overflowed: c.Refused, Unnamed: c.Unnamed, Conflicting: c.Conflicting,
		Offenders: OffenderBodies(c.Offenders), Names: []api.NameCount{}, Tags: tagBodies(c.Tags), TypeConflicts: []api.TypeConflict{},
	}
	for _, n := range c.Names {
		name := api.NameCount{Name: n.Name, Series: n.Series, Types: []string{}, TypeConflict: n.Conflict, Sampled: n.Sampled, Tags: tagBodies(n.Tags)}
		for _, t := range n.Types {
			name.Types = append(name.Types, t.String())
		}
		b.Names = append(b.Names, name)
	}
	for _, k := range c.Conflicts {
		conflict := api.TypeConflict{Name: k.Name}
		for _, t := range k.Types {
			conflict.Types = append(conflict.Types, api.TypeSource{Type: t.Type.String(), Listener: t.Source.Listener, Address: t.Source.Address})
		}
		b.TypeConflicts = append(b.TypeConflicts, conflict)
	}
	return b
}

// OffenderBodies returns names beyond budgets as they are sent.
func OffenderBodies(list []admit.Offender) []api.Offender {
	out := []api.Offender{}
	for _, o := range list {
		out = append(out, api.Offender{
			Name: o.Name, Limit: string(o.Limit), TagKey: o.Tag, Refused: o.Refused, Distinct: o.Distinct, Sources: sourceBodies(o.Sources),
		})
	}
	return out
}

func tagBodies(list []admit.TagCount) []api.TagCount {
	out := []api.TagCount{}
	for _, t := range list {
		out = append(out, api.TagCount{Key: t.Key, Values: t.Values, Refused: t.Refused, Distinct: t.Distinct, Sources: sourceBodies(t.Sources)})
	}
	return out
}

func sourceBodies(list []admit.SourceCount) []api.SourceCount {
	out := []api.SourceCount{}
	for _, s := range list {
		out = append(out, api.SourceCount{Listener: s.Listener, Address: s.Address, Count: s.Count})
	}
	return out
}
