package config_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/nexusctl/daemon/config"
	"example.com/nexusctl/protocol/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// resolve is load, with where everything came from.
func resolve(t *testing.T, text string, e env, flags map[string]string) (*config.Resolved, error) {
	t.Helper()
	environ := func() (list []string) {
		for k, v := range e {
			list = append(list, k+"="+v)
		}
		slices.Sort(list)
		return list
	}
	return config.Resolve(config.Source{Path: write(t, t.TempDir(), text), Getenv: e.get, Environ: environ, Flags: flags})
}

// TestOrigins asks each setting where it came from.
func TestOrigins(t *testing.T) {
	r, err := resolve(t, "# mine\n[wal]\nsync = \"never\"\n\n[ingest]\nlanes = 3\nmax_series = 5\n",
		env{"NEXUS_INGEST_MAX_SERIES": "6", "DATABASE_URL": "postgres://u:geheim@h/d", "PORT": "9090"},
		map[string]string{"log.level": "debug"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]api.Setting{
		"wal.sync":          {Value: "never", Layer: string(config.FromFile), Origin: r.Path + ":3"},
		"ingest.lanes":      {Value: "3", Layer: string(config.FromFile), Origin: r.Path + ":6"},
		"ingest.max_series": {Value: "6", Layer: string(config.FromEnvironment), Origin: "NEXUS_INGEST_MAX_SERIES", Live: true},
		"storage.url":       {Value: "postgres://u:***@h/d", Layer: string(config.FromEnvironment), Origin: "DATABASE_URL"},
		"server.listen":     {Value: "127.0.0.1:9090", Layer: string(config.FromEnvironment), Origin: "PORT"},
		"log.level":         {Value: "debug", Layer: string(config.FromFlag), Origin: "command line", Live: true},
		"wal.interval":      {Value: "100ms", Layer: string(config.FromDefault)},
	}
	seen := 0
	for _, s := range r.Settings() {
		w, ok := want[s.Key]
		if !ok {
			continue
		}
		seen++
		w.Key = s.Key
		if s != w {
			t.Errorf("%+v, want %+v", s, w)
		}
	}
	if seen != len(want) || len(r.Settings()) != len(config.Keys()) {
		t.Errorf("%d of %d settings shown", len(r.Settings()), len(config.Keys()))
	}
}

// TestSecretsAreHidden prints everything that can be printed of a
// configuration and looks for the secret.
func TestSecretsAreHidden(t *testing.T) {
	for _, url := range []string{"postgres://u:geheim@h/d", "postgres://h/d?user=u&password=geheim", "postgres://u:geheim@h/%zz"} {
		r, err := resolve(t, "", env{"NEXUS_STORAGE_PASSWORD": "geheim", "NEXUS_STORAGE_URL": url}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range r.Settings() {
			if strings.Contains(s.Value, "geheim") {
				t.Errorf("%s shows the secret: %s", s.Key, s.Value)
			}
		}
		if r.Config.Storage.Password.Reveal() != "geheim" {
			t.Error("the password is lost")
		}
	}
}

// TestSecretFiles reads secrets from files that only their owner can read.
func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	secret := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("geheim\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	private, public := secret("private", 0o640), secret("public", 0o644)
	for name, c := range map[string]struct {
		env   env
		fault string
	}{
		"its own variable": {env{"NEXUS_STORAGE_PASSWORD_FILE": private}, ""},
		"the alias":        {env{"DATABASE_PASSWORD_FILE": private}, ""},
		"public":           {env{"DATABASE_PASSWORD_FILE": public}, "everybody can read"},
		"missing":          {env{"DATABASE_PASSWORD_FILE": dir + "/none"}, "DATABASE_PASSWORD_FILE: read the secret"},
		"a directory":      {env{"DATABASE_PASSWORD_FILE": dir}, "not a regular file"},
		"both":             {env{"DATABASE_PASSWORD_FILE": private, "DATABASE_PASSWORD": "x"}, "both set"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := resolve(t, "", c.env, nil)
			switch {
			case c.fault == "" && (err != nil || r.Config.Storage.Password.Reveal() != "geheim"):
				t.Errorf("%q, %v", r.Config.Storage.Password.Reveal(), err)
			case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)):
				t.Errorf("%v, want %q in it", err, c.fault)
			case err != nil && strings.Contains(err.Error(), "geheim"):
				t.Errorf("the fault shows the secret: %v", err)
			}
		})
	}
}

// TestPublicFileWithPassword refuses a settings file that gives a password to
// everybody.
func TestPublicFileWithPassword(t *testing.T) {
	path := write(t, t.TempDir(), "[storage]\npassword = \"geheim\"\n")
	if _, err := config.Resolve(config.Source{Path: path, Getenv: env{}.get}); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := config.Resolve(config.Source{Path: path, Getenv: env{}.get})
	if err == nil || !strings.Contains(err.Error(), ":2: everybody can read") {
		t.Error(err)
	}
}

