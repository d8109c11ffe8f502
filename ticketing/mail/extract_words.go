package mail

import (
	"strings"
	"sync"
)

// The words that mail programs put around what they quote, in their tongues. All are in
// lower case. A table that is asked by a whole phrase costs the same however long it is.

// verbs say that somebody wrote what is quoted.
var verbs = strings.Split(`wrote|said the following|writes|schrieb|schrieben|geschrieben|schreef|schrijft|geschreven|a écrit|écrit|ha scritto|scrive|escribió|escribio|escreveu|va escriure|ha escrit|`+
	`skrev|skriver|skrev följande|kirjoitti|kirjutas|skrifaði|napisał|napisała|pisze|napsal|napsala|napísal|napísala|píše|`+
	`írta|ezt írta|a scris|yazdı|şunları yazdı|şunu yazdı|je napisao|je napisala|napisao je|napisala je|napisao|napisala|je napisao/la|rašė|rakstīja|`+
	`написал|написала|писал|писала|пишет|написав|написала|пише|писав|написа|написао|написала|је написао|је написао/ла|έγραψε|`+
	`đã viết|menulis|tulis|nagsulat|写道|寫道|写道|のメール|のメッセージ|さんは書きました|書きました|작성|님이 작성|썼습니다|쓴 글|เขียนว่า|เขียน|כתב|כתבה|מאת|كتب|تمت كتابة ما يلي|نوشت|ने लिखा|`+
	`igorleak hau idatzi du|dixo|a scris următoarele`, "|")

// saying are verbs that people use of anything, too: they need more signs around them.
var saying = strings.Split(`said|says|sagte|a dit|nous a dit|dijo|disse|sent`, "|")

// openings begin the line above a quote.
var openings = words(`on|at|am|le|el|em|il|in data|op|den|på|pa|w dniu|dnia|dňa|dne|dia|de|a|la|els|in|ما|pe|în|vào|pada|pada tanggal|στις|на|у|від|у|в|от|i|ke|kl|` +
	`在|于|於|em|ao|el día|le jour|il giorno|le|lu|ma|quoting|zitat von|citando|citando a|citat från|citat fra|citation de|selon|in reply to|in message|in article|בתאריך|ב|في|بتاریخ|در|เมื่อ|dana|dne|data|tarihinde`)

// notNames begin a sentence, where a name or a date would begin what a program writes.
var notNames = words(`as|like|what|when|because|since|if|and|but|so|then|he|she|they|we|i|it|this|that|wie|was|wenn|als|weil|da|und|aber|er|ich|comme|quand|et|mais|il|elle|je|como|cuando|y|pero|yo|come|quando|e|ma|io|as|zoals|som|men|jak|ale|как|и|но|он|я`)

// pronouns are not how a program names a writer, Eudora apart.
var pronouns = words(`my|our|your|his|her|their|mein|meine|unser|unsere|mon|ma|notre|mi|nuestro|nuestra|meu|minha|nosso|mio|mia|nostro|min|mitt|vår|mijn|onze|mój|nasz|můj|náš|мой|моя|наш|i|you|he|she|we|they|ich|du|sie|er|wir|je|tu|nous|vous|elle|ils|yo|usted|él|ella|eu|você|ele|ela|jag|han|hon|hun|ik|jij|hij|zij`)

// words is the set of what stands between bars. As all tables here it is made when it is used
// first, for most commands of the program read no mail.
func words(s string) func() map[string]bool {
	return sync.OnceValue(func() map[string]bool {
		out := map[string]bool{}
		for w := range strings.SplitSeq(s, "|") {
			out[w] = true
		}
		return out
	})
}

// The fields of a header that Outlook and others write above a history.
const (
	labelFrom = 1 << iota
	labelDate
	labelTo
	labelSubject
	labelOther
)

