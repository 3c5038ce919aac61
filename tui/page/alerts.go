package page

import (
	"fmt"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/tui/widget"
)

// alertList is why the daemon is not ready, then the alerts: two lines each.
func (v *View) alertList(a area) widget.List {
	reasons, alerts := v.Data.Reasons, v.Data.Alerts
	l := widget.List{Total: 2 * (len(reasons) + len(alerts))}
	l.Line = func(i int) string {
		second := i%2 == 1
		if i /= 2; i < len(reasons) {
			return v.reasonRow(a.w, reasons[i], second)
		}
		return v.alertRow(a.w, alerts[i-len(reasons)], second)
	}
	if l.Total == 0 {
		l.Total, l.Line = 1, func(int) string { return v.caption(a.w, signGood+" ready, and no alert is pending or firing") }
	}
	return l
}

func (v *View) reasonRow(w int, r api.Reason, second bool) string {
	if second {
		return v.caption(w, "  "+r.Detail)
	}
	return widget.Row(w, widget.Span{Text: signBad + " not ready: " + r.Code, Style: v.Theme.Bad})
}

func (v *View) alertRow(w int, a api.Alert, second bool) string {
	if second {
		return v.caption(w, "  "+a.Severity+": "+a.Summary)
	}
	style := v.Theme.Warn
	if a.State == "firing" {
		style = v.Theme.Bad
	}
	tail := fmt.Sprintf("  %s %s", a.State, widget.Age(v.Data.At-a.Since))
	room := max(w-widget.Width(tail), w/2)
	name := signWarn + " " + a.Name
	name = widget.Fit(name, min(widget.Width(name), room))
	return widget.Row(w, widget.Span{Text: name, Style: style}, widget.Span{Text: tail, Style: v.Theme.Dim})
}
