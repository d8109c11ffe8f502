//go:build !race

package dev

import "time"

// startLimit is how long a desk may take to start.
const startLimit = time.Second
