# postdesk. Two commands need no other: `make run` to see it work, `make test` to know that it does.
.PHONY: help build install uninstall run demo test test-race test-real test-plain test-world test-world-1 test-world-101 test-fuzz test-typescript test-redmine torture torture-power torture-mutants torture-kill torture-world torture-malformed torture-flood soak check bench years fuzz deps deps-test deps-run deps-bench deps-typescript deps-redmine

help:
	@echo "make run    a private Postfix on loopback with the agent behind it; says what to send"
	@echo "make demo   plays one conversation on it and prints every mail"
	@echo "make test   sets up and passes every test (as root, on Debian)"
	@echo "make test-typescript  a client that openapi-typescript makes plays the story"
	@echo "make test-redmine  the bridge of the examples works with a real Redmine"
	@echo "make torture  the whole of the tests of which make test runs a share"
	@echo "make soak   an agent at half its rate for SOAK (24h); fails when it grows"
	@echo "make bench  compares with smtp-sink, smtp-source and Dovecot in one run, and with the goals"
	@echo "make years  measures a desk of a million tickets beside an empty one; YEARS=200 makes it a fifth of that"
	@echo "make fuzz   fuzzes what parses, FUZZTIME (30s) each; make test a thousand inputs each, beside the rest"
	@echo "make check  gofmt, vet, staticcheck"
	@echo "make build  the static binary bin/postdesk"
	@echo "make install uninstall  program, manuals, units, completion and example: PREFIX=/usr/local DESTDIR="

build:
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/postdesk

# Manuals, units, completion and example are printed by the program itself. BIN is a
# program that is built already.
PREFIX ?= /usr/local
ifeq ($(origin BIN),undefined)
BIN := bin/postdesk
install: build
endif
TO = $(DESTDIR)$(PREFIX)
INSTALLED = bin/postdesk share/man/man1/postdesk.1 share/man/man5/postdesk.toml.5 share/man/man8/postdesk.8 \
  lib/systemd/system/postdesk.service lib/systemd/system/postdesk.socket lib/systemd/system/postdesk-control.socket \
  lib/systemd/system/postdesk-http.socket lib/sysusers.d/postdesk.conf \
  share/bash-completion/completions/postdesk share/doc/postdesk/postdesk.toml share/doc/postdesk/LICENSE

install:
	@install -d $(sort $(dir $(addprefix $(TO)/,$(INSTALLED))))
	@install -m 0755 $(BIN) $(TO)/bin/postdesk
	@install -m 0644 LICENSE $(TO)/share/doc/postdesk/LICENSE
	@set -e; write() { env -u POSTDESK_CONFIG $(BIN) $$2 >"$(TO)/$$1.new"; chmod 0644 "$(TO)/$$1.new"; mv "$(TO)/$$1.new" "$(TO)/$$1"; }; \
	for n in 1:postdesk.1 5:postdesk.toml.5 8:postdesk.8; do write "share/man/man$${n%%:*}/$${n#*:}" "man $${n%%:*}"; done; \
	for n in service:postdesk.service socket:postdesk.socket control:postdesk-control.socket http:postdesk-http.socket; do \
	  write "lib/systemd/system/$${n#*:}" "systemd --program=$(PREFIX)/bin/postdesk $${n%%:*}"; done; \
	write lib/sysusers.d/postdesk.conf "systemd sysusers"; \
	write share/bash-completion/completions/postdesk "completion bash"; \
	write share/doc/postdesk/postdesk.toml "config example"
	@echo "installed in $(TO); next: a configuration at /etc/postdesk/postdesk.toml, as $(TO)/share/doc/postdesk/postdesk.toml"

# Configuration and data stay.
uninstall:
	rm -f $(addprefix $(TO)/,$(INSTALLED))
	-rmdir $(TO)/share/doc/postdesk 2>/dev/null

run: deps-run
	go run ./integration/cmd/run

demo: deps-run
	go run ./integration/cmd/run demo

# Where goroutines matter the race detector is there: the programs that a test starts from itself
# too, which then need not wait a second at their end for a race that is still to come. What
# drives the real neighbours waits most of the time, so all parts run at once, and of the
# neighbours' tests more than there are processors. What fuzzes comes when the shortest part is
# over: at the end the longest would leave a processor idle. The world has a clock of its own,
# so that it can take what the others leave.
test: deps-test check
	$(MAKE) --no-print-directory -j5 test-world test-race test-real test-plain test-fuzz

