package admit

// Source is whom something is from: a listener, as "tcp 127.0.0.1:8080", and the
// peer's address, empty where it has none.
type Source struct{ Listener, Address string }
