package mail

import (
	"slices"
	"strings"
)

// Half of the world's reports have no machine-readable part. They are known by who
// sends them and by what they say.

var (
	// Names that programs send reports under.
	daemon = pattern(`(?i)^\W*(mailer[-_. ]?daemon|mail[-_. ]?daemon|maildaemon|mdaemon|daemon|post[-_. ]?master|mrelay|uucp|bounces?\b|` +
		`mail[-_. ]?(delivery|deliverer|system|service|administrat|router|gateway|server|agent|handler|master|er)\b|delivery[-_. ]?(subsystem|system|agent|notif|status|report)|internet mail delivery|` +
		`(smtp|lmtp)[-_. ]?(gateway|server|service|agent|daemon|delivery)|microsoft exchange|microsoftexchange)`)
	// Names that people use too: they need a code beside the words.
	perhaps = stemmedPattern(`(?i)^\W*((do[-_. ]?)?no[-_. ]?t?[-_. ]?reply|root|system|mailadmin|administrator|system administrator|admin\b|virus|antivirus|anti-virus|notification|autoreply|automat)`)
	// What a report says of itself in its subject, or in its first lines.
	undelivered = stemmedPattern(`(?i)un(able to )?deliver|non[- ]?(deliver|remis|recens)|not (be |been |successfully )?(deliver|sent\b)|(could ?n[o']t|cannot|can't|did ?n[o']t|unable to|failed to|not able to|n[o']t able to) (be )?(deliver|sen[dt]|reach|accept|receive)|` +
		`deliver(y|ing)[- ](status|failure|failed|error|problem|report|has|delay|attempt|notif|warning|to )|` +
		`(failure|failed) (notice|deliver|mail|to deliver|recipient|message)|failure[- ]delivery|(mail|message|e-?mail|delivery) (delivery )?(failed|failure|error|bounced|problem|warning|status)|` +
		`return(ed|ing) (mail|message|e-?mail|to sender)|mail (system )?error|message (was )?(rejected|refused|blocked|not delivered)|(user|recipient|mailbox|host|domain|address)[- ](is )?(unknown|rejected|not found|full|unavailable|does not exist|disabled|invalid)|` +
		`(unknown|invalid|no such|bad) (user|recipient|mailbox|address|host|domain)|address(es)? had (permanent|transient|delivery)|fatal (delivery )?errors?|warning: (message|could not send)|mail rejected|rejected mail|e-?mail address is (invalid|not valid)|` +
		`errors from |error in delivery|processing error|(mail|message|e-?mail) (has been|was|is being) returned|problems? (delivering|sending)|transient non-fatal|` +
		`unzustellbar|nicht zugestellt|nicht zustell|zustell(ung|fehler|bericht|benach)|konnte nicht|non remis|pas (pu|été) .{0,20}(délivr|deliv|remis|livr)|échec|echec|remise|no se (ha )?(podido|pudo|puede|entreg)|no entregad|no se entreg|entrega fall|devuelto|não (pôde|foi|entreg)|nao (pode|foi|entreg)|falha (na|de) entrega|` +
		`mancat[ao] (consegna|recapito)|impossibile (recapitare|consegnare)|non (è stato|e' stato|recapit|consegn)|onbestelbaar|niet (worden )?(afgeleverd|bezorgd|besteld)|kunde inte|kunne ikke|ikke leveres|kan inte leverer|toimitus|ei voitu toimittaa|nie (został|można|dostarcz)|niedostarcz|nedoruč|nelze doruč|kézbesít|` +
		`не (может быть |удалось |была |было )?доставл|недоставл|не дошло|配信不能|配信でき|配送でき|送信でき|送信に失敗|届き?ません|届け(る|られ)|エラー.{0,6}メール|宛先.{0,12}(不明|見つか)|退信|退件|投递失败|无法(投递|送达|发送)|無法(傳遞|投遞|送達|寄達)|未送达|전송 ?실패|배달.{0,6}(실패|못)|반송|teslim edile|gönderilem`)
	// That the reporter will try again.
	willRetry = pattern(`(?i)will (be |continue to |keep |still )*(re-?)?tr(y|ied|ying)|will (be )?(retr|re-?attempt|attempted again)|will (continue|keep)( to| on)?( be)? ?(re)?(tr[yi]|attempt|deliver)|continue to (try|attempt|be )|still (being )?(tr(y|ied)|queued|in the queue|attempting)|(has )?not yet (been )?deliver|delivery (has been |is |was )?(delayed|postponed|deferred)|has been (delayed|postponed|deferred)|being delayed|do not need to resend|need not resend|please do not resend|` +
		`no action is required|warning: message .{0,60}delayed|temporarily (deferred|delayed)|transient non-fatal|warning message only|status notification \(delay\)|attempts will (continue|be made)|is still (being|waiting)|verzögert|wird (weiter|erneut)|différé|retard|retras|demorad|ritard|vertraagd|försenad|задерж|отложен|遅延|再送|再度送信|延迟|延遲`)
	warningOnly = pattern(`(?i)warning (message )?only|do not need to resend|please do not resend|need not resend|no action is required|attempts will (continue|be made)|advisory[- ]only|status notification \(delay\)`)
	hasGivenUp  = pattern(`(?i)not going to (re)?try|given up|giving up|gave up|no (further|more|additional) (delivery )?(attempt|retr)|permanent(ly)? ?(fatal|error|fail|deliver|fehler)|fatal error|is a permanent|will not (be )?(re-?tr|attempt|deliver)|will no longer|undeliverable|could not be delivered (for|within|in|after)|retry (time|timeout|limit).{0,20}(exceeded|expired)|status notification \(failure\)|returned to sender`)
	noMore      = pattern(`(?i)\bno (further|more|additional|other) (delivery )?(attempt|retr)`)
	// A report that begins so needs no sender of a known name.
	reportOpens = pattern(`(?i)^\W*((could|can|was|were) ?(not|n't) (be )?(deliver|sent|reach)|((your|this|the|a) (original |following |e-?mail )*(message|mail|e-?mail|delivery)|e-?mail|message|mail|delivery)\b.{0,120}\b(not|n't|unable|un(deliver|reach)\w*|fail\w*|delayed|postponed|refused|rejected|returned)\b|unable to deliver|could not deliver|cannot deliver|(this is )?an? (automatic\w*|delivery)|` +
		`non-?delivery (report|notif)|undeliver|delivery (of|to|for|has|status|fail)|failed recipient|(the |some )?(following|below) (recipient|address|user|mailbox|e-?mail)|message from .{0,60}(server|suite|gateway|system)|the e?-?mail below|sent <<<|error: |mail delivery|votre (message|courrier|mail)|ihre (nachricht|mail|e-mail)|su (mensaje|correo)|sua mensagem|il (suo )?messaggio|uw bericht|ваше (сообщение|письмо)|このメール|以下の|下記の|您的|no se (ha|pud|pued)|n[ãa]o foi poss|impossib|письмо|сообщение|die (folgende|nachricht)|an (die folgende|folgende))`)
	// What a person writes, and no report.
	person = pattern(`(?im)\b(my|our) (mail|message|e-?mail)|^\W*(hi|hello|hey|dear|hallo|liebe|guten|bonjour|hola|ciao|olá)\b|\b(thanks|thank you|regards|cheers|grüße|cordialement|saludos)\b|^-+ ?(original message|ursprüngliche nachricht|forwarded message)|^(on|am|le|el) .{5,80}(wrote|schrieb|a écrit|escribió):|^begin forwarded message`)
	// Separators above the message that comes back, and those that only look like one.
	copyMark = pattern(`(?i)^[\s>|*]*([-=_*#~+]{2,}.*\b(copy|original|returned|unsent|undelivered|header|headers|suppressed|message (text|body|source|follow))\b|[-=_*#~+]{2,}\W*((your|the|failed|rejected|attached|bounced) )?(message|mail|body)\W*$|.{0,40}\b(copy of (the|your|this) |original (message|mail)\b.{0,40}(follow|attached|below|header|details|:\s*$)|(message|mail) (text |header |content)?s? ?follow|headers? (of|and|from) .{0,40}(message|follow|:)|first \d+ lines of|top \d+ lines|your message (reads|was as)|message contents?|unsent message|old message|original header|returned (mail|message)\s*:?\s*[-=_*]*$))`)
	notCopy  = pattern(`(?i)address|recipient|transcript|session|server message|command|error|reason|deliver|fail(ed|ure) |had |notification|rejected|because|warning|could|was |been|resend|do not`)
	rawField = pattern(`(?i)^[ >|]{0,3}(return-path|received|delivered-to|dkim-signature|mime-version): ?\S`)
)

