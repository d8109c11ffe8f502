package main

// config is the configuration file. Each setting can be overridden by an environment
// variable: POSTDESK_, the section, the name, as in POSTDESK_LMTP_LISTEN. The help tags
// are what postdesk.toml(5) says.
type config struct {
	Domain        string            `toml:"domain" help:"Domain of ticket addresses, as support-ticket.example. Needed."`
	Data          string            `toml:"data" help:"Directory of everything that must not be lost: database, raw mail, keys."`
	SharedDomains []string          `toml:"shared_domains" help:"Domains that have mailboxes beside the desk; postmaster@ is not the desk's there."`
	KeepEvents    string            `toml:"keep_events" help:"Events older than this, as 1095d, are removed from the beginning of the feed; empty: never."`
	Roles         map[string]string `toml:"roles" help:"DOMAIN = KEY of the queue that gets postmaster@ and abuse@ of it, where that is not the first queue of the domain."`
	LMTP          lmtpConfig        `toml:"lmtp" help:"The door for mail."`
	Submission    submissionConfig  `toml:"submission" help:"Where answers go out: Postfix's submission service."`
	DNS           dnsConfig         `toml:"dns" help:"Where keys of signatures are looked up."`
	Trust         trustConfig       `toml:"trust" help:"What the site's own servers may say of mail. Nothing by default."`
	HTTP          httpConfig        `toml:"http" help:"The API, for programs with a token; also /healthz, /readyz and /metrics."`
	Control       controlConfig     `toml:"control" help:"The door for the command line."`
	Log           logConfig         `toml:"log" help:"What is written to standard error."`
	Queues        []queueConfig     `toml:"queue" help:"A queue of tickets; at least one is needed."`
	Staff         []staffConfig     `toml:"staff" help:"A person who works at the desk by mail."`
}

type lmtpConfig struct {
	Listen          string `toml:"listen" help:"unix:PATH, tcp:HOST:PORT of this machine, or systemd for whatever socket systemd has opened. One of systemd at this path is taken over."`
	Mode            string `toml:"mode" help:"File mode of the unix socket, octal."`
	Group           string `toml:"group" help:"Group of the unix socket: that of Postfix."`
	MaxMessageBytes int64  `toml:"max_message_bytes" help:"Size from which on mail is refused; 0 leaves the limit to Postfix."`
	Stall           string `toml:"stall" help:"Longest silence of Postfix in the middle of a mail, as 5m."`
}

type submissionConfig struct {
	Server       string `toml:"server" help:"HOST:PORT, or unix:PATH of an smtpd that needs no login. Needed."`
	Username     string `toml:"username" help:"Login; empty for none."`
	PasswordFile string `toml:"password_file" help:"File with the password and nothing else. Secrets are in files, never in this one."`
	CAFile       string `toml:"ca_file" help:"Certificates that the server's is checked against; empty: the system's."`
	TLSName      string `toml:"tls_name" help:"Name in the server's certificate, where it is not the host of server."`
	Workers      int    `toml:"workers" help:"Connections that submit at the same time."`
	// A mail is a third larger than its files, and Postfix refuses one above its message_size_limit.
	MaxAttachmentBytes int64 `toml:"max_attachment_bytes" help:"Largest sum of the files of one reply. Keep a third of room below message_size_limit of Postfix."`
}

type dnsConfig struct {
	Nameserver string `toml:"nameserver" help:"HOST:PORT; empty: as /etc/resolv.conf says."`
}

type trustConfig struct {
	AuthservID    string   `toml:"authserv_id" help:"First word of the Authentication-Results that count, those of your filter, as mx.example.org; empty: none."`
	AuthservPlace string   `toml:"authserv_place" help:"Where these stand: above or below Postfix's own Received field."`
	Border        bool     `toml:"border" help:"This Postfix takes mail from the world: SPF is evaluated."`
	Hostname      []string `toml:"hostname" help:"Names of this Postfix in its Received field; empty: any."`
	SpamHeader    string   `toml:"spam_header" help:"Your filter's verdict, as \"X-Spam: Yes\", at authserv_place; empty: none."`
}

type httpConfig struct {
	Listen      string `toml:"listen" help:"ADDRESS:PORT; a socket of systemd at it is taken over. Empty: no TCP at all."`
	AllowRemote bool   `toml:"allow_remote" help:"Allow an address that other machines reach. There is no TLS: put a proxy before it instead."`
	Rate        int    `toml:"rate" help:"Requests a second by one token, ten times as many at once; 0: any number."`
}

type controlConfig struct {
	Socket string `toml:"socket" help:"Path of the unix socket that lets in root and the agent's own user."`
}

type logConfig struct {
	Format string `toml:"format" help:"text or json. Where systemd keeps the journal, each line says its priority and text leaves the time to it."`
	Level  string `toml:"level" help:"debug, info, warn or error."`
}

type queueConfig struct {
	Key             string   `toml:"key" help:"First part of ticket names: SUPPORT makes SUPPORT-7102. Needed."`
	Name            string   `toml:"name" help:"What customers read; empty: the key."`
	Address         []string `toml:"address" help:"Addresses that open tickets here. Needed."`
	Domain          string   `toml:"domain" help:"Domain of this queue's ticket addresses; empty: domain of the top."`
	FirstNumber     int64    `toml:"first_number" help:"Number of the first ticket."`
	OldKeys         []string `toml:"old_keys" help:"Keys that this queue had before; their tickets' addresses go on working."`
	Forms           []string `toml:"forms" help:"Addresses of contact forms: their proven mail is from the visitor in Reply-To."`
	Automatic       string   `toml:"automatic" help:"What mail by machine becomes: ticket; fold, one ticket a day; group:FIELD, one a day and value of that field, as group:Subject."`
	Acknowledge     string   `toml:"acknowledge" help:"proven: who wrote with proof gets a word that the mail has arrived, once in 10 minutes; or off."`
	Acknowledgement string   `toml:"acknowledgement" help:"Its text, a template in Markdown; empty: the built-in one."`
	Retention       string   `toml:"retention" help:"A ticket is removed with all that belongs to it so long after it was closed, as 730d; empty: never."`
	EndsAfter       string   `toml:"ends_after" help:"An answer after a ticket was closed for so long opens a ticket of its own, linked; never: it opens the old one again."`

	ReplyTemplate string `toml:"reply_template" help:"Template in Markdown around {{.Text}}; empty: the text alone."`
	Signature     string `toml:"signature" help:"Template below an answer."`
	Quote         string `toml:"quote" help:"What an answer quotes: last, the mail that is answered; full, what went to and fro; none."`
	QuoteHead     string `toml:"quote_head" help:"Template of the line above a quote; empty: On {{.Date}}, {{.Author}} wrote:"`
}

// staffConfig is a person who works at the desk.
type staffConfig struct {
	Name        string              `toml:"name" help:"Short, as in !assign jane. Needed."`
	DisplayName string              `toml:"display_name" help:"What customers read: Jane Roe at Support."`
	Address     []string            `toml:"address" help:"Where they write from; the first gets the notifications. Needed."`
	Login       []string            `toml:"login" help:"Logins at Postfix's submission port that are theirs."`
	Queues      []string            `toml:"queues" help:"Keys of queues; all, or nothing at all, is every queue."`
	Roles       []string            `toml:"roles" help:"agent, or admin: works in every queue."`
	Notify      map[string][]string `toml:"notify" help:"By key of the queue, or all: new, assigned, answers, held, all. Default: new, assigned and held of all."`
}
