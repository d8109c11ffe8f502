package store

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"postdesk/ticketing"
)

// row is what a scan function reads from.
type row interface{ Scan(...any) error }

// result is the rows of a query, one after the other.
type result struct {
	driver.Rows
	values []driver.Value // of the row that it is at
}

// Scan gives the values of a row to where they go. The tables are strict: text is a string,
// numbers are int64, octets are []byte.
func (r *result) Scan(to ...any) error {
	if len(to) != len(r.values) {
		return fmt.Errorf("a row of %d columns is read as %d", len(r.values), len(to))
	}
	for i, v := range r.values {
		if err := assign(to[i], v); err != nil {
			return fmt.Errorf("column %s: %w", r.Columns()[i], err)
		}
	}
	return nil
}

func assign(to any, v driver.Value) error {
	switch to := to.(type) {
	case sql.Scanner:
		return to.Scan(v)
	case *any:
		*to = v
		return nil
	}
	switch v := v.(type) {
	case int64:
		switch to := to.(type) {
		case *int64:
			*to = v
			return nil
		case *int:
			*to = int(v)
			return nil
		case *bool:
			*to = v != 0
			return nil
		}
	case string:
		if to, is := to.(*string); is {
			*to = v
			return nil
		}
		if field := reflect.ValueOf(to).Elem(); field.Kind() == reflect.String { // a named type
			field.SetString(v)
			return nil
		}
	case []byte:
		if to, is := to.(*[]byte); is {
			*to = v
			return nil
		}
	case nil:
		if to, is := to.(*[]byte); is {
			*to = nil
			return nil
		}
	}
	return fmt.Errorf("%T does not go into %T", v, to)
}

// values turns arguments into what a driver takes.
func values(args []any) []driver.NamedValue {
	out := make([]driver.NamedValue, len(args))
	for i, a := range args {
		out[i] = driver.NamedValue{Ordinal: i + 1, Value: value(a)}
	}
	return out
}

func value(a any) driver.Value {
	switch v := a.(type) {
	case string:
		return clean(v)
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	case int:
		return int64(v)
	case time.Time:
		return micros(v)
	case ticketing.Hash:
		return v[:]
	case nil, int64, []byte:
		return v
	}
	if v := reflect.ValueOf(a); v.Kind() == reflect.String { // a named type
		return clean(v.String())
	}
	return a
}

// clean makes text that every database and JSON can hold: valid UTF-8 without NUL.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	return s
}

// micros is how a time is kept; no time at all is 0.
func micros(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMicro()
}

// timeCol scans what micros wrote.
type timeCol struct{ to *time.Time }

func (c timeCol) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a time is kept as %T", v)
	}
	*c.to = time.Time{}
	if n != 0 {
		*c.to = time.UnixMicro(n).UTC()
	}
	return nil
}

// hashCol scans a hash; NULL is none.
type hashCol struct{ to *ticketing.Hash }

func (c hashCol) Scan(v any) error {
	switch b := v.(type) {
	case nil:
		*c.to = ticketing.Hash{}
		return nil
	case []byte:
		if copy(c.to[:], b) == len(c.to) && len(b) == len(c.to) {
			return nil
		}
	}
	return errors.New("a hash is not kept as 32 octets")
}

// refCol scans a reference; NULL is 0.
type refCol struct{ to *int64 }

func (c refCol) Scan(v any) error {
	n, _ := v.(int64)
	*c.to = n
	return nil
}

// ref is how a reference is kept: 0 is NULL.
func ref(id int64) any {
	if id == 0 {
		return nil
	}
	return id
}

// jsonCol scans what toJSON wrote, packed or not.
type jsonCol struct{ to any }

func (c jsonCol) Scan(v any) error {
	switch s := v.(type) {
	case string:
		if s == "" {
			return nil
		}
		text, err := unpack(s)
		if err != nil {
			return err
		}
		return json.Unmarshal([]byte(text), c.to)
	}
	return fmt.Errorf("JSON is kept as %T", v)
}

// toJSON gives the empty string for nothing, which is most often what there is.
func toJSON(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	switch s := string(b); s {
	case "null", "{}", "[]":
		return "", nil
	default:
		return s, nil
	}
}

// atMost is a limit for SQL: none is a number that nothing reaches.
func atMost(limit int) int64 {
	if limit <= 0 {
		return 1 << 62
	}
	return int64(limit)
}
