package main

import (
	"errors"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"example.com/nexusctl/daemon/config"
	"example.com/nexusctl/storage"
)

func storageCommand() *cli.Command {
	return &cli.Command{
		Name:  "storage",
		Usage: "look at the store",
		Description: `Examples:
   nexusctl storage sizes
   nexusctl storage sizes -o json --storage postgres://nexus@localhost/nexus`,
		Subcommands: []*cli.Command{{
			Name: "sizes", Usage: "show what each resolution takes on disk, and how many series there are",
			Description: `Reads the store itself; the daemon may run. FROM is from when on a resolution has
data: before that, it has been given up by age. --top says who takes the space; it
reads every resolution whole, and counts data without indexes and pages. What is
not compacted yet is nobody's.

Examples:
   nexusctl storage sizes
   nexusctl storage sizes --top 20
   nexusctl storage sizes -o json`,
			Flags: settingFlags(outputFlag(), &cli.IntFlag{Name: "top", Usage: "show the `N` largest metrics and series too, 1 to 1000"}), Action: storageSizes,
		}},
	}
}

// sizesBody is what -o json prints.
type sizesBody struct {
	Series     int64      `json:"series"`
	TotalBytes int64      `json:"total_bytes"`
	Parts      []sizeBody `json:"parts"`
	*usageBody
}

type sizeBody struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	Count int    `json:"partitions_or_files"`
	From  string `json:"from,omitempty"` // RFC 3339
}

func storageSizes(c *cli.Context) error {
	format, err := checkOutput(c)
	if err != nil {
		return err
	}
	settings, err := loadSettings(c)
	if err != nil {
		return err
	}
	top := c.Int("top")
	if c.IsSet("top") && (top < 1 || top > 1000) {
		return usage("--top is 1 to 1000")
	}
	z, u, err := measureStore(c, &settings.Config, top)
	if err != nil {
		return err
	}
	body := sizesBody{Series: z.Series, TotalBytes: z.Total, Parts: []sizeBody{}}
	t := &table{head: []string{"PART", "SIZE", "BYTES", "PARTITIONS OR FILES", "FROM"}}
	for _, p := range z.Parts {
		one := sizeBody{Name: p.Name, Bytes: p.Bytes, Count: p.Count}
		if p.From > 0 {
			one.From = time.UnixMilli(p.From).UTC().Format(time.RFC3339)
		}
		body.Parts = append(body.Parts, one)
		t.add(p.Name, humanize.IBytes(uint64(p.Bytes)), strconv.FormatInt(p.Bytes, 10), strconv.Itoa(p.Count), one.From)
	}
	t.add("total of "+strconv.FormatInt(z.Series, 10)+" series", humanize.IBytes(uint64(z.Total)), strconv.FormatInt(z.Total, 10), "", "")
	if top == 0 {
		return emit(c.App.Writer, format, body, t)
	}
	return emitUsage(c.App.Writer, format, body, t, u)
}

func measureStore(c *cli.Context, cfg *config.Config, top int) (z storage.Sizes, u storage.Usage, err error) {
	ctx, stop := interruptible(c.Context)
	defer stop()
	s, err := storage.Open(ctx, storage.Options{
		URL: cfg.Storage.URL, DataDir: cfg.Server.DataDir, Password: cfg.Storage.Password.Reveal(), Timeout: measureTimeout(cfg, top),
	})
	if err != nil {
		return z, u, err
	}
	z, err = s.Sizes(ctx)
	if err == nil && top > 0 {
		u, err = s.Usage(ctx, top)
	}
	return z, u, errors.Join(err, s.Close())
}

// measureTimeout is the time of one statement: reading a whole resolution takes
// longer than what a daemon asks for.
func measureTimeout(cfg *config.Config, top int) time.Duration {
	if top > 0 {
		return time.Hour
	}
	return time.Duration(cfg.Storage.Timeout)
}
