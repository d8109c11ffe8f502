//go:build typescript

package integration

import "testing"

// A client with the types that openapi-typescript makes of the document compiles, and plays
// the story. It needs node and npm, which are more than the rest of the tests together:
// make test-typescript.
func TestGeneratedTypeScriptClient(t *testing.T) {
	t.Parallel()
	o := newOutsider(t, "typescript")
	o.run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	o.run("npx", "--no-install", "openapi-typescript", "openapi.json", "--output", "schema.d.ts")
	o.run("npx", "--no-install", "tsc", "--project", ".")
	o.story("node", "out/story.js")
}
