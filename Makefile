# make check runs what CI runs on each version of Go, and prints a table of figures. CI
# also runs make vuln and make release-dry. make test takes a minute. The rest is for what
# takes long, or writes files.
#
# How long the long ones go on:
FUZZTIME ?= 1m
LONG ?= 10m
TRIES ?= 5

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | awk -F'\t' '{ printf "%-14s %s\n", $$1, $$2 }'

.PHONY: check
check: ## what CI runs on each version of Go
	.ci/run

.PHONY: test
test: ## the tests of the root module, without those that take long
	go test -short ./...

.PHONY: lint
lint: ## golangci-lint in all modules
	.ci/run lint

.PHONY: api
api: ## write the records of the public APIs again
	go run ./internal/api -write

.PHONY: docs
docs: ## write docs/cli again
	go -C cmd/infinitysip run ./internal/gendocs ../../docs/cli

.PHONY: fuzz
fuzz: ## every fuzz target, each for FUZZTIME
	@for module in . cmd/infinitysip fleet; do \
		cd $(CURDIR)/$$module || exit 1; \
		for package in $$(go list ./...); do \
			for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
				go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
			done; \
		done; \
	done

.PHONY: soak
soak: ## calls of every kind under faults, 10,000 in a run, each from another seed, with the race detector, for LONG
	go test -race -run '^TestSoak$$' -timeout 0 ./internal/suite -soak 10000 -long $(LONG)

.PHONY: storms
storms: ## many workers against every kind of limit, in virtual time, TRIES times
	cd internal/suite && go test -count=$(TRIES) -timeout 0 -run '^(TestStorms|TestOutage)$$' -storms

.PHONY: trials
trials: ## provision on 2,000 random domains a property; fleet's kills and outages, TRIES times
	cd provision/trials && go test -race -count=1 -timeout 0 . -rapid.checks=2000
	cd fleet/trials && go test -count=$(TRIES) -timeout 0 -parallel 8

.PHONY: vuln
vuln: ## known vulnerabilities in all modules, and in what their tests compile
	.ci/vuln all

.PHONY: release-dry
release-dry: ## the archives of a release for every platform, without publishing them; goreleaser takes long to compile
	.ci/release all

MUTATE = go -C tools run ./mutate -C .. -survivors mutate/survivors.txt
.PHONY: mutate
mutate: ## small changes of the code that rules over attempts, retries and plans: a test notices each, or tools/mutate/survivors.txt says why none does
	$(MUTATE) ./internal/retry
	$(MUTATE) ./internal/attempt
	$(MUTATE) -files create.go . ./internal/suite
	$(MUTATE) -files diff.go ./provision
