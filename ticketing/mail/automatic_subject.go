package mail

import "strings"

// absences are what notices of absence say in the place of a subject, or before it, in
// lower case. A person who writes such words goes on with a sentence.
var absences = words(`automatic reply|automatic response|automated reply|automated response|automatic message|automated message|auto reply|auto-reply|autoreply|auto response|auto-response|autoresponse|auto responder|autoresponder|auto|auto generated reply|automatically generated reply|` +
	`out of office|out of the office|out-of-office|out of office reply|out of office autoreply|out of office auto-reply|out of office auto reply|out of office response|out of office message|out of office notification|out of office notice|out-of-office reply|out-of-office message|ooo|oof|ooto|` +
	`vacation|vacation reply|vacation response|vacation message|vacation notice|on vacation|on leave|on holiday|on annual leave|annual leave|maternity leave|parental leave|sick leave|holiday message|away from office|away from the office|away from my desk|away from my mail|away from my email|away message|` +
	`i am out of the office|i am out of office|i'm out of the office|i am on vacation|i am on leave|i am away|absence notification|absence notice|notification of absence|` +
	`abwesenheit|abwesenheitsnotiz|abwesenheitsmeldung|abwesenheitsnachricht|abwesenheitsassistent|abwesenheitsbenachrichtigung|abwesenheitsinfo|abwesenheitsagent|abwesend|automatische antwort|automatische rückantwort|automatische rückmeldung|automatische abwesenheitsnachricht|automatische abwesenheitsmeldung|automatische mitteilung|automatische nachricht|automatische eingangsbestätigung|automatische e-mail-antwort|autoantwort|` +
	`nicht im büro|nicht im hause|außer haus|im urlaub|urlaubsmeldung|urlaubsnotiz|urlaubsbenachrichtigung|urlaubsabwesenheit|ich bin im urlaub|ich bin nicht im büro|ich bin abwesend|in elternzeit|` +
	`réponse automatique|reponse automatique|message automatique|absence|absence du bureau|absent du bureau|absent|absente|notification d'absence|message d'absence|réponse d'absence|réponse automatique d'absence|avis d'absence|en congés|en congé|en vacances|hors du bureau|je suis absent|je suis absente|je suis en congés|` +
	`respuesta automática|respuesta automatica|contestación automática|mensaje automático|fuera de la oficina|fuera de oficina|ausente|ausencia|de vacaciones|estoy fuera de la oficina|aviso de ausencia|resposta automática|resposta automatica|mensagem automática|fora do escritório|fora do escritorio|ausência|ausência temporária|de férias|estou de férias|resposta automàtica|fora de l'oficina|` +
	`risposta automatica|risposta automatica di assenza|messaggio automatico|fuori sede|fuori ufficio|assenza|assente|in ferie|non in ufficio|avviso di assenza|sono in ferie|automatisch antwoord|automatische reactie|automatisch bericht|afwezig|afwezigheid|afwezigheidsbericht|afwezigheidsmelding|niet aanwezig|niet op kantoor|met vakantie|op vakantie|ik ben afwezig|` +
	`autosvar|automatiskt svar|automatiskt svarsmeddelande|frånvaro|frånvarande|frånvaromeddelande|frånvarobesked|på semester|ej på kontoret|inte på kontoret|automatisk svar|automatisk besvarelse|fravær|fraværende|fraværsbesked|fraværsmelding|fraværsmeddelelse|fraværsassistent|ikke til stede|ikke på kontoret|på ferie|på semester|sjálfvirkt svar|` +
	`automaattinen vastaus|automaattivastaus|automaattinen ilmoitus|poissa|poissaolo|poissaoloilmoitus|poissa toimistosta|lomalla|automatyczna odpowiedź|odpowiedź automatyczna|autoodpowiedź|autorespondent|nieobecność|nieobecny|nieobecność w pracy|nieobecność w biurze|poza biurem|jestem poza biurem|na urlopie|urlop|` +
	`automatická odpověď|automatická odpoveď|mimo kancelář|mimo kanceláriu|mimo kancelárie|nepřítomnost|nepřítomen|neprítomnosť|nepřítomnost v kanceláři|jsem na dovolené|automatikus válasz|automatikus üzenet|házon kívül|irodán kívül|távollét|szabadságon|răspuns automat|mesaj automat|în afara biroului|în concediu|` +
	`automatski odgovor|automatska poruka|odsutan|odsutna|odsutnost|izvan ureda|samodejni odgovor|odsotnost|odsoten|automatinis atsakymas|automātiskā atbilde|automātiska atbilde|automaatvastus|automaatne vastus|аутоматски одговор|` +
	`автоответ|автоматический ответ|автоответчик|автоматическое сообщение|автоматическое уведомление|отсутствие|отсутствую|нет на месте|вне офиса|в отпуске|я в отпуске|отсутствую на рабочем месте|автоматична відповідь|автовідповідь|відсутність|у відпустці|поза офісом|автоматичен отговор|извън офиса|в отпуск|` +
	`αυτόματη απάντηση|εκτός γραφείου|απουσία|otomatik yanıt|otomatik cevap|otomatik yanıtlama|ofis dışında|ofis dışı|ofis dışındayım|izindeyim|` +
	`自動応答|自動返信|自動返答|自動送信|不在|不在通知|不在のお知らせ|不在連絡|休暇中|外出中|自动回复|自动答复|自动应答|自動回覆|自動回復|自動答覆|不在办公室|外出|外出通知|休假|休假中|자동 응답|자동응답|자동 회신|자동회신|부재중|부재 중|부재중 알림|휴가|휴가 중|` +
	`תשובה אוטומטית|מענה אוטומטי|מחוץ למשרד|הודעה אוטומטית|رد تلقائي|الرد التلقائي|رد آلي|خارج المكتب|پاسخ خودکار|خارج از دفتر|ตอบกลับอัตโนมัติ|การตอบกลับอัตโนมัติ|ไม่อยู่ที่สำนักงาน|trả lời tự động|thư trả lời tự động|vắng mặt|balasan otomatis|jawaban otomatis|tidak di kantor|स्वचालित उत्तर|` +
	// Those who ask a sender to prove that he is a person.
	`please confirm your message|confirm your email|your email requires verification|please verify your email|message awaiting your verification|verification required|bitte bestätigen sie ihre e-mail|` +
	// Read receipts of programs that do not use the form of RFC 8098.
	`read|not read|gelesen|ungelesen|lu|non lu|leído|no leído|lida|lido|não lida|letto|non letto|gelezen|läst|ej läst|læst|lest|luettu|przeczytano|přečteno|olvasva|прочитано|прочтено|okundu|διαβάστηκε|開封済み|已读|已讀|읽음`)

