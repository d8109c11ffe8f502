package ticketing

import "testing"

// The matrix of who writes, what is proven, what ties the mail to the ticket, what the
// domain asks for and what it did before. The ticket has one participant, its requester;
// Cc is a person whom the requester put into Cc and staff have not confirmed.
var (
	matrixAuthors  = []string{"requester", "staff", "stranger", "cc"}
	matrixProofs   = []string{"aligned pass", "none", "fail", "temperror", "forged Authentication-Results", "two From", "group From", "Reply-To"}
	matrixKeys     = []string{"token", "another ticket's", "expired", "bare address", "forged References", "subject number"}
	matrixPolicies = []string{"none", "enforcing"}
	matrixPasts    = []string{"never signed", "has signed"}
)

// cell is one of the 768.
type cell struct{ author, proof, key, policy, past string }

func eachCell(do func(cell)) {
	for _, a := range matrixAuthors {
		for _, p := range matrixProofs {
			for _, k := range matrixKeys {
				for _, pol := range matrixPolicies {
					for _, past := range matrixPasts {
						do(cell{a, p, k, pol, past})
					}
				}
			}
		}
	}
}

// verdict is what the policy says of a cell, in its own words: written from its rows, and
// not from the code.
type verdict struct {
	row     string
	effect  Effect
	warned  bool
	acked   bool
	reopens bool
}

// policySays goes down the rows in the order 13, 7, 1 to 6, 8 to 10 (14, 12 and 11 are for
// machines, of which the matrix has none).
func policySays(c cell) verdict {
	proven := c.proof == "aligned pass"
	oneFrom := c.proof != "two From" && c.proof != "group From"
	failsPolicy := !proven && c.policy == "enforcing"
	toTicket := c.key == "token" || c.key == "another ticket's" || c.key == "expired" || c.key == "bare address"
	// A member of staff is given a token of that person; everybody else in the matrix
	// shows the one that the requester was given.
	if c.author == "staff" && c.key == "token" && proven {
		return verdict{row: "13", effect: Act}
	}
	threadProof := c.key == "token" && c.author != "staff"
	if c.proof == "temperror" {
		switch {
		case threadProof:
			return verdict{row: "7", effect: Append}
		case toTicket:
			return verdict{row: "7", effect: Hold}
		}
		return verdict{row: "7", effect: Open}
	}
	fromIsP := c.author == "requester" && oneFrom
	switch {
	case threadProof && fromIsP && proven:
		return verdict{row: "1", effect: Append, reopens: true}
	case threadProof && fromIsP && !failsPolicy:
		return verdict{row: "2", effect: Append, warned: c.past == "has signed", reopens: true}
	case threadProof && fromIsP:
		return verdict{row: "3", effect: Hold}
	case threadProof:
		return verdict{row: "4", effect: AppendNew, reopens: true}
	case toTicket && fromIsP && proven:
		return verdict{row: "5", effect: Append, reopens: true}
	case toTicket:
		return verdict{row: "6", effect: Hold}
	case proven:
		return verdict{row: "8", effect: Open, acked: true}
	case failsPolicy:
		return verdict{row: "10", effect: Open}
	}
	return verdict{row: "9", effect: Open}
}

// matrixFacts are what the desk finds out about a mail of the cell.
func matrixFacts(c cell) Facts {
	one := c.proof != "two From" && c.proof != "group From"
	f := Facts{
		Temporary: c.proof == "temperror",
		Author:    c.proof == "aligned pass",
		Signed:    c.past == "has signed",
		AtTicket:  c.key != "forged References" && c.key != "subject number",
		Staff:     c.author == "staff" && one,
		Thread:    c.key == "token" && c.author != "staff",
		FromKnown: c.author == "requester" && one,
	}
	f.Fails = !f.Author && !f.Temporary && c.policy == "enforcing"
	f.FromHolder = f.Thread && f.FromKnown
	f.StaffToken = c.author == "staff" && c.key == "token"
	f.StaffProof = f.Staff && f.Author
	return f
}

func TestMatrix(t *testing.T) {
	cells := 0
	eachCell(func(c cell) {
		cells++
		want, d := policySays(c), Decide(matrixFacts(c))
		got := verdict{d.Row, d.Effect, d.Warning != "", d.Acknowledge, d.Reopens}
		if got != want {
			t.Errorf("%+v: %+v, want %+v", c, got, want)
		}
	})
	if cells != 768 {
		t.Errorf("%d cells, want 768", cells)
	}
}

// Cell is a cell of the matrix, for the tests that play it through a whole desk.
type Cell struct {
	Author, Proof, Key, Policy, Past string
	Row                              string // what the policy says
	Effect                           Effect
	Warned                           bool
}

// EachCell goes through all 768.
func EachCell(do func(Cell)) {
	eachCell(func(c cell) {
		v := policySays(c)
		do(Cell{c.author, c.proof, c.key, c.policy, c.past, v.row, v.effect, v.warned})
	})
}