// TestUnknownVariables warns of what looks like a setting and starts all the
// same.
func TestUnknownVariables(t *testing.T) {
	r, err := resolve(t, "", env{
		"NEXUS_STORAGE_ULR": "x", "NEXUS_PORT_8080_TCP_ADDR": "10.0.0.1", "NEXUS_SERVER": "h:1", "NEXUS_LOG": "info,api=debug", "HOME": "/",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"the variable NEXUS_PORT_8080_TCP_ADDR is no setting",
		"the variable NEXUS_STORAGE_ULR is no setting, did you mean NEXUS_STORAGE_URL?",
	}
	if !slices.Equal(r.Warnings, want) {
		t.Errorf("%q, want %q", r.Warnings, want)
	}
	if r.Config.Log.Level != "info,api=debug" {
		t.Errorf("NEXUS_LOG is not read: %s", r.Config.Log.Level)
	}
}

// TestFaultsOfAllLayers puts a fault into every layer and expects all of them.
func TestFaultsOfAllLayers(t *testing.T) {
	_, err := resolve(t, "[wal]\nsync = \"sometimes\"\ninterval = 3\n[log]\nlevl = \"info\"\n[[slo]]\nname = \"a\"\ntargt = \"99\"\n",
		env{"NEXUS_INGEST_LANES": "many"}, map[string]string{"storage.url": "mysql://x"})
	if err == nil {
		t.Fatal("taken")
	}
	for _, part := range []string{
		":2)", "wal.sync is \"sometimes\"", ":3: wal.interval:", ":5: unknown key log.levl, did you mean log.level?",
		":8: unknown key slo.targt", "slo: ", "NEXUS_INGEST_LANES: \"many\"", "storage.url must begin",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("lacks %q:\n%v", part, err)
		}
	}
}

// TestObjectives reads objectives of the file, and names the fault of one.
func TestObjectives(t *testing.T) {
	const good = "[[slo]]\nname = \"checkout\"\ntarget = \"99.9\"\nwindow = \"30d\"\n[slo.ratio]\ngood = 'checkout.requests{status=\"ok\"}'\ntotal = 'checkout.requests'\n"
	r, err := resolve(t, good, nil, nil)
	if err != nil || len(r.Config.SLO) != 1 || r.Config.SLO[0].Name != "checkout" {
		t.Fatalf("%+v, %v", r.Config.SLO, err)
	}
	for part, text := range map[string]string{
		"target":            strings.Replace(good, "99.9", "100", 1),
		"is no selector":    strings.Replace(good, "'checkout.requests'", "'checkout.requests{'", 1),
		"is no plain selec": strings.Replace(good, "'checkout.requests'", "'rate(checkout_requests_total[5m])'", 1),
	} {
		if _, err := resolve(t, text, nil, nil); err == nil || !strings.Contains(err.Error(), part) || !strings.Contains(err.Error(), ":1)") {
			t.Errorf("%q: %v", part, err)
		}
	}
}

// TestMerge keeps what cannot change live and names it.
func TestMerge(t *testing.T) {
	running := config.Default()
	next := running
	next.Log.Level, next.Ingest.MaxSeries = "debug", 7
	next.WAL.Sync, next.Server.Listen = "never", "127.0.0.1:1"
	merged, change := config.Merge(running, next)
	if !slices.Equal(change.Live, []string{"ingest.max_series", "log.level"}) || !slices.Equal(change.Waiting, []string{"server.listen", "wal.sync"}) {
		t.Errorf("%+v", change)
	}
	if merged.Log.Level != "debug" || merged.Ingest.MaxSeries != 7 || merged.WAL.Sync != "interval" || merged.Server.Listen != running.Server.Listen {
		t.Errorf("%+v", merged)
	}
	if _, change := config.Merge(running, running); !change.Empty() {
		t.Errorf("nothing changed: %+v", change)
	}
}

// TestWatch changes a file in the ways that files are changed: in place, by
// renaming another over it, and not at all.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "[log]\nlevel = \"info\"\n")
	ctx, cancel := context.WithCancel(t.Context())
	changes := make(chan struct{}, 10)
	ended := make(chan error, 1)
	go func() { ended <- config.Watch(ctx, path, func() { changes <- struct{}{} }) }()
	time.Sleep(100 * time.Millisecond) // the watch is set
	expect := func(what string, want bool) {
		t.Helper()
		select {
		case <-changes:
			if !want {
				t.Errorf("%s counts as a change", what)
			}
		case <-time.After(time.Second):
			if want {
				t.Errorf("%s is not seen", what)
			}
		}
	}
	write(t, dir, "[log]\nlevel = \"debug\"\n")
	expect("a write", true)
	write(t, dir, "[log]\nlevel = \"debug\"\n")
	expect("a write of the same text", false)
	other := filepath.Join(dir, "next")
	if err := os.WriteFile(other, []byte("[log]\nlevel = \"warn\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	expect("a rename", true)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestDefaultFile holds the file that `nexusctl init` writes to the one at the
// repository's root.
func TestDefaultFile(t *testing.T) {
	b, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != string(config.DefaultFile) {
		t.Error("daemon/config/default.toml is not nexus.toml: cp nexus.toml daemon/config/default.toml")
	}
}
