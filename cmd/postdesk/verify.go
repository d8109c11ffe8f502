package main

import (
	"errors"

	"postdesk/lmtp/verify"
)

// newVerifier makes what proves authors; an empty nameserver is the system's.
func newVerifier(nameserver string, trust verify.Trust) (*verify.Verifier, error) {
	resolver, err := verify.NewResolver(nameserver)
	if err != nil {
		return nil, err
	}
	return verify.New(verify.Config{Resolver: resolver, Trust: trust}), nil
}

// trust is what the configuration says, for a command that works without one too.
func (a *app) trust() (verify.Trust, error) {
	cfg, err := a.config()
	var none missingFile
	switch {
	case errors.As(err, &none) && a.configFile == "":
		return verify.Trust{}, nil
	case err != nil:
		return verify.Trust{}, err
	}
	return cfg.trust(), nil
}
