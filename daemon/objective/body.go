package objective

import (
	"math/big"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/slo"
)

// Body returns a status as it is sent. A budget that is not over is told
// against what the whole window is expected to bring.
func Body(s slo.Status) api.SLO {
	budget := s.Budget.Events
	if s.Projected != nil {
		budget = s.Projected.Events
	}
	b := api.SLO{
		Name: s.Objective.Name, Description: s.Objective.Description, Target: s.Objective.Target.String(), Window: s.Objective.Window.String(),
		State: string(s.State), Good: float(s.Events.Kept()), Total: float(s.Events.All()), SLI: s.Printed(),
		BudgetEvents: float(budget.Total), BudgetRemaining: 1, Burn: []api.Burn{}, Completeness: float(s.Completeness),
	}
	if left := budget.RemainingFraction(); left != nil {
		b.BudgetRemaining = float(left)
	}
	for _, burn := range s.Burns {
		b.Burn = append(b.Burn, api.Burn{Window: burn.Label, Rate: float(burn.Rate), Total: float(burn.Events.All())})
	}
	if e := s.LastHour().Exhaustion; e != nil {
		seconds := float(e.Seconds())
		b.ExhaustionS = &seconds
	}
	return b
}

// float returns the nearest float, 0 for what is not known.
func float(r *big.Rat) float64 {
	if r == nil {
		return 0
	}
	f, _ := r.Float64()
	return f
}
