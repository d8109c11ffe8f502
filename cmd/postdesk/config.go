package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"postdesk/lmtp/verify"
	"postdesk/ticketing"
)

// defaultFile is where the configuration is when nobody says otherwise.
const defaultFile = "/etc/postdesk/postdesk.toml"

func defaults() config {
	return config{
		Data:       "/var/lib/postdesk",
		LMTP:       lmtpConfig{Listen: "unix:/run/postdesk/lmtp.sock", Mode: "0660", Group: "postfix", Stall: "5m"},
		Submission: submissionConfig{Workers: 4, MaxAttachmentBytes: 7_000_000},
		Trust:      trustConfig{AuthservPlace: verify.Above},
		HTTP:       httpConfig{Listen: "127.0.0.1:8025", Rate: 200},
		Control:    controlConfig{Socket: "/run/postdesk/control.sock"},
		Log:        logConfig{Format: "text", Level: "info"},
	}
}

// configError is a fault of the configuration: exit code 78 (EX_CONFIG).
type configError struct{ error }

func (e configError) Unwrap() error { return e.error }

// missingFile is the path of a configuration file that is not there.
type missingFile string

func (m missingFile) Error() string {
	return fmt.Sprintf("there is no configuration file %s; write one, or name another with --config", string(m))
}

// configFile is a configuration with where it is from.
type configFile struct {
	config
	path string
	text []byte
	from map[string]string // the variable that a setting is from
}

func loadConfig(path string, environ []string) (*config, error) {
	f, err := readConfig(path, environ)
	if err != nil {
		return nil, err
	}
	return &f.config, nil
}

// readConfig reads a file and the environment over the defaults, and checks the whole.
// An empty path is the default file, which may be missing when the environment says it all.
func readConfig(path string, environ []string) (*configFile, error) {
	return readConfigOver(defaults(), path, environ)
}

func readConfigOver(base config, path string, environ []string) (f *configFile, err error) {
	f = &configFile{config: base, path: path}
	named := path != ""
	if !named {
		f.path = defaultFile
	}
	f.text, err = os.ReadFile(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !named && hasEnv(environ, envPrefix+"DOMAIN"):
	case errors.Is(err, fs.ErrNotExist):
		return nil, configError{missingFile(f.path)}
	case err != nil:
		return nil, configError{fmt.Errorf("the configuration cannot be read: %w", err)}
	}
	if err := decode(f.path, f.text, &f.config); err != nil {
		return nil, configError{err}
	}
	if f.from, err = applyEnv(&f.config, environ); err != nil {
		return nil, configError{err}
	}
	f.complete()
	if err := f.check(); err != nil {
		return nil, configError{locate(err, f.path, f.text, f.from)}
	}
	return f, nil
}

// decode is strict: a setting that is not known is a mistake, and a mistake that goes
// unnoticed is a setting that somebody believes in.
func decode(path string, text []byte, cfg *config) error {
	err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(cfg)
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		e := unknown.Errors[0]
		row, _ := e.Position()
		return unknownSetting(path, text, row, strings.Join(e.Key(), "."))
	}
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		row, _ := wrong.Position()
		return atLine(path, text, row, strings.TrimPrefix(wrong.Error(), "toml: "))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// complete fills in what follows from other settings.
func (c *config) complete() {
	c.Domain = strings.ToLower(c.Domain)
	for i := range c.Queues {
		q := &c.Queues[i]
		fill(q, queueDefaults(c.Domain, q.Key))
		q.Domain = strings.ToLower(q.Domain)
	}
	for i := range c.Staff {
		if c.Staff[i].Notify == nil { // an empty one is a wish for silence
			c.Staff[i].Notify = staffDefaults().Notify
		}
	}
}

// queueDefaults is what a queue is that says nothing.
func queueDefaults(domain, key string) queueConfig {
	return queueConfig{Key: key, Name: key, Domain: domain, FirstNumber: 1, Automatic: ticketing.AutomaticTicket,
		Acknowledge: ticketing.AcknowledgeProven, EndsAfter: "336h", Quote: ticketing.QuoteLast}
}

// fill sets the fields that are empty.
func fill(q *queueConfig, with queueConfig) {
	to, from := reflect.ValueOf(q).Elem(), reflect.ValueOf(with)
	for i := range to.NumField() {
		if to.Field(i).IsZero() {
			to.Field(i).Set(from.Field(i))
		}
	}
}

// trust is what the verifier believes of the site's own servers.
func (c *config) trust() verify.Trust {
	return verify.Trust{AuthservID: c.Trust.AuthservID, Place: c.Trust.AuthservPlace, Border: c.Trust.Border,
		Hostnames: c.Trust.Hostname, SpamHeader: c.Trust.SpamHeader}
}

func (c *config) queues() []ticketing.Queue {
	out := make([]ticketing.Queue, len(c.Queues))
	for i, q := range c.Queues {
		out[i] = ticketing.Queue{Key: q.Key, Name: q.Name, Addresses: q.Address, Domain: q.Domain,
			FirstNumber: q.FirstNumber, OldKeys: q.OldKeys, Forms: q.Forms, Automatic: q.Automatic,
			Acknowledge: q.Acknowledge, Acknowledgement: template(q.Acknowledgement),
			Reply: template(q.ReplyTemplate), Signature: template(q.Signature), Quote: q.Quote, QuoteHead: template(q.QuoteHead)}
		out[i].EndsAfter, _ = q.endsAfter() // was checked
		out[i].Retention, _ = age(q.Retention)
	}
	return out
}

// age reads a duration that may be in days, as 730d; empty is 0.
func age(s string) (d time.Duration, err error) {
	if s == "" {
		return 0, nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, numErr := strconv.ParseUint(days, 10, 16)
		d, err = time.Duration(n)*24*time.Hour, numErr
	} else {
		d, err = time.ParseDuration(s)
	}
	if err == nil && d <= 0 {
		err = errors.New("not above 0")
	}
	return d, err
}

// endsAfter is 0 for the default, below 0 for never.
func (q queueConfig) endsAfter() (time.Duration, error) {
	switch q.EndsAfter {
	case "":
		return 0, nil
	case "never":
		return -1, nil
	}
	d, err := time.ParseDuration(q.EndsAfter)
	if err == nil && d <= 0 {
		err = errors.New("not above 0")
	}
	return d, err
}

// roles says which queue gets postmaster@ and abuse@ of each domain that is the desk's
// own: the first queue of that domain, unless the file says otherwise.
func (c *config) roles() map[string]string {
	out := map[string]string{}
	for _, q := range c.Queues {
		if _, has := out[q.Domain]; !has && !contains(c.SharedDomains, q.Domain) {
			out[q.Domain] = q.Key
		}
	}
	for domain, key := range c.Roles {
		out[strings.ToLower(domain)] = key
	}
	return out
}

// directory is every address of the desk, as the desk itself will have it.
func (c *config) directory() (*ticketing.Directory, error) {
	d, err := ticketing.NewDirectory(c.queues())
	if err != nil {
		return nil, err
	}
	for _, domain := range sortedKeys(c.roles()) {
		d.AddRole(domain, c.roles()[domain])
	}
	return d, nil
}
