package integration

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// outsider is a program that was made of the OpenAPI document, in a folder of its own.
type outsider struct {
	*desk
	folder string
}

// newOutsider copies the sources of a client to a folder, and the document beside them.
func newOutsider(t *testing.T, sources string) *outsider {
	t.Helper()
	d := newDesk(t, 8*time.Minute, lab.Options{}, lab.AgentOptions{})
	o := &outsider{d, t.TempDir()}
	d.must(os.CopyFS(o.folder, os.DirFS(filepath.Join("client", sources))))
	res, err := http.Get(d.agent.URL + "/api/v1/openapi.json")
	d.must(err)
	defer res.Body.Close()
	file, err := os.Create(filepath.Join(o.folder, "openapi.json"))
	d.must(err)
	_, err = file.ReadFrom(res.Body)
	d.must(err)
	d.must(file.Close())
	return o
}

func (o *outsider) run(name string, args ...string) string {
	o.t.Helper()
	cmd := exec.CommandContext(o.ctx, name, args...)
	cmd.Dir = o.folder
	cmd.Env = append(os.Environ(), "POSTDESK_URL="+o.agent.URL, "POSTDESK_TOKEN="+o.api.Token)
	out, err := cmd.CombinedOutput()
	if err != nil {
		o.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// story plays what the client does to a mail, and looks at what comes out.
func (o *outsider) story(command ...string) {
	o.t.Helper()
	o.write(lab.Letter{From: jane, To: "new@" + lab.Domain, Subject: "Password", MessageID: "first@" + lab.SignedDomain, Body: "How do I set it?\n"})
	said := strings.TrimSpace(o.run(command[0], command[1:]...))
	answer, err := o.Sink.Wait(o.ctx, "the answer", lab.To(jane))
	o.must(err)
	if answer.Header("Subject") != "RE: Password" || answer.Header("In-Reply-To") != "<first@"+lab.SignedDomain+">" || !strings.Contains(string(answer.Data), "You asked: How do I set it?") {
		o.t.Errorf("the answer:\n%s", answer.Data)
	}
	o.must(o.Empty(o.ctx))
	if n := len(o.Sink.Mails()); n != 1 {
		o.t.Errorf("%d mails went out, want 1", n)
	}
	messages := o.waitMessages("SUPPORT-7102", 2)
	if want := fmt.Sprintf("SUPPORT-7102 %s", messages[1].Outgoing[0].QueueID); said != want {
		o.t.Errorf("the client says %q, want %q", said, want)
	}
}

// A client that oapi-codegen makes of the document compiles, and plays the story.
func TestGeneratedGoClient(t *testing.T) {
	t.Parallel()
	o := newOutsider(t, "golang")
	o.run("go", "tool", "oapi-codegen", "-config", "oapi-codegen.yaml", "openapi.json")
	o.run("go", "build", "-o", "client", ".")
	o.story("./client")
}
