package main

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"postdesk/ticketing"
)

// valid is the smallest file that is complete.
const valid = `domain = "support-ticket.example"
[submission]
server = "localhost:587"
[[queue]]
key = "SUPPORT"
address = ["new@support-ticket.example"]
`

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "postdesk.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConfigDefaults(t *testing.T) {
	cfg, err := loadConfig(writeConfig(t, valid), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := defaults()
	want.Domain, want.Submission.Server = "support-ticket.example", "localhost:587"
	want.Queues = []queueConfig{{Key: "SUPPORT", Name: "SUPPORT", Address: []string{"new@support-ticket.example"},
		Domain: "support-ticket.example", FirstNumber: 1, Automatic: "ticket", Acknowledge: "proven", EndsAfter: "336h", Quote: "last"}}
	if !reflect.DeepEqual(*cfg, want) {
		t.Errorf("got  %+v\nwant %+v", *cfg, want)
	}
	if cfg.LMTP.Listen != "unix:/run/postdesk/lmtp.sock" || cfg.HTTP.Listen != "127.0.0.1:8025" {
		t.Errorf("defaults that Postfix and proxies rely on have changed: %+v", cfg)
	}
}

const staffJane = "[[staff]]\nname = \"jane\"\naddress = [\"jane@company.example\"]\n"

type configMistake struct{ name, old, new, says, shows string }

