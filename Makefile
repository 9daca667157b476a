# Everything is built as the caller. Clusters need root, so the lines that start
# them, and no others, begin with $(SUDO); it is empty when the caller is root.

GO       ?= go
SCENARIO ?= pod-kill
ON       ?= embedded
SEED     ?= 1
RUNS     ?= runs
# What a run that proves nothing comes to, since the host was too busy: see "squall run --help".
INCONCLUSIVE ?=

VERSION    := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS    := -X main.version=$(VERSION)
CACHE_HOME := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

ifneq ($(shell id -u),0)
# PATH and the cache stay the caller's; sudo would put root's in their place.
SUDO = sudo env "PATH=$(PATH)" "XDG_CACHE_HOME=$(CACHE_HOME)" "SQUALL_PROGRAM=$(SQUALL_PROGRAM)"
endif

# Tests in these packages make clusters, or need root otherwise. They run one package after the other,
# since two clusters at once would take each other's processor time.
CLUSTER_TESTS := ./workloads/image ./cluster/policy ./cluster/volumes ./cluster/loadbalancer ./cluster/embedded \
	./cluster/kind/engine ./cluster/kind/nodeimage ./cluster/kind ./scenarios/run ./scenarios/suite ./cmd/squall/e2e

.PHONY: build components docker lint unit cross cluster-tests kind-suite careless-tests test test-scenario bench clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/squall ./cmd/squall

# What clusters are made of. The first time takes minutes, later ones a moment.
components: build
	bin/squall --cache "$(CACHE_HOME)/squall" build components

# A Docker engine for ON=kind, where none answers. One that is there is never changed.
docker: build
	$(SUDO) bin/squall --cache "$(CACHE_HOME)/squall" docker

# A scenario and its twins, judged.
test-scenario: components
	$(SUDO) bin/squall --cache "$(CACHE_HOME)/squall" run $(SCENARIO) --on $(ON) --seed $(SEED) --runs $(RUNS) $(if $(INCONCLUSIVE),--on-inconclusive $(INCONCLUSIVE))

# All that CI runs besides test-scenario.
test: lint unit cross cluster-tests

lint:
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "gofmt -w is needed on: $$unformatted" >&2; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) vet -tags careless ./cluster/embedded
	$(GO) run $(STATICCHECK) -tags careless ./cluster/embedded
	$(GO) vet -tags mutation ./scenarios/judge
	$(GO) run $(STATICCHECK) -tags mutation ./scenarios/judge
	$(GO) vet -tags suite ./cluster/kind
	$(GO) run $(STATICCHECK) -tags suite ./cluster/kind

# The seeds of the fuzz targets and the import rules are among these.
unit:
	$(GO) test $(filter-out $(CLUSTER_TESTS:./%=squall/%),$(shell $(GO) list ./...))

# Other systems are compiled for, not tested.
cross:
	GOOS=linux GOARCH=arm64 $(GO) build -o /dev/null ./cmd/squall
	GOOS=darwin GOARCH=arm64 $(GO) build -o /dev/null ./cmd/squall

# go test builds as the caller and starts the test programs through sudo.
cluster-tests: SQUALL_PROGRAM = $(CURDIR)/bin/squall
cluster-tests: components
	SQUALL_PROGRAM="$(SQUALL_PROGRAM)" $(GO) test -p 1 -count=1 -timeout 30m $(if $(SUDO),-exec '$(SUDO)') $(CLUSTER_TESTS)

# The suite for clusters, on kind. It takes nine minutes on two cores, twenty on slow ones.
kind-suite: components docker
	$(GO) test -count=1 -tags suite -timeout 40m -run 'TestSuite$$' -v ./cluster/kind

# The suite for clusters sees providers and pods that do nothing of what is asked. It takes long and
# changes only with the suite's checks, so that CI does not run it.
careless-tests: SQUALL_PROGRAM = $(CURDIR)/bin/squall
careless-tests: components
	SQUALL_PROGRAM="$(SQUALL_PROGRAM)" $(GO) test -tags careless -run '^TestSuiteSees' -v -count=1 -timeout 60m \
		$(if $(SUDO),-exec '$(SUDO)') ./cluster/embedded

# Speed and size of clusters and load on this host; shown, not judged.
bench: components
	$(SUDO) bin/squall --cache "$(CACHE_HOME)/squall" bench cluster
	$(SUDO) bin/squall --cache "$(CACHE_HOME)/squall" bench load

# Records in runs/ and the caches are kept; "squall clean --remove-cache" removes those.
clean:
	rm -rf bin
