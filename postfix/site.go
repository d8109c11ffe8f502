// Package postfix prints what a Postfix needs to hand mail to the desk, and checks
// that a Postfix has it. It changes no configuration: most of the values in
// question are the site's own, and other mail depends on them.
//
// It speaks of Postfix 3.4 and later, and is tested with 3.7.
package postfix

import (
	"path/filepath"
	"regexp"
	"strings"
)

// Site is what the lines depend on.
type Site struct {
	// Patterns are POSIX extended regular expressions of all addresses of the desk,
	// as ticketing.Directory.Patterns gives them: each ends in "@", the domain, "$".
	Patterns []string
	// Socket is where the agent listens, as lmtp(8) writes it: "unix:/run/postdesk/lmtp.sock"
	// or "inet:127.0.0.1:24".
	Socket string
	// OwnDomains belong to the desk alone: what is no address of the desk is refused.
	OwnDomains []string
	// SharedDomains have mailboxes elsewhere: only the desk's addresses are the desk's.
	SharedDomains []string
	// TablePath is the file of the recipient table; the other tables stand beside it.
	TablePath string
	// Samples are addresses that fit the patterns, to try them: of queues, tickets and
	// returned mail. Senders are those by which outgoing mail is sent.
	Samples, Senders []string
	// SubmissionServer is "host:port", or "unix:" and a path, of the smtpd to which the desk
	// submits, and SubmissionUser its login there; empty for none.
	SubmissionServer, SubmissionUser string
	// StaffLogins says that staff answer by mail and are known by their login.
	StaffLogins bool
	// MessageSizeLimit is the largest message that the agent takes, in octets; 0 for no limit.
	MessageSizeLimit int64
	// AuthservID is that of the Authentication-Results that the desk believes, and SpamHeader
	// the field and value of a spam verdict; empty for none.
	AuthservID, SpamHeader string
	// FieldsBelow says that these stand where a sender could write them too.
	FieldsBelow bool
	// Program is how postdesk is called to print, for the commands that are printed; empty:
	// "postdesk postfix print".
	Program string
	// ConfigDir is Postfix's configuration directory; empty for the default.
	ConfigDir string
}

// TransportPath is the file of TransportTable.
func (s Site) TransportPath() string { return s.beside("postdesk_transport") }

// OthersPath is the file of OtherTable.
func (s Site) OthersPath() string { return s.beside("postdesk_others") }

// AliasPath is the file of AliasTable.
func (s Site) AliasPath() string { return s.beside("postdesk_aliases") }

// SenderPath is the file of SubmissionAccount.
func (s Site) SenderPath() string { return s.beside("postdesk_senders") }

func (s Site) printCommand() string {
	if s.Program != "" {
		return s.Program
	}
	return "postdesk postfix print"
}

func (s Site) beside(name string) string { return filepath.Join(filepath.Dir(s.TablePath), name) }

func (s Site) recipientMap() string { return "regexp:" + s.TablePath }
func (s Site) transportMap() string { return "regexp:" + s.TransportPath() }
func (s Site) otherMap() string     { return "regexp:" + s.OthersPath() }
func (s Site) aliasMap() string     { return "regexp:" + s.AliasPath() }
func (s Site) senderMap() string    { return "regexp:" + s.SenderPath() }

// transport is the right side of a transport table.
func (s Site) transport() string { return transportName + ":" + s.Socket }

const transportName = "postdesk"

// unixSocket is the path of a Unix socket, empty when the agent listens on TCP.
func (s Site) unixSocket() string {
	path, ok := strings.CutPrefix(s.Socket, "unix:")
	if !ok {
		return ""
	}
	return path
}

// single are the patterns of addresses whose domain is not the desk's own.
func (s Site) single() []string {
	var out []string
	for _, p := range s.Patterns {
		if !inDomains(p, s.OwnDomains) {
			out = append(out, p)
		}
	}
	return out
}

func inDomains(pattern string, domains []string) bool {
	for _, d := range domains {
		if strings.HasSuffix(pattern, domainPattern(d)) {
			return true
		}
	}
	return false
}

// domainPattern is every address of a domain.
func domainPattern(domain string) string {
	return "@" + regexp.QuoteMeta(strings.ToLower(domain)) + "$"
}

func (s Site) checkCommand() string {
	return strings.Replace(s.printCommand(), " print", " check", 1)
}