// beginsCopy says whether the message that comes back begins at a line: below it no address
// is a failed one.
func beginsCopy(line string) bool {
	if len(line) > 300 {
		line = line[:300]
	}
	if rawField().MatchString(line) {
		return true
	}
	if !copyMark().MatchString(line) {
		return false
	}
	lower := strings.ToLower(line)
	return strings.Contains(lower, "copy of") || strings.Contains(lower, "below this line") || !notCopy().MatchString(line)
}

// nullPath is for mail that wants no answer (RFC 5321 section 4.5.5).
func (m *Message) nullPath() bool {
	return slices.ContainsFunc(m.Header("Return-Path"), func(v string) bool {
		v = strings.Trim(v, " <>")
		return v == "" || daemon().MatchString(v)
	})
}

// byDaemon says whether the From field is one of a program that reports.
func (m *Message) byDaemon() bool {
	for _, v := range m.Header("From") {
		if bare := strings.TrimSpace(v); bare == "<>" || bare == "" || strings.HasSuffix(bare, "<>") {
			return true
		}
	}
	for _, a := range m.From {
		if daemon().MatchString(a.Address) || daemon().MatchString(a.Name) {
			return true
		}
	}
	return false
}

// mayBeWords is the quick look that nearly all mail ends at.
func (d *reading) mayBeWords(root *entity) bool {
	m := d.m
	if root.mediaType == "multipart/report" || len(m.Header("X-Failed-Recipients")) > 0 || m.nullPath() || m.byDaemon() {
		return true
	}
	if slices.ContainsFunc(m.From, func(a Address) bool { return perhaps().MatchString(a.Address) || perhaps().MatchString(a.Name) }) {
		return true
	}
	return len(m.References) == 0 && len(m.InReplyTo) == 0 && undelivered().MatchString(d.subject)
}

