package mail

import "strings"

// footerStarts is how the line begins that a phone or a mail program puts under a mail. In
// lower case, as all of these.
var footerStarts = strings.Split(`sent from my |sent from mobile|sent from mail|sent from outlook|sent from yahoo|sent from windows|sent from samsung|sent from proton|sent from gmail|sent from iphone|`+
	`sent from ipad|sent from android|sent from hey|sent from nine|sent from aol|sent from acompli|sent from boxer|sent from bluemail|sent from blue mail|sent from tutanota|`+
	`sent from tuta|sent from galaxy|sent from spark|sent from mailspring|sent from thunderbird|sent from edison|sent from fairemail|sent from k-9|sent from htc|`+
	`sent from huawei|sent from xiaomi|sent from rediffmail|sent by galaxy|from my iphone|from my ipad|from my android|from my samsung|get outlook for |get bluemail for |`+
	`get aol mail|download outlook for |gesendet von mein|gesendet von mail|gesendet von yahoo|gesendet von outlook|gesendet von iphone|von meinem iphone|`+
	`von unterwegs gesendet|holen sie sich outlook|laden sie outlook|envoyé de mon |envoyé de ma |envoyé depuis |envoyé à partir de |envoyé par mon|provenance : courrier|`+
	`télécharger outlook|téléchargez outlook|obtenez outlook|obtenir outlook|enviado desde mi |enviado do meu|enviado da minha|enviado de mi|obtener outlook|obtenga outlook|`+
	`obter o outlook|obtenha o outlook|scarica outlook|ottieni outlook|verzonden vanaf mijn |verstuurd vanaf mijn |download outlook voor |skickat från min |skickat från mitt |`+
	`hämta outlook|skaffa outlook|sendt fra min |få outlook|hent outlook|hanki outlook|lataa outlook|saadetud minu |sent frá|wysłane z mojego |wysłano z mojego |wysłane przez |`+
	`pobierz outlook|pobierz aplikację outlook|odesláno z mého|odoslané z |získejte outlook|stáhnout outlook|az iphone-omról|obțineți outlook|отправлено с моего|отправлено со |`+
	`получите outlook|надіслано з мого|відправлено з |изпратено от |послато са |στάλθηκε από |εστάλη από |iphone'umdan|iphone’umdan|telefonumdan|发自我的|從我的|从我的|来自我的|取得 outlook|`+
	`获取 outlook|獲取 outlook|나의 iphone|내 iphone|ส่งจาก|đã gửi từ |dikirim dari |נשלח מה|נשלח מ|أرسلت من|ارسلت من|تم الإرسال من|ارسال شده از|diese nachricht wurde von mein|`+
	`this message was sent from my |this email was sent from my |virus-free|virenfrei|garanti sans virus|libre de virus|livre de vírus|senza virus|virusvrij|vrij van virussen|`+
	`не содержит вирусов|this email has been checked for viruses|this e-mail has been checked for viruses|diese e-mail wurde von avast|yahoo mail: |sent from the all new aol|`+
	`inviato dal mio |inviato da mio |lähetetty iphonesta|lähetetty ipadista`, "|")

// footerMaybe begin a footer when what follows names a device or a program.
var footerMaybe = strings.Split(`sent via |sent with |sent using |gesendet mit |gesendet über |gesendet vom |outlook für |von unterwegs|envoyé avec |envoyé via |enviado a partir do|enviado através|`+
	`enviado pelo|enviado via |enviado do |enviado con |enviado com |enviat des |inviato da |inviato dal |inviato dalla |inviato con |inviato tramite |outlook voor |`+
	`verzonden met |verstuurd met |verstuurd via |skickat med |sendt via |sendt med |lähetetty |odesláno |elküldve |küldve az |trimis de pe |trimis din |poslano s |poslano z |`+
	`poslano iz |poslato sa |išsiųsta iš |nosūtīts no |отправлено от |发自 |发送自|寄件自|my iphone|gửi từ |from my mobile|from my phone|sent from a |enviado desde |sendt fra |`+
	`wysłane z |wysłano z |odesláno z |отправлено с |отправлено из |надіслано з |verzonden vanaf |verzonden vanuit |verstuurd vanaf |skickat från |skickades från `, "|")

// footerEnds are for the tongues that put the verb last.
var footerEnds = strings.Split(`gesendet|から送信|より送信|에서 보냄|에서 보낸 메일|gönderildi|gonderildi|傳送|发送的|发出|küldve|küldtem|lähetetty|を入手|from mobile|beziehen|herunterladen|보냈습니다`, "|")

// excuses make a longer line a footer all the same.
var excuses = strings.Split(`excuse|typo|brevity|tippfehler|kürze|rechtschreib|brièveté|fautes|brevedad|erratas|brevidade|erros|brevità|errori|beknopt|tikfout|autocorrect|mail gesendet|k-9|avast|avg`, "|")

// devices are what a mail is sent with, in any tongue. Without one of them a line that ends
// like a footer is a sentence.
var devices = strings.Split(`iphon|ipad|ipod|android|samsung|galaxy|huawei|xiaomi|redmi|nokia|htc|motorola|pixel|oneplus|blackberry|windows|mobil|phone|telefon|téléphone|teléfono|handy|tablet|gerät|outlook|mail|post|携帯|スマート|手机|手機|휴대|телефон|мобил|почт|пошт|unterwegs|proton|yahoo|aol|spark|superhuman|thunderbird|tuta|gmx|web.de|k-9|hey|canary|edison|boxer|zoho|courrier|correo|correio|courriel`, "|")

// isFooter is for a whole line that a program put under the mail. A sentence that only
// begins like one goes on with a comma, or for longer.
func isFooter(l textLine) bool {
	low := strings.TrimLeft(l.low, "<([*_ \"'«—–-~")
	low = strings.TrimRight(low, ">)]*_ \"'»")
	if len(low) < 6 || len(low) > 200 || !isSmall(low) {
		return false
	}
	if hasAnyPrefix(low, footerStarts) {
		return true
	}
	if !containsAny(low, devices) {
		return false
	}
	if hasAnyPrefix(low, footerMaybe) {
		return true
	}
	for _, end := range footerEnds {
		if strings.HasSuffix(strings.TrimRight(low, "."), end) {
			return true
		}
	}
	return false
}

// isSmall says that a line is too short for a sentence, or excuses itself for being short.
// A link after the words does not count.
func isSmall(low string) bool {
	for _, link := range []string{"http", "www."} {
		if i := strings.Index(low, link); i > 0 {
			low = strings.TrimRight(low[:i], " <([")
		}
	}
	if containsAny(low, excuses) {
		return true
	}
	end := strings.TrimRight(low, ".! ")
	return !strings.ContainsAny(end, ",;!?") && !strings.Contains(end, ". ") && len(strings.Fields(low)) <= 9
}

func hasAnyPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

func containsAny(s string, parts []string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}