// Each case is a line that is put into the valid file, or takes the place of one in it.
func configMistakes() []configMistake {
	return []configMistake{
		{"unknown key", "[submission]\n", "[submission]\nsurver = 1\n", `:3: there is no setting "submission.surver"`, "surver = 1"},
		{"a password in the file", "[submission]\n", "[submission]\npassword = \"hunter2\"\n", `:3: there is no setting "submission.password"`, "secrets are in files: submission.password_file"},
		{"unknown section", "[submission]\n", "[pop3]\nx = 1\n[submission]\n", `there is no setting "pop3`, "[pop3]"},
		{"unknown key of a queue", "key =", "colour = 1\nkey =", `there is no setting "queue.colour"`, "colour = 1"},
		{"automatic", "key =", "automatic = \"group\"\nkey =", `automatic: "group" is none of ticket, fold, group:FIELD`, `automatic = "group"`},
		{"acknowledge", "key =", "acknowledge = \"all\"\nkey =", `"all" is neither proven nor off`, `acknowledge = "all"`},
		{"acknowledgement", "key =", "acknowledgement = \"{{.Tickt}}\"\nkey =", "there is no field {{.Tickt}}", "acknowledgement ="},
		{"ends_after", "key =", "ends_after = \"14 days\"\nkey =", "want a duration", `ends_after = "14 days"`},
		{"forms", "key =", "forms = [\"www\"]\nkey =", `"www" is no mail address`, `forms = ["www"]`},
		{"no TOML", "[submission]\n", "[submission\n", ":2:", "[submission"},
		{"wrong type", "[submission]\n", "[submission]\nworkers = \"many\"\n", ":3:", `workers = "many"`},
		{"domain missing", "domain = \"support-ticket.example\"\n", "", "domain: missing", ""},
		{"domain wrong", "support-ticket.example\"\n[", "support ticket\"\n[", ":1: domain:", `domain = "support ticket"`},
		{"relative data", "[submission]\n", "data = \"here\"\n[submission]\n", ":2: data:", `data = "here"`},
		{"relative socket", "[submission]\n", "[control]\nsocket = \"c.sock\"\n[submission]\n", ":3: control.socket:", "c.sock"},
		{"open LMTP", "[submission]\n", "[lmtp]\nlisten = \"tcp:0.0.0.0:24\"\n[submission]\n", ":3: lmtp.listen:", "0.0.0.0:24"},
		{"relative LMTP", "[submission]\n", "[lmtp]\nlisten = \"unix:x\"\n[submission]\n", ":3: lmtp.listen:", "unix:x"},
		{"LMTP mode", "[submission]\n", "[lmtp]\nmode = \"rw\"\n[submission]\n", ":3: lmtp.mode:", `mode = "rw"`},
		{"LMTP limit", "[submission]\n", "[lmtp]\nmax_message_bytes = -1\n[submission]\n", ":3: lmtp.max_message_bytes:", "-1"},
		{"no server", "server = \"localhost:587\"\n", "", ":2: submission.server: missing", "[submission]"},
		{"server without port", "localhost:587", "localhost", ":3: submission.server:", "localhost"},
		{"username alone", "server =", "username = \"desk\"\nserver =", ":3: submission.username:", "desk"},
		{"relative password", "server =", "username = \"desk\"\npassword_file = \"p\"\nserver =", ":4: submission.password_file:", `"p"`},
		{"workers", "server =", "workers = 0\nserver =", ":3: submission.workers:", "workers = 0"},
		{"nameserver", "[submission]\n", "[dns]\nnameserver = \"dns\"\n[submission]\n", ":3: dns.nameserver:", `"dns"`},
		{"open HTTP", "[submission]\n", "[http]\nlisten = \"0.0.0.0:80\"\n[submission]\n", "allow_remote = true", "0.0.0.0:80"},
		{"all interfaces", "[submission]\n", "[http]\nlisten = \":80\"\n[submission]\n", ":3: http.listen:", `":80"`},
		{"log format", "[submission]\n", "[log]\nformat = \"xml\"\n[submission]\n", ":3: log.format:", "xml"},
		{"log level", "[submission]\n", "[log]\nlevel = \"loud\"\n[submission]\n", ":3: log.level:", "loud"},
		{"key", `"SUPPORT"`, `"support"`, ":5: queue[0].key:", `key = "support"`},
		{"address", "new@support", "@support", ":6: queue[0].address:", "@support"},
		{"queue domain", "key =", "domain = \"-\"\nkey =", "queue[0].domain:", `domain = "-"`},
		{"first number", "key =", "first_number = -3\nkey =", "queue[0].first_number:", "-3"},
		{"same key", "[[queue]]", "[[queue]]\nkey = \"SUPPORT\"\n[[queue]]", ":7: queue[1].key:", `key = "SUPPORT"`},
		{"unknown key of staff", "[[queue]]", "[[staff]]\nphone = 1\n[[queue]]", `there is no setting "staff.phone"`, "phone = 1"},
		{"staff without address", "[[queue]]", "[[staff]]\nname = \"jane\"\n[[queue]]", ":4: staff[0].address: missing", "[[staff]]"},
		{"staff of the same name", "[[queue]]", staffJane + staffJane + "[[queue]]", ":8: staff[1].name:", `name = "jane"`},
		{"staff name", "[[queue]]", "[[staff]]\nname = \"Jane R\"\naddress = [\"j@a.example\"]\n[[queue]]", ":5: staff[0].name:", "Jane R"},
		{"staff at the desk", "[[queue]]", "[[staff]]\nname = \"jane\"\naddress = [\"new@support-ticket.example\"]\n[[queue]]", ":6: staff[0].address:", "new@support"},
		{"staff queue", "[[queue]]", staffJane + "queues = [\"SALES\"]\n[[queue]]", ":7: staff[0].queues:", "SALES"},
		{"staff role", "[[queue]]", staffJane + "roles = [\"boss\"]\n[[queue]]", ":7: staff[0].roles:", "boss"},
		{"staff topic", "[[queue]]", staffJane + "notify = { all = [\"everything\"] }\n[[queue]]", ":7: staff[0].notify:", "everything"},
		{"quote", "key =", "quote = \"all\"\nkey =", ":5: queue[0].quote:", `quote = "all"`},
		{"attachments", "server =", "max_attachment_bytes = 0\nserver =", ":3: submission.max_attachment_bytes:", "max_attachment_bytes = 0"},
		{"template", "key =", "signature = \"{{.Agnet}}\"\nkey =", ":5: queue[0].signature: there is no field {{.Agnet}}", `signature = "{{.Agnet}}"`},
		{"template without text", "key =", "reply_template = \"Hello\"\nkey =", ":5: queue[0].reply_template: {{.Text}} is missing", "Hello"},
		{"two lines of head", "key =", "quote_head = \"\"\"From: x\nTo: y\"\"\"\nkey =", ":5: queue[0].quote_head: want one line", "From: x"},
		{"template of several lines", "key =", "signature = \"\"\"\nkey = x\n[[queue]]\n{{if .Agent}}\n\"\"\"\nkey =", ":9: queue[0].signature: unexpected EOF", `"""`},
		{"line of a template", "key =", "signature = '''one\n{{.Two}}\n'''\nkey =", ":6: queue[0].signature: there is no field {{.Two}}", "{{.Two}}"},
		{"after a text of several lines", "key = \"SUPPORT\"", "signature = \"\"\"\n[[queue]]\nkey = 1\"\"\"\nkey = \"a\"", ":8: queue[0].key:", `key = "a"`},
		{"role", "[submission]\n", "[roles]\n\"a.example\" = \"SALES\"\n[submission]\n", "there is no queue \"SALES\"", ""},
	}
}

