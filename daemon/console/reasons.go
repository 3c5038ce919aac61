package console

import "encoding/json"

// reasons say what each reason of the ledger means and what to do about it. The
// script reads the same file.
var reasons = loadReasons()

func loadReasons() map[string]string {
	b, err := assetFiles.ReadFile("assets/reasons.json")
	if err != nil {
		panic(err)
	}
	var m map[string]string
	if err := json.Unmarshal(b, &m); err != nil {
		panic(err)
	}
	return m
}
