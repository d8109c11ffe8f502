# postdesk. `make test` sets up and passes every test.
.PHONY: build deps test check

# The real neighbours that the tests talk to: Debian package, and a file that shows it is there.
DEPS := postfix:/usr/sbin/postmap

build:
	CGO_ENABLED=0 go build -trimpath -o bin/ ./...

# RUNLEVEL=1 and "No configuration": installing starts nothing and configures nothing.
deps:
	@missing=""; for d in $(DEPS); do [ -e "$${d#*:}" ] || missing="$$missing $${d%%:*}"; done; \
	[ -n "$$missing" ] || exit 0; \
	command -v apt-get >/dev/null || { echo "missing:$$missing; there is no apt-get here: install them and try again" >&2; exit 1; }; \
	[ "$$(id -u)" = 0 ] || { echo "missing:$$missing; as root: apt-get install$$missing" >&2; exit 1; }; \
	echo "installing$$missing"; apt-get update -qq && \
	echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections && \
	DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $$missing >/dev/null

test: deps check
	go test -race ./...

check:
	@fmt=$$(gofmt -l .); [ -z "$$fmt" ] || { echo "gofmt: $$fmt"; exit 1; }
	go vet ./...
