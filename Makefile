# postdesk. `make test` sets up and passes every test.
.PHONY: test check build
build:
	CGO_ENABLED=0 go build -trimpath -o bin/ ./...

test: check
	go test -race ./...

check:
	@fmt=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$fmt" ] || { echo "gofmt: $$fmt"; exit 1; }
	go vet ./...
