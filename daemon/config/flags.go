package config

import (
	"maps"
	"slices"
)

// PortFlag is the one flag that is no key: it replaces the port of
// server.listen.
const PortFlag = "server.port"

// commandLine is how an origin and a fault name the flags.
const commandLine = "command line"

func (l *loader) flags() {
	for _, key := range slices.Sorted(maps.Keys(l.src.Flags)) {
		if key == PortFlag {
			continue
		}
		if _, known := findField(l.fields, key); !known {
			l.fault("%s: unknown setting %s%s", commandLine, key, suggest(key))
			continue
		}
		l.set(key, l.src.Flags[key], Origin{FromFlag, commandLine})
	}
	if port, ok := l.src.Flags[PortFlag]; ok {
		l.port("--port", port, Origin{FromFlag, "--port"})
	}
}

// port replaces the port of the listen address and leaves the host.
func (l *loader) port(name, port string, from Origin) {
	listen, err := WithPort(l.resolved.Config.Server.Listen, port)
	if err != nil {
		l.fault("%s: %w", name, err)
		return
	}
	l.set("server.listen", listen, from)
}