var labelTable = sync.OnceValue(func() map[string]int {
	return labels(map[int]string{
		labelFrom: `from|von|de|da|van|från|fra|od|lähettäjä|feladó|от|от кого|кому от|від|from address|kimden|gönderen|από|expéditeur|remitente|remetente|afsender|avsender|avsändare|nadawca|` +
			`odesílatel|odosielateľ|sender|mittente|afzender|absender|mitt|发件人|發件人|寄件者|寄件人|差出人|送信元|送信者|보낸 사람|보낸사람|발신|발신인|מאת|من|от|de la|de|expeditor|šalje|pošiljatelj|` +
			`pošiljatelj|nuo|no|saatja|frá|çəkən|từ|người gửi|dari|จาก|از|d'|de part de|remitent|nork|ze`,
		labelDate: `sent|date|le|message du|nachricht vom|messaggio del|mensaje del|gesendet|datum|envoyé|envoyé le|enviado|enviado el|enviado em|enviada|enviada em|enviat|fecha|data|inviato|data invio|verzonden|verzonden op|skickat|skickades|sendt|sendt den|dato|` +
			`wysłano|wysłane|data wysłania|odesláno|odoslané|dátum|dátum|päivämäärä|päiväys|lähetetty|küldve|elküldve|отправлено|дата|дата отправки|надіслано|изпратено|gönderilme|gönderildi|tarih|gönderilme tarihi|` +
			`στάλθηκε|ημερομηνία|εστάλη|发送时间|发送日期|日期|时间|發送時間|傳送時間|寄件日期|送信日時|日時|送信日|보낸 날짜|보낸날짜|날짜|전송|발송|נשלח|תאריך|تاريخ الإرسال|التاريخ|أرسلت|trimis|data|poslano|datum slanja|išsiųsta|nosūtīts|saadetud|` +
			`đã gửi|ngày|dikirim|tanggal|ส่ง|วันที่|time`,
		labelTo: `to|cc|bcc|an|à|a|para|aan|til|till|do|komu|vastaanottaja|címzett|кому|копия|копія|до|kime|alıcı|προς|κοιν|destinataire|destinatario|destinatário|per a|pour|copie à|copie|copia|con copia|kopie an|kopi til|kopie|kopia|kopi|kopio|másolatot kap|bilgi|` +
			`收件人|收件者|抄送|副本|宛先|cc|받는 사람|받는사람|참조|수신|אל|עותק|إلى|نسخة|către|catre|za|prima|kam|kam|saaja|kellele|đến|tới|kepada|ke|ถึง|na|komu|k|για|ontvanger|empfänger|modtager|mottaker|mottagare`,
		labelSubject: `subject|betreff|objet|asunto|assunto|oggetto|onderwerp|ämne|emne|temat|předmět|predmet|aihe|tárgy|тема|тема сообщения|относно|konu|θέμα|主题|主題|主旨|標題|标题|件名|표제|제목|נושא|الموضوع|موضوع|subiect|predmet|` +
			`zadeva|naslov|tema|teema|chủ đề|tiêu đề|perihal|subjek|subyek|เรื่อง|assumpte|gaia|efni|re|betrifft|sujet|ref`,
		labelOther: `reply-to|beantwoorden - aan|risposta|reply to|answer to|antwort an|répondre à|responder a|rispondi a|antwoord aan|svar til|svara till|importance|priority|wichtigkeit|priorität|importancia|prioridad|priorité|importanza|priorità|belang|vikt|viktighet|` +
			`attachments|anlagen|anhänge|pièces jointes|datos adjuntos|anexos|allegati|bijlagen|bilagor|vedlegg|附件|添付ファイル|첨부|resent-from|resent-to|sensitivity|categories|kategorien|message-id`,
	})
})

func labels(kinds map[int]string) map[string]int {
	out := map[string]int{}
	for kind, all := range kinds {
		for w := range strings.SplitSeq(all, "|") {
			out[w] |= kind
		}
	}
	return out
}

