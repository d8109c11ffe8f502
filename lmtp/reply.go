package lmtp

import (
	"errors"

	"github.com/emersion/go-smtp"
)

// noSuchRecipient is implemented by errors about an address that can never be ours.
type noSuchRecipient interface{ NoSuchRecipient() bool }

// reply turns every error into what Postfix is told; it is the only place that
// does. What is not known is temporary (RFC 3463 section 3.4: 4.3.0) with a fixed
// text: a 5xx for a fault of ours would bounce a customer's mail, and Postfix
// passes the text on to strangers. The type is *smtp.SMTPError itself, since
// go-smtp answers any other error, a wrapped one too, with 554 and its text.
func reply(err error) *smtp.SMTPError {
	var no noSuchRecipient
	if errors.As(err, &no) && no.NoSuchRecipient() {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such recipient here"}
	}
	return temporary()
}

func temporary() *smtp.SMTPError {
	return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Temporary failure, try again later"}
}
