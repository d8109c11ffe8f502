//go:build race

package dev

import "time"

// startLimit is how long a desk may take to start; the race detector makes SQLite ten
// times slower.
const startLimit = 15 * time.Second
