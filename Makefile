# The checks of .ci/run, and two that go on for as long as you let them.
# make api writes the records of the public APIs again, and make docs the pages of
# the command line.
FUZZTIME ?= 1m
LONG ?= 10m

.PHONY: check api docs fuzz soak

check:
	.ci/run

api:
	@text=$$(go run ./internal/api .) && echo "$$text" >api/infinitysip.txt
	@text=$$(go run ./internal/api ./provision) && echo "$$text" >api/provision.txt

docs:
	go -C cmd/infinitysip run ./internal/gendocs ../../docs/cli

# Every fuzz target, one after the other.
fuzz:
	@for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
		done; \
	done

# Calls of every kind under faults, 10,000 in a run, each run from another seed.
soak:
	go test -run '^TestSoak$$' -timeout 0 ./internal/suite -soak 10000 -long $(LONG)
