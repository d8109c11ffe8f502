package integration

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport is the house: each package, and which of ours it may import.
var mayImport = map[string][]string{
	"cmd/postdesk":       {"cmd/postdesk/agent", "integration/dev", "integration/sink", "lmtp", "lmtp/verify", "ticketing", "ticketing/mail", "ticketing/store", "ticketing/web", "postfix", "postfix/submission"},
	"cmd/postdesk/agent": {"lmtp", "lmtp/verify", "ticketing", "ticketing/mail", "ticketing/store", "ticketing/web", "postfix/submission"},
	"lmtp":               {"ticketing/mail"},
	"lmtp/verify":        {"ticketing/mail"},
	"ticketing":          {"ticketing/mail"},
	"ticketing/mail":     {},
	"ticketing/store":    {"ticketing", "ticketing/mail"},
	"ticketing/web":      {"ticketing", "ticketing/mail"},
	"postfix":            {},
	"postfix/submission": {"ticketing", "ticketing/mail"},
	// The binary has these with it, so they know no lab.
	"integration/sink":     {},
	"integration/dev":      {"cmd/postdesk/agent", "integration/sink", "lmtp/verify", "postfix/submission", "ticketing", "ticketing/mail"},
	"integration/desktest": {"integration/dev", "integration/sink", "ticketing"},
}

// doors are the packages through which alone a dependency comes in.
var doors = map[string][]string{
	"github.com/emersion/go-smtp":    {"lmtp", "postfix/submission", "integration/sink", "integration/dev"},
	"github.com/emersion/go-sasl":    {"postfix/submission"},
	"github.com/emersion/go-msgauth": {"lmtp/verify", "integration/dev"},
	"github.com/miekg/dns":           {"lmtp/verify"},
	"github.com/emersion/go-message": {"ticketing/mail"},
	"modernc.org/sqlite":             {"ticketing/store"},
	"database/sql":                   {"ticketing/store"},
	"github.com/danielgtaylor/huma":  {"ticketing/web"},
	"github.com/alecthomas/kong":     {"cmd/postdesk"},
	"github.com/pelletier/go-toml":   {"cmd/postdesk"},
}

// The packages import each other in one direction, and each dependency has one door.
// Tests and this folder are free, and of the folders below it those that are not named.
func TestHouse(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel("..", path)
		if e.IsDir() && strings.HasPrefix(e.Name(), ".") && rel != "." {
			return filepath.SkipDir
		}
		if free := strings.Split(filepath.Dir(rel), "/")[0] == "integration" && mayImport[filepath.Dir(rel)] == nil; free || e.IsDir() || !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		pkg := filepath.Dir(rel)
		seen[pkg] = true
		allowed, known := mayImport[pkg]
		if !known {
			t.Errorf("%s is not a package of the house", pkg)
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range file.Imports {
			name, _ := strconv.Unquote(i.Path.Value)
			if ours, ok := strings.CutPrefix(name, "postdesk/"); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s", rel, ours)
			}
			for dependency, through := range doors {
				if (name == dependency || strings.HasPrefix(name, dependency+"/")) && !slices.Contains(through, pkg) {
					t.Errorf("%s imports %s, whose door is %v", rel, name, through)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range mayImport {
		if !seen[pkg] {
			t.Errorf("package %s is missing", pkg)
		}
	}
}
