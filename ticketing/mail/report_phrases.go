package mail

import "strings"

// phrases are the words that reports use in place of a status, by the subject and detail of
// the code they mean (RFC 3463 section 3, and the IANA registry of enhanced status codes).
// The first that fits counts, so that the particular stands above the general.
var phrases = []struct {
	detail string
	words  []string
}{
	{"7.26", []string{"dmarc", "unauthenticated email", "multiple authentication checks failed"}},
	{"7.23", []string{"spf check", "spf fail", "spf validation", "sender policy framework"}},
	{"7.20", []string{"dkim sign", "dkim fail", "no passing dkim"}},
	{"7.25", []string{"reverse dns", "ptr record", "rdns", "cannot find your hostname", "cannot find your reverse"}},
	{"7.17", []string{"mailbox owner has changed"}},
	{"2.2", []string{"quota", "mailbox is full", "mailbox full", "mailbox size", "full mailbox", "mail box full", "mailbox has exceeded", "mailbox exceed", "exceeds allowed size", "exceeded the local limit", "storage limit", "inbox is full", "mbox size", "mailfolder is full",
		"maildir delivery failed: user too large", "insufficient disk space", "too much mail", "boîte pleine", "boite pleine", "est pleine", "ist voll", "está lleno", "è piena", "is vol", "postfach ist voll", "mailbox voll", "postvak is vol", "buzón lleno", "casella piena", "caixa postal cheia", "ящик переполнен", "переполнен", "メールボックスに空き", "容量", "邮箱已满", "空间不足"}},
	{"3.4", []string{"too large", "too big", "size limit", "message size exceed", "exceeds the maximum", "exceeds size", "message length exceeds", "maximum message size", "size exceeds", "line too long", "サイズ", "zu groß", "слишком бол", "trop volumineux"}},
	{"2.1", []string{"account disabled", "mailbox disabled", "account has been disabled", "mailbox is inactive", "account is inactive", "inactive", "suspended", "account closed", "account is disabled", "account expired", "no longer active", "not active", "temporarily disabled", "deactivated", "has been locked", "user disabled", "is frozen", "account not activated", "dormant",
		"受信拒否", "заблокирован"}},
	{"1.6", []string{"has moved", "user has left", "no longer works here", "no longer employed", "address has changed", "changed address", "no longer works at", "no longer valid", "has been replaced", "mailbox moved"}},
	{"1.10", []string{"null mx", "nullmx", "does not accept mail (nullmx)"}},
	{"1.2", []string{"host unknown", "unknown host", "domain not found", "no such domain", "host not found", "unknown domain", "domain does not exist", "name or service not known", "couldn't find any host", "couldn't find a mail exchanger", "could not find a mail", "all relevant mx records point to non-existent hosts",
		"nxdomain", "unrouteable mail domain", "unroutable mail domain", "bad destination mailbox", "illegal host", "domain name not found", "non-existent domain", "nonexistent domain", "domain is not exist", "unresolvable", "bad destination system", "cannot resolve", "no mx record", "domain invalid"}},
	{"1.3", []string{"syntax error in", "malformed address", "bad address syntax", "invalid address syntax", "mailbox syntax", "illegal alias", "bad destination mailbox address syntax"}},
	{"1.8", []string{"sender address rejected", "sender rejected", "bad sender", "sender domain", "domain of sender", "sender address verif", "invalid sender", "sender verify failed", "unknown sender"}},
	{"1.1", []string{"user unknown", "unknown user", "no such user", "no such mailbox", "does not exist", "doesn't exist", "not found", "unknown recipient", "recipient unknown", "recipient name is not recognized", "not listed in", "invalid recipient", "recipient rejected", "recipient address rejected", "no mailbox here", "mailbox unavailable", "mailbox not available", "no such recipient", "no such address", "no such person",
		"unknown address", "address unknown", "invalid user", "invalid mailbox", "unknown local", "not a valid", "is not known", "unknown account", "no account", "doesn't have a", "does not have a", "unrouteable address", "unroutable address", "does not like recipient", "user not known", "bad recipient", "no valid recipient", "not our customer", "no user", "recipient not", "nobody here by that name", "not a known user", "not in directory",
		"this address no longer accepts", "account that you tried to reach", "addressee unknown", "mailbox not found", "mailbox unknown", "unknown mailbox", "undeliverable address", "unknown to", "isn't a user", "bad mailbox", "is unknown", "invalid address", "address rejected",
		"unbekannt", "existiert nicht", "nicht bekannt", "n'existe pas", "inconnu", "no existe", "desconocid", "não existe", "desconhecid", "non esiste", "sconosciut", "onbekend", "bestaat niet", "finns inte", "okänd", "findes ikke", "ukendt", "ei ole olemassa", "nie istnieje", "neexistuje", "не существует", "неизвест", "не найден", "見つかりません", "存在しません", "ありません", "不明", "不存在", "存在しない", "없는", "존재하지"}},
	{"7.1", []string{"relaying denied", "relay denied", "relay not permitted", "relaying not", "relay access", "unable to relay", "not permitted to relay", "we do not relay", "mail relay", "prohibited", "blacklist", "black list", "blocklist", "block list", "blocked", "denied", "rejected for policy", "policy", "spam", "junk", "unsolicited", "reputation", "not allowed", "not authorized", "unauthorized", "rbl", "dnsbl", "banned", "access control", "permission", "restricted", "refused by", "not accepted", "content reject", "rejected", "abgelehnt", "refusé", "rechazad", "rifiutat", "отклонен", "拒否", "拒绝", "拒收"}},
	{"7.0", []string{"virus", "infected", "attachment", "ウイルス", "security", "authentication required", "must authenticate", "encryption", "starttls"}},
	{"4.6", []string{"too many hops", "mail loop", "loops back", "routing loop", "loop detected", "loop count", "hop count", "forwarding loop", "mail forwarding loop", "looping"}},
	{"4.7", []string{"expired", "timed out in queue", "in the queue too long", "message timeout", "retry timeout", "retry time", "too old", "queue too long", "queue period", "not delivered within", "delivery time", "could not be delivered for", "retry limit", "unable to deliver in", "no longer be tried", "queued too long"}},
	{"4.3", []string{"name server", "nameserver", "dns error", "dns fail", "server failure", "mx lookup", "lookup failed", "lookup failure"}},
	{"4.2", []string{"connection timed out", "timed out", "timeout", "time out", "connection lost", "lost connection", "connection dropped", "connection reset", "connection died", "broken pipe", "タイムアウト"}},
	{"4.1", []string{"connection refused", "no answer from", "no route to host", "wasn't able to establish", "unable to connect", "could not connect", "couldn't connect", "cannot connect", "host is down", "not responding", "unreachable", "no response", "host unavailable", "network error", "server unavailable", "failed to connect", "our requests to connect"}},
	{"3.1", []string{"mail system full", "system storage", "disk full", "no space left", "insufficient system storage", "out of memory"}},
	{"3.2", []string{"system not accepting", "not accepting network messages", "too many connections", "server busy", "too busy", "try again later", "service unavailable", "service not available", "temporarily unavailable", "resources temporarily", "temporary", "greylist", "graylist", "rate limit", "too many messages", "throttl", "混雑"}},
	{"3.0", []string{"mail system", "mailer error", "unknown mailer", "local configuration", "local error", "queue file write", "input/output error", "i/o error", "pipe", "procmail", "maildrop", "mail server error", "システム"}},
	{"5.0", []string{"syntax error", "command not", "unrecognized command", "protocol error", "bad sequence", "need rcpt", "need mail"}},
	{"6.0", []string{"conversion", "content not supported", "8bit", "invalid character", "bare lf", "bare cr", "malformed message", "duplicate header"}},
}

// statusOfWords gives the status that words mean, empty when they say nothing known. A
// reporter that has given up means class 5, any other class 4.
func statusOfWords(words string, givenUp bool) string {
	n := phraseOf(strings.ToLower(words[:min(len(words), 4000)]))
	switch {
	case n < 0:
		return ""
	case givenUp:
		return "5." + phrases[n].detail
	}
	return "4." + phrases[n].detail
}

// phraseOf is the first entry of the table that words in lower case have, -1 for none.
func phraseOf(words string) int {
	if strings.TrimSpace(words) == "" {
		return -1
	}
	for i, p := range phrases {
		for _, w := range p.words {
			if strings.Contains(words, w) {
				return i
			}
		}
	}
	return -1
}