func TestConfigMistakes(t *testing.T) {
	for _, tt := range configMistakes() {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(valid, tt.old, tt.new, 1)
			if text == valid {
				t.Fatal("the case changes nothing")
			}
			_, err := loadConfig(writeConfig(t, text), nil)
			if err == nil {
				t.Fatal("taken without an error")
			}
			if !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), tt.shows) {
				t.Errorf("got %q\nwant %q and the line %q", err, tt.says, tt.shows)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the password is shown: %q", err)
			}
			if code := fail(&strings.Builder{}, err); code != exitConfig {
				t.Errorf("exit code %d, want %d", code, exitConfig)
			}
		})
	}
}

func TestConfigNoQueue(t *testing.T) {
	_, err := loadConfig(writeConfig(t, valid[:strings.Index(valid, "[[queue]]")]), nil)
	if err == nil || !strings.Contains(err.Error(), "at least one [[queue]]") {
		t.Errorf("got %v", err)
	}
}

func TestConfigMissing(t *testing.T) {
	_, err := loadConfig(filepath.Join(t.TempDir(), "none.toml"), []string{"POSTDESK_DOMAIN=a.example"})
	var missing missingFile
	if !errors.As(err, &missing) {
		t.Errorf("a file that was named and is missing: %v", err)
	}
}

func TestConfigEnvironment(t *testing.T) {
	cfg, err := loadConfig(writeConfig(t, valid), []string{
		"HOME=/root", "POSTDESK_DOMAIN=Other.Example", "POSTDESK_DATA=/d", "POSTDESK_LMTP_LISTEN=unix:/l", "POSTDESK_LMTP_MAX_MESSAGE_BYTES=5",
		"POSTDESK_SUBMISSION_WORKERS=9", "POSTDESK_HTTP_ALLOW_REMOTE=true", "POSTDESK_HTTP_LISTEN=0.0.0.0:1", "POSTDESK_SHARED_DOMAINS=a.example, b.example",
		"POSTDESK_ROLES=c.example=SUPPORT", "POSTDESK_QUEUE_SUPPORT_FIRST_NUMBER=7000", "POSTDESK_QUEUE_SUPPORT_OLD_KEYS=HELP,DESK",
		"POSTDESK_QUEUE_SALES_ADDRESS=sales@a.example", "POSTDESK_STAFF_JANE_ADDRESS=jane@company.example,j@home.example",
		"POSTDESK_STAFF_JANE_NOTIFY=all=new+held,SALES=all",
	})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Domain != "other.example" || cfg.Data != "/d" || cfg.LMTP.Listen != "unix:/l" || cfg.LMTP.MaxMessageBytes != 5 ||
		cfg.Submission.Workers != 9 || !cfg.HTTP.AllowRemote || !reflect.DeepEqual(cfg.SharedDomains, []string{"a.example", "b.example"}) ||
		!maps.Equal(cfg.Roles, map[string]string{"c.example": "SUPPORT"}) {
		t.Errorf("got %+v", cfg)
	}
	staff := []staffConfig{{Name: "jane", Address: []string{"jane@company.example", "j@home.example"}, Notify: map[string][]string{"all": {"new", "held"}, "SALES": {"all"}}}}
	if !reflect.DeepEqual(cfg.Staff, staff) {
		t.Errorf("staff %+v\nwant  %+v", cfg.Staff, staff)
	}
	want := []queueConfig{
		{Key: "SUPPORT", Name: "SUPPORT", Address: []string{"new@support-ticket.example"}, Domain: "other.example", FirstNumber: 7000, OldKeys: []string{"HELP", "DESK"},
			Automatic: "ticket", Acknowledge: "proven", EndsAfter: "336h", Quote: "last"},
		{Key: "SALES", Name: "SALES", Address: []string{"sales@a.example"}, Domain: "other.example", FirstNumber: 1, Automatic: "ticket", Acknowledge: "proven", EndsAfter: "336h", Quote: "last"},
	}
	if !reflect.DeepEqual(cfg.Queues, want) {
		t.Errorf("queues %+v\nwant   %+v", cfg.Queues, want)
	}
}

