package config

import _ "embed"

// DefaultFile is nexus.toml: every setting with its default and a comment.
//
//go:embed default.toml
var DefaultFile []byte