# All is built as the program is, so that one build serves the tests, the programs that they
# start, and vet, which has looked at everything before. The race detector alone needs cgo.
test-race: export CGO_ENABLED := 1
test check fuzz test-real test-plain test-world-1 test-world-101 test-fuzz: export CGO_ENABLED := 0
GO_TEST := go test -vet=off

# ticketing/mail and postfix start no goroutine, and a history of the world is one of few who run at once.
# SQLite is C that was translated: its memory is not Go's, so the detector looks past it, and what it
# checks there of pointers took three quarters of the time. The driver and all else is instrumented.
NOT_GO := modernc.org/sqlite/lib modernc.org/libc/... modernc.org/memory
REAL := /ticketing/mail$$|/postfix$$|/integration$$|/integration/(bench|examples|lab|mutants|world|years)$$
RACE := GORACE=atexit_sleep_ms=10 $(GO_TEST) -race $(foreach p,$(NOT_GO),"-gcflags=$(p)=-race=false -d=checkptr=0") -timeout 30m

# Of the packages with goroutines these tests are about what one of them does, after another process was
# killed or a byte was changed, or start programs that end at once: with the detector they take five times
# as long, and other tests show it the same goroutines.
PARTED := ./cmd/postdesk ./ticketing ./ticketing/store
PLAIN := Canary|CommandLine|CommandsForPrograms|CrashOnce|Damage|ErasePerson|ErasureCutOff|BacklogDrains|TestKill|LateStaff|LostLog|Matrix|PagesOfACommit|PowerLoss|ReplyAttach|RestoreRefuses|SearchCommand|StaffRefusals|TrustCommands|Units|Upgrad
test-race:
	$(RACE) -skip '$(PLAIN)' $(PARTED)
	$(RACE) $$(go list ./... | grep -vE '$(REAL)|/cmd/postdesk$$|/ticketing(/store)?$$')

# Where namespaces can be made, a real systemd runs the agent too.
test-real:
	@tags=$$(unshare --mount --pid --uts --ipc --cgroup --fork true 2>/dev/null && echo "-tags systemd"); \
	[ -n "$$tags" ] || echo "no namespaces here: the test with a real systemd is left out"; \
	set -x; $(GO_TEST) -parallel 4 -timeout 30m $$tags $$(go list ./... | grep -E '$(REAL)' | grep -v /world$$)

# Two hundred histories, in two halves: a process plays one after the other. What a history makes
# is small and soon gone: to collect it less often saves a seventh.
test-world: test-world-1 test-world-101
test-world-1 test-world-101:
	POSTDESK_TORTURE_SEED=$(@:test-world-%=%) POSTDESK_TORTURE_WORLD=100 GOGC=400 nice $(GO_TEST) -timeout 30m ./integration/world

# A short look at each, counted: in a few seconds many targets came to no more than what they begin with on
# a busy machine. make fuzz looks for longer.
test-fuzz:
	integration/fuzz.sh 1000x

# What needs no race detector, or is much more without it.
test-plain:
	$(GO_TEST) -run '$(PLAIN)|Malformed' $(PARTED)
	$(GO_TEST) ./integration/desktest

# A client that is made of the OpenAPI document for TypeScript. node and npm are more than all
# other packages together; make test does the same with one for Go.
test-typescript: deps-typescript
	go test -count=1 -tags typescript -run TypeScript -timeout 15m ./integration

# A private Redmine on loopback, of Debian's packages: more than a hundred, too many for make test.
test-redmine: deps-redmine
	go test -count=1 -tags redmine -run Redmine -timeout 10m ./integration/examples

# Each part can be run alone. Whatever is drawn by lot prints the seed that plays it again:
# POSTDESK_TORTURE_SEED=N make torture-kill. All 10,000 histories take hours: with
# POSTDESK_TORTURE_WORLD=500 POSTDESK_TORTURE_SEED=1 make torture-world, these are the seeds 1 to 500.
torture: deps-test torture-power torture-mutants torture-kill torture-world torture-malformed torture-flood
torture-power torture-mutants torture-kill torture-world torture-malformed torture-flood: export POSTDESK_TORTURE = 1
torture-kill:
	go test -timeout 180m -count=1 -v -run 'Consume|NthOperation|Killed|Storm|DiskFull|Locked|Stalled|Stopped' ./integration
