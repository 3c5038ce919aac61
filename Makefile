# nexusctl. `make help` lists the targets.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X main.version=$(VERSION)
PACKAGES := ./...
FUZZTIME ?= 3s

.PHONY: help build run test ci bench lint vet portable soak torture fuzz allocs console clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

build: ## build bin/nexusctl
	@command -v go >/dev/null || { echo "Go is missing: install Go 1.26 or newer from https://go.dev/dl/"; exit 1; }
	@command -v $${CC:-cc} >/dev/null || { echo "a C compiler is missing (SQLite needs one): apt-get install gcc libc6-dev, or xcode-select --install"; exit 1; }
	go build -ldflags '$(LDFLAGS)' -o bin/nexusctl ./cmd/nexusctl

run: build ## build and run the daemon on SQLite, in the default data directory
	bin/nexusctl daemon

test: ## what README's second command runs: lint, then all tests, race detector on, both databases
	sh .ci/test

ci: vet test portable fuzz allocs ## everything that must hold before a change lands

lint: ## gofmt, go vet, staticcheck
	sh .ci/lint

vet: ## vet for the other platforms, without cgo
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go vet $(PACKAGES)
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 go vet $(PACKAGES)

portable: ## the hot path's tests, as on a processor without wide instructions
	GODEBUG=cpu.avx512f=off,cpu.avx2=off go test -count 1 ./protocol/... ./daemon/admit ./daemon/record ./daemon/lane

fuzz: ## every fuzz target for FUZZTIME (default 3s)
	@sh .ci/fuzz $(FUZZTIME)

allocs: ## the accepted path allocates nothing: fail where a benchmark says otherwise
	@sh .ci/allocs

bench: ## benchmarks of every package
	go test -run '^$$' -bench . -benchmem $(PACKAGES)

soak: ## long load with the ledger compared at its end
	NEXUS_KILLS=20 go test -count 1 -timeout 60m -v -run 'Kill|Store|Compaction' ./daemon/e2e
	NEXUS_FUSE_CUTS=100 go test -count 1 -timeout 30m -v -run 'PowerCuts|LyingDisk' ./daemon/e2e
	NEXUS_SLOW_STORE=60s NEXUS_SLOPE=10m NEXUS_IDLE=10000 NEXUS_SENDERS=10000 go test -count 1 -timeout 60m -v -run 'SlowStore|ResidentSlope|IdleConnections|ManySenders' ./daemon/e2e
	NEXUS_WRITERS=10000 go test -race -count 1 -timeout 15m -v ./daemon/crowd
	NEXUS_POWER_CUTS=10000 NEXUS_BIT_FLIPS=10000 go test -count 1 -timeout 60m ./daemon/wal ./daemon/replay

console: build ## the web console in a real browser: errors, requests, accessibility, pictures
	sh .ci/console/run

torture: build ## prove on this disk that nothing is lost, with a daemon of its own
	bin/nexusctl torture

clean: ## remove what was built
	rm -rf bin
