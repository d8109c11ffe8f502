package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"postdesk/lmtp/verify"
	"postdesk/ticketing"
)

// defaultFile is where the configuration is when nobody says otherwise.
const defaultFile = "/etc/postdesk/postdesk.toml"

// config is the configuration file. Each setting can be overridden by an environment
// variable: POSTDESK_, the section, the name, as in POSTDESK_LMTP_LISTEN.
type config struct {
	Domain        string            `toml:"domain"`         // of ticket addresses
	Data          string            `toml:"data"`           // directory of everything that must not be lost
	SharedDomains []string          `toml:"shared_domains"` // that have mailboxes beside the desk: postmaster@ is not ours there
	Roles         map[string]string `toml:"roles"`          // domain = key of the queue that gets its postmaster@ and abuse@
	LMTP          lmtpConfig        `toml:"lmtp"`
	Submission    submissionConfig  `toml:"submission"`
	DNS           dnsConfig         `toml:"dns"`
	Trust         trustConfig       `toml:"trust"`
	HTTP          httpConfig        `toml:"http"`
	Control       controlConfig     `toml:"control"`
	Log           logConfig         `toml:"log"`
	Queues        []queueConfig     `toml:"queue"`
	Staff         []staffConfig     `toml:"staff"`
}

type lmtpConfig struct {
	Listen          string `toml:"listen"` // unix:PATH, tcp:HOST:PORT of this machine, or systemd
	Mode            string `toml:"mode"`   // of the socket, octal
	Group           string `toml:"group"`  // of the socket: Postfix's
	MaxMessageBytes int64  `toml:"max_message_bytes"`
	Stall           string `toml:"stall"` // longest silence of Postfix in mid-mail, as 5m
}

type submissionConfig struct {
	Server       string `toml:"server"` // HOST:PORT, or unix:PATH
	Username     string `toml:"username"`
	PasswordFile string `toml:"password_file"` // secrets are in files, never in this one
	CAFile       string `toml:"ca_file"`
	TLSName      string `toml:"tls_name"` // name in the server's certificate, where it differs
	Workers      int    `toml:"workers"`
	// MaxAttachmentBytes bounds the files of one reply. A mail is a third larger than they
	// are, and Postfix refuses one above its message_size_limit.
	MaxAttachmentBytes int64 `toml:"max_attachment_bytes"`
}

type dnsConfig struct {
	Nameserver string `toml:"nameserver"` // HOST:PORT; empty: as /etc/resolv.conf says
}

// trustConfig is what the site's own servers may say of mail.
type trustConfig struct {
	AuthservID    string   `toml:"authserv_id"`    // of Authentication-Results that count; empty: none
	AuthservPlace string   `toml:"authserv_place"` // above or below Postfix's own Received field
	Border        bool     `toml:"border"`         // our own Postfix takes mail from the world: SPF is evaluated
	Hostname      []string `toml:"hostname"`       // of our own Postfix, in its Received field; empty: any
	SpamHeader    string   `toml:"spam_header"`    // as "X-Spam: Yes", at authserv_place; empty: none
}

type httpConfig struct {
	Listen      string `toml:"listen"` // empty: no TCP at all
	AllowRemote bool   `toml:"allow_remote"`
}

type controlConfig struct {
	Socket string `toml:"socket"`
}

type logConfig struct {
	Format string `toml:"format"`
	Level  string `toml:"level"`
}

type queueConfig struct {
	Key             string   `toml:"key"`
	Name            string   `toml:"name"`
	Address         []string `toml:"address"`
	Domain          string   `toml:"domain"`
	FirstNumber     int64    `toml:"first_number"`
	OldKeys         []string `toml:"old_keys"`
	Forms           []string `toml:"forms"`           // addresses of contact forms
	Automatic       string   `toml:"automatic"`       // ticket, fold, or group:FIELD
	Acknowledge     string   `toml:"acknowledge"`     // proven, or off
	Acknowledgement string   `toml:"acknowledgement"` // Markdown with fields
	EndsAfter       string   `toml:"ends_after"`      // when a closed ticket is not reopened any more, as 336h; never

	ReplyTemplate string `toml:"reply_template"` // Markdown around {{.Text}}
	Signature     string `toml:"signature"`      // a template too
	Quote         string `toml:"quote"`          // last, full or none
	QuoteHead     string `toml:"quote_head"`     // a template
}

func defaults() config {
	return config{
		Data:       "/var/lib/postdesk",
		LMTP:       lmtpConfig{Listen: "unix:/run/postdesk/lmtp.sock", Mode: "0660", Group: "postfix", Stall: "5m"},
		Submission: submissionConfig{Workers: 4, MaxAttachmentBytes: 7_000_000},
		Trust:      trustConfig{AuthservPlace: verify.Above},
		HTTP:       httpConfig{Listen: "127.0.0.1:8025"},
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

// loadConfig reads a file and the environment over the defaults, and checks the whole.
// An empty path is the default file, which may be missing when the environment says it all.
func loadConfig(path string, environ []string) (*config, error) {
	cfg := defaults()
	named := path != ""
	if !named {
		path = defaultFile
	}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !named && hasEnv(environ, envPrefix+"DOMAIN"):
		text = nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, configError{missingFile(path)}
	case err != nil:
		return nil, configError{fmt.Errorf("the configuration cannot be read: %w", err)}
	}
	if err := decode(path, text, &cfg); err != nil {
		return nil, configError{err}
	}
	from, err := applyEnv(&cfg, environ)
	if err != nil {
		return nil, configError{err}
	}
	cfg.complete()
	if err := cfg.check(); err != nil {
		return nil, configError{locate(err, path, text, from)}
	}
	return &cfg, nil
}

// decode is strict: a setting that is not known is a mistake, and a mistake that goes
// unnoticed is a setting that somebody believes in.
func decode(path string, text []byte, cfg *config) error {
	err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(cfg)
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		e := unknown.Errors[0]
		row, _ := e.Position()
		return atLine(path, text, row, fmt.Sprintf("there is no setting %q", strings.Join(e.Key(), ".")))
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
		if q.Domain == "" {
			q.Domain = c.Domain
		}
		if q.Name == "" {
			q.Name = q.Key
		}
		if q.FirstNumber == 0 {
			q.FirstNumber = 1
		}
		if q.Quote == "" {
			q.Quote = ticketing.QuoteLast
		}
		q.Domain = strings.ToLower(q.Domain)
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
	}
	return out
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