torture-power:
	go test -timeout 60m -count=1 -v -run 'PowerLoss|Kill|Upgrade|Damage' ./ticketing/store
torture-world:
	go test -timeout 24h -count=1 -v ./integration/world
torture-mutants:
	go test -timeout 60m -count=1 -v ./integration/mutants
torture-malformed:
	go test -timeout 120m -count=1 -v -run Malformed ./ticketing
torture-flood:
	go test -timeout 60m -count=1 -v -run 'Backlog|Flood' ./ticketing

# SOAK=2m is a short one.
SOAK ?= 24h
soak: deps-test
	SOAK=$(SOAK) go test -timeout 0 -count=1 -v -tags soak -run Soak ./integration

check:
	@fmt=$$(gofmt -l .); [ -z "$$fmt" ] || { echo "gofmt: $$fmt"; exit 1; }
	go vet ./...
	go vet -tags systemd,soak ./integration
	go vet -tags redmine ./integration/examples
	go tool staticcheck ./...

# BENCH="-only acceptance,disk -rounds 3" runs a part of it; BENCH=-help names the sections.
bench: deps-bench
	go run ./integration/bench $(BENCH)
	[ -n "$(BENCH)" ] || $(MAKE) years

# It takes 10 GB of disk in TMPDIR while it runs, for 1000 thousands of tickets.
YEARS ?= 1000
years:
	go run ./integration/years -tickets $(YEARS)000 -messages $$((3*$(YEARS)))000

FUZZTIME ?= 30s
fuzz:
	integration/fuzz.sh $(FUZZTIME)

# The neighbours, as Debian package and a file that shows it is there.
LAB := postfix:/usr/sbin/postmap sasl2-bin:/usr/sbin/saslpasswd2 libsasl2-modules:/usr/share/doc/libsasl2-modules \
  libsasl2-modules-db:/usr/share/doc/libsasl2-modules-db
deps-run: NEED := $(LAB) swaks:/usr/bin/swaks libnet-ssleay-perl:/usr/share/doc/libnet-ssleay-perl s-nail:/usr/bin/s-nail
deps-test: NEED := $(LAB) strace:/usr/bin/strace procps:/usr/bin/pgrep chromium:/usr/bin/chromium \
  opendkim:/usr/sbin/opendkim rspamd:/usr/bin/rspamd python3:/usr/bin/python3 s-nail:/usr/bin/s-nail dovecot-imapd:/usr/lib/dovecot/imap dovecot-lmtpd:/usr/lib/dovecot/lmtp \
  swaks:/usr/bin/swaks libnet-ssleay-perl:/usr/share/doc/libnet-ssleay-perl systemd:/usr/bin/systemd-analyze \
  groff-base:/usr/bin/groff mandoc:/usr/bin/mandoc curl:/usr/bin/curl jq:/usr/bin/jq
deps-bench: NEED := $(LAB) dovecot-core:/usr/sbin/dovecot dovecot-lmtpd:/usr/lib/dovecot/lmtp
deps-typescript: NEED := $(LAB) nodejs:/usr/bin/node npm:/usr/bin/npm
deps-redmine: NEED := redmine:/usr/share/redmine/bin/rails redmine-sqlite:/usr/share/doc/redmine-sqlite ruby-webrick:/usr/share/doc/ruby-webrick
deps: deps-run deps-test deps-bench

# RUNLEVEL=1 and "No configuration", or no instance of Redmine: installing starts
# nothing and configures nothing, and a Postfix that is there is not touched.
deps-run deps-test deps-bench deps-typescript deps-redmine:
	@missing=""; for d in $(NEED); do [ -e "$${d#*:}" ] || missing="$$missing $${d%%:*}"; done; \
	[ -n "$$missing" ] || exit 0; \
	command -v apt-get >/dev/null || { echo "missing:$$missing; there is no apt-get here: install them and try again" >&2; exit 1; }; \
	[ "$$(id -u)" = 0 ] || { echo "missing:$$missing; as root: apt-get install$$missing" >&2; exit 1; }; \
	echo "installing$$missing"; apt-get update -qq && \
	printf '%s\n' "postfix postfix/main_mailer_type select No configuration" $(if $(filter deps-redmine,$@),"redmine redmine/current-instances string") | debconf-set-selections && \
	DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $$missing >/dev/null