// topics are those that people write in front of a colon, too ("Vacation: who goes when?").
var topics = words(`vacation|on vacation|on leave|on holiday|annual leave|maternity leave|parental leave|sick leave|auto|abwesenheit|im urlaub|in elternzeit|absence|absent|absente|en congés|en congé|en vacances|ausencia|ausente|de vacaciones|ausência|de férias|` +
	`assenza|assente|in ferie|fuori sede|afwezig|afwezigheid|met vakantie|op vakantie|frånvaro|på semester|fravær|på ferie|poissa|poissaolo|lomalla|nieobecność|urlop|na urlopie|nepřítomnost|neprítomnosť|távollét|szabadságon|în concediu|odsutnost|odsotnost|` +
	`отсутствие|в отпуске|нет на месте|відсутність|у відпустці|απουσία|izindeyim|不在|休暇中|外出|休假|휴가|부재중|vắng mặt`)

// shapeOfSubject says that a subject has the shape of an autoresponder's: the words alone,
// or in front of a colon, or in brackets; and whether the words are a topic of people as
// well. An answer to one ("Re: …") has not.
func shapeOfSubject(subject string) (why string, topic bool) {
	if len(subject) > 1000 {
		return "", false
	}
	words := strings.TrimSpace(absenceIn(strings.ReplaceAll(strings.ToLower(visible(subject)), "’", "'")))
	if words == "" {
		return "", false
	}
	return "the subject of a notice of absence", topics()[words] || receipts()[words]
}

// absenceIn is the part of a subject that says it.
func absenceIn(low string) string {
	if open := strings.IndexAny(low, "[("); open >= 0 {
		inside, _, ok := cutAny(low[open+1:], "])")
		whole := open == 0 || strings.HasSuffix(low, "]") || strings.HasSuffix(low, ")")
		if inside = strings.TrimSpace(inside); ok && whole && absences()[inside] {
			return inside
		}
	}
	head := strings.TrimLeft(low, "*\"'«“„!-– ")
	if all := strings.TrimRight(head, "*\"'»”“!.-– "); absences()[all] && !receipts()[all] {
		return all
	}
	for _, sep := range []string{":", "：", " - ", " – ", " — ", " from ", " von ", " de ", " re ", "!"} {
		before, _, ok := strings.Cut(head, sep)
		before = strings.TrimRight(before, " *\"'»”")
		if ok && absences()[before] && (sep == ":" || sep == "：" || !receipts()[before]) {
			return before
		}
	}
	return ""
}

// receipts are words that say something only in front of a colon.
var receipts = words(`read|not read|gelesen|ungelesen|lu|non lu|leído|no leído|lida|lido|não lida|letto|non letto|gelezen|läst|ej läst|læst|lest|luettu|przeczytano|přečteno|olvasva|прочитано|прочтено|okundu|διαβάστηκε|開封済み|已读|已讀|읽음|auto|confirm your email|verification required`)

// cutAny cuts at the first of some characters.
func cutAny(s, chars string) (before, after string, found bool) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}
