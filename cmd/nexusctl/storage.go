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
data: before that, it has been given up by age.

Examples:
   nexusctl storage sizes
   nexusctl storage sizes -o json`,
			Flags: settingFlags(outputFlag()), Action: storageSizes,
		}},
	}
}

// sizesBody is what -o json prints.
type sizesBody struct {
	Series     int64      `json:"series"`
	TotalBytes int64      `json:"total_bytes"`
	Parts      []sizeBody `json:"parts"`
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
	z, err := measureStore(c, &settings.Config)
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
	return emit(c.App.Writer, format, body, t)
}

func measureStore(c *cli.Context, cfg *config.Config) (storage.Sizes, error) {
	ctx, stop := interruptible(c.Context)
	defer stop()
	s, err := storage.Open(ctx, storage.Options{
		URL: cfg.Storage.URL, DataDir: cfg.Server.DataDir, Password: cfg.Storage.Password.Reveal(), Timeout: time.Duration(cfg.Storage.Timeout),
	})
	if err != nil {
		return storage.Sizes{}, err
	}
	z, err := s.Sizes(ctx)
	return z, errors.Join(err, s.Close())
}
