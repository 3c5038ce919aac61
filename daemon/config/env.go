package config

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

const (
	envPrefix  = "NEXUS_"
	fileSuffix = "_FILE"
	// maxSecret bounds a secret's file.
	maxSecret = 64 << 10
)

// aliases are variables that deployments set by other names. They give way to
// the setting's own.
var aliases = []struct{ env, key string }{
	{"DATABASE_URL", "storage.url"},
	{"DATABASE_PASSWORD", "storage.password"},
	{"NEXUS_LOG", "log.level"},
}

// secrets are the keys whose variables have a variant that names a file.
var secrets = []string{"storage.url", "storage.password"}

// others are variables that begin like ours and are no settings.
var others = []string{
	"NEXUS_CONFIG", "NEXUS_SERVER", "NEXUS_TOKEN", "NEXUS_THEME",
	"NEXUS_SLO_VECTORS", "NEXUS_STATSD_CORPUS", "NEXUS_TEST_POSTGRES", "NEXUS_CITUS_DSN", "NEXUS_KILLS",
}

func (l *loader) environment() {
	if port := l.src.Getenv("PORT"); port != "" {
		l.port("PORT", port, Origin{FromEnvironment, "PORT"})
	}
	for _, a := range aliases {
		l.variable(a.env, a.key)
	}
	for _, f := range l.fields {
		l.variable(EnvName(f.key), f.key)
	}
	l.warnOfUnknown()
}

// variable takes one variable, or the file that its variant names. An empty
// one counts as none.
func (l *loader) variable(name, key string) {
	if v := l.src.Getenv(name); v != "" {
		l.set(key, v, Origin{FromEnvironment, name})
	}
	if !slices.Contains(secrets, key) {
		return
	}
	path := l.src.Getenv(name + fileSuffix)
	if path == "" {
		return
	}
	if l.src.Getenv(name) != "" {
		l.fault("%s and %s are both set: keep one", name, name+fileSuffix)
		return
	}
	v, err := readSecret(path)
	if err != nil {
		l.fault("%s: %w", name+fileSuffix, err)
		l.wrong = append(l.wrong, key)
		return
	}
	l.set(key, v, Origin{FromEnvironment, name + fileSuffix})
}

// readSecret reads a secret's file, which only its owner and group may read.
// One line end behind the secret is the editor's and not part of it.
func readSecret(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	switch {
	case !info.Mode().IsRegular() || info.Size() > maxSecret:
		return "", fmt.Errorf("%s is not a regular file of at most %d bytes", path, maxSecret)
	case worldReadable(info):
		return "", fmt.Errorf("everybody can read %s: chmod o-r %s", path, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
}

func worldReadable(info fs.FileInfo) bool { return info.Mode().Perm()&0o004 != 0 }

// warnOfUnknown names variables that look like settings and are none. They are
// no faults: an orchestrator makes some up from the names of services.
func (l *loader) warnOfUnknown() {
	if l.src.Environ == nil {
		return
	}
	known := slices.Clone(others)
	for _, a := range aliases {
		known = append(known, a.env)
	}
	for _, f := range l.fields {
		known = append(known, EnvName(f.key))
	}
	for _, s := range secrets {
		known = append(known, EnvName(s)+fileSuffix)
	}
	for _, entry := range l.src.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) || slices.Contains(known, name) {
			continue
		}
		warning := "the variable " + name + " is no setting"
		if near := nearest(name, known); near != "" {
			warning += ", did you mean " + near + "?"
		}
		l.resolved.Warnings = append(l.resolved.Warnings, warning)
	}
}