// Every setting has a variable: a new one cannot be forgotten.
func TestEverySettingHasAVariable(t *testing.T) {
	fields := map[string]reflect.Value{}
	settings(reflect.ValueOf(&config{}).Elem(), "", fields)
	for name, f := range fields {
		value := map[reflect.Kind]string{reflect.Bool: "true", reflect.Int: "3", reflect.Int64: "3", reflect.Map: "a=b"}[f.Kind()]
		if value == "" {
			value = "text"
		}
		cfg := config{}
		if _, err := applyEnv(&cfg, []string{envPrefix + envName(name) + "=" + value}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if reflect.DeepEqual(cfg, config{}) {
			t.Errorf("%s: POSTDESK_%s changes nothing", name, envName(name))
		}
	}
	if len(fields) < 15 {
		t.Errorf("only %d settings found", len(fields))
	}
}

func TestConfigEnvironmentMistakes(t *testing.T) {
	tests := []struct{ env, says string }{
		{"POSTDESK_LOG_LEVEL=loud", `POSTDESK_LOG_LEVEL: "loud"`},
		{"POSTDESK_SUBMISSION_WORKERS=x", `POSTDESK_SUBMISSION_WORKERS: "x"`},
		{"POSTDESK_HTTP_ALLOW_REMOTE=perhaps", "neither true nor false"},
		{"POSTDESK_ROLES=x", "DOMAIN=KEY"},
		{"POSTDESK_STAFF_JANE_NOTIFY=new", "QUEUE=TOPIC+TOPIC"},
		{"POSTDESK_STAFF_JANE_ADDRESS=jane", "POSTDESK_STAFF_JANE_ADDRESS:"},
		{"POSTDESK_QUEUE_SUPPORT_ADDRESS=nobody", "POSTDESK_QUEUE_SUPPORT_ADDRESS:"},
	}
	for _, tt := range tests {
		_, err := loadConfig(writeConfig(t, valid), []string{tt.env})
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want %q", tt.env, err, tt.says)
		}
	}
}

func TestUnknownEnv(t *testing.T) {
	got := unknownEnv([]string{"POSTDESK_CONFIG=/c", "POSTDESK_LMTP_LISTEN=x", "POSTDESK_LMPT_LISTEN=x", "POSTDESK_QUEUE_A_NAME=x",
		"POSTDESK_QUEUE_A_COLOUR=x", "POSTDESK_STAFF_JANE_LOGIN=x", "POSTDESK_TEST_SYNCHRONOUS=OFF", "PATH=/bin"})
	if want := []string{"POSTDESK_LMPT_LISTEN", "POSTDESK_QUEUE_A_COLOUR"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRoles(t *testing.T) {
	cfg := config{
		SharedDomains: []string{"Company.example"}, Roles: map[string]string{"Second.example": "B"},
		Queues: []queueConfig{{Key: "A", Domain: "desk.example"}, {Key: "B", Domain: "desk.example"}, {Key: "C", Domain: "company.example"}, {Key: "D", Domain: "second.example"}},
	}
	want := map[string]string{"desk.example": "A", "second.example": "B"}
	if got := cfg.roles(); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestStaff(t *testing.T) {
	cfg, err := loadConfig(writeConfig(t, valid+staffJane+"display_name = \"Jane Roe\"\nlogin = [\"jane@mx\"]\nqueues = [\"all\"]\nroles = [\"agent\", \"admin\"]\n"+
		strings.ReplaceAll(staffJane, "jane", "bob")+"queues = [\"SUPPORT\"]\n[staff.notify]\nall = []\nSUPPORT = [\"all\"]\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []ticketing.Person{
		{Name: "jane", Display: "Jane Roe", Addresses: []string{"jane@company.example"}, Logins: []string{"jane@mx"}, Admin: true,
			Notify: map[string][]ticketing.Topic{"all": {ticketing.TopicNew, ticketing.TopicAssigned, ticketing.TopicHeld}}},
		{Name: "bob", Addresses: []string{"bob@company.example"}, Queues: []string{"SUPPORT"}, Notify: map[string][]ticketing.Topic{"SUPPORT": {ticketing.TopicAll}}},
	}
	if got := cfg.staff(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