// isReport wants a program as the sender and the word of failure, so that a person who
// forwards a report, or complains of one, does not count.
func (d *reading) isReport(root *entity) bool {
	m := d.m
	if root.mediaType == "multipart/report" || len(m.Header("X-Failed-Recipients")) > 0 {
		return true
	}
	subject := strings.ToLower(strings.TrimSpace(d.subject))
	forwarded := strings.HasPrefix(subject, "fw:") || strings.HasPrefix(subject, "fwd:") || strings.HasPrefix(subject, "wg:") || strings.HasPrefix(subject, "tr:")
	answer := strings.HasPrefix(subject, "re:") || strings.HasPrefix(subject, "aw:") || strings.HasPrefix(subject, "sv:")
	head := d.head()
	coded := firstStatus(head) != "" || firstCode(head) != 0
	says := undelivered().MatchString(head) || undelivered().MatchString(d.subject) && !answer
	null := m.nullPath()
	switch {
	case forwarded && !null || absenceIn(strings.ToLower(d.subject)) != "":
		return false
	case m.byDaemon() && answer:
		return says && coded && len(m.References) == 0 && !person().MatchString(head)
	case m.byDaemon():
		return says || coded || d.alone()
	case null:
		return says && (undelivered().MatchString(d.subject) || coded || d.opens())
	case slices.ContainsFunc(m.From, func(a Address) bool { return perhaps().MatchString(a.Address) || perhaps().MatchString(a.Name) }):
		return says && !answer && (coded || d.opens()) && !person().MatchString(head)
	}
	return undelivered().MatchString(d.subject) && d.opens() && !person().MatchString(head)
}

// head is where a report says what it is.
func (d *reading) head() string {
	s := strings.Join(d.lines[:min(len(d.lines), 40)], "\n")
	return strings.ToValidUTF8(s[:min(len(s), 2000)], "")
}

// opens wants the words of a report at the very beginning, and an address that is named as
// the failed one.
func (d *reading) opens() bool {
	seen := 0
	for _, l := range d.lines {
		if strings.TrimSpace(l) == "" || seen >= 4 {
			continue
		}
		seen++
		if reportOpens().MatchString(l[:min(len(l), 300)]) || strings.Contains(strings.ToLower(l), "failed recipient") {
			return slices.ContainsFunc(d.hits(), func(h hit) bool { return h.tier >= tierNamed && !h.own })
		}
	}
	return false
}

// alone says whether the words are no more than addresses of failed recipients, as programs
// write them that have no words for it.
func (d *reading) alone() bool {
	return len(d.lines) < 20 && d.returned != nil && slices.ContainsFunc(d.hits(), func(h hit) bool { return h.tier == tierLine && !h.own })
}