// separators stand between two rows of dashes.
var separators = words(`original message|original|original appointment|original email|original mail|forwarded message|forwarded email|forwarded by|reply message|message from|` +
	`ursprüngliche nachricht|ursprüngliche e-mail|ursprüngliche mail|original-nachricht|originalnachricht|original nachricht|weitergeleitete nachricht|antwort nachricht|ursprünglicher termin|` +
	`message d'origine|message d’origine|message original|message initial|courriel d'origine|message transféré|message réexpédié|mensaje original|mensaje reenviado|mensagem original|mensagem encaminhada|mensagem reencaminhada|missatge original|missatge reenviat|` +
	`messaggio originale|messaggio inoltrato|messaggio originario|oorspronkelijk bericht|origineel bericht|doorgestuurd bericht|oorspronkelijk e-mailbericht|ursprungligt meddelande|originalmeddelande|vidarebefordrat meddelande|` +
	`oprindelig meddelelse|oprindelig besked|original besked|videresendt meddelelse|videresendt besked|opprinnelig melding|original melding|videresendt melding|alkuperäinen viesti|välitetty viesti|edelleenlähetetty viesti|` +
	`wiadomość oryginalna|oryginalna wiadomość|wiadomość przekazana|przekazana wiadomość|treść oryginalnej wiadomości|původní zpráva|původní e-mail|přeposlaná zpráva|pôvodná správa|preposlaná správa|` +
	`eredeti üzenet|továbbított üzenet|mesaj original|mesaj redirecționat|originalna poruka|izvorna poruka|proslijeđena poruka|prosleđena poruka|izvirno sporočilo|posredovano sporočilo|originali žinutė|sākotnējais ziņojums|algne sõnum|algkiri|` +
	`исходное сообщение|пересылаемое сообщение|пересланное сообщение|исходное письмо|оригинальное сообщение|оригінальне повідомлення|вихідне повідомлення|переслане повідомлення|оригинално съобщение|първоначално съобщение|препратено съобщение|оригинална порука|` +
	`orijinal mesaj|orjinal mesaj|özgün ileti|iletilen mesaj|yönlendirilmiş ileti|αρχικό μήνυμα|προωθημένο μήνυμα|原始邮件|原始郵件|原始信件|原邮件|转发邮件|轉寄郵件|转发的邮件|元のメッセージ|元のメール|オリジナルメッセージ|転送メッセージ|転送されたメッセージ|원본 메시지|원본메시지|원본 메일|전달된 메시지|전달된 메일|` +
	`ข้อความต้นฉบับ|ข้อความที่ส่งต่อ|thư gốc|tin nhắn gốc|pesan asli|pesan diteruskan|הודעה מקורית|הודעה שהועברה|הודעה מועברת|الرسالة الأصلية|رسالة أصلية|رسالة مُعاد توجيهها|پیام اصلی|skilaboð|upprunaleg skilaboð`)

// forwards introduce a history without any dashes (Apple Mail).
var forwards = words(`begin forwarded message|start of forwarded message|anfang der weitergeleiteten nachricht|anfang der weitergeleiteten e-mail|début du message réexpédié|début du message transféré|inizio messaggio inoltrato|` +
	`inicio del mensaje reenviado|início da mensagem encaminhada|início da mensagem reencaminhada|begin doorgestuurd bericht|vidarebefordrat brev|vidarebefordrat mejl|start på videresendt besked|start på videresendt melding|videresendt besked|videresendt melding|` +
	`välitetty viesti alkaa|początek przekazywanej wiadomości|začátek přeposlané zprávy|začiatok preposlanej správy|továbbított levél kezdete|начало переадресованного сообщения|початок переадресованого повідомлення|iletilen ileti başlangıcı|` +
	`αρχή προωθημένου μηνύματος|转发的邮件|開始轉寄郵件|下面是被转发的邮件|以下は転送されたメッセージです|다음은 전달된 메시지입니다|전달된 메시지`)

// aboveThis asks to answer above it: what is below is no answer.
var aboveThis = strings.Split(`reply above this line|type your reply above|write above this line|reply above the line|antworten sie oberhalb dieser linie|antwort oberhalb dieser|répondre au-dessus de cette ligne|répondez au-dessus de cette|`+
	`responda por encima de esta línea|responda acima desta linha|rispondi sopra questa riga|antwoord boven deze regel|svara ovanför denna rad|svar over denne linje|odpowiedz powyżej tej linii|пишите ответ выше этой`, "|")
