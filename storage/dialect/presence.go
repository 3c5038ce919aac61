package dialect

// Advisory locks of Postgres that daemons hold for as long as a connection of
// theirs lives. Both are the schema's own.
const (
	// PresenceLock is shared by all daemons that work on a store; who replaces
	// the store holds it alone.
	PresenceLock = "hashtext('nexusctl daemon'), hashtext(current_schema())"
	// LeaderLock is held by the daemon that does the periodic work.
	LeaderLock = "hashtext('nexusctl leader'), hashtext(current_schema())"
)
