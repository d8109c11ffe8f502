package lab

// mainCF is the lab's main.cf. The values that are not about paths and ports
// are those a production site needs as well; what is only for tests says so.
const mainCF = `compatibility_level = 3.6
queue_directory = {{.Dir}}/spool
data_directory = {{.Dir}}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
multi_instance_name = postfix-lab
maillog_file = {{.Dir}}/maillog
maillog_file_prefixes = {{.Dir}}
myhostname = {{.Host}}
mydomain = {{.Domain}}
myorigin = $mydomain
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
biff = no
append_dot_mydomain = no
message_size_limit = 52428800
mailbox_size_limit = 0
# Mail from loopback must look like mail from outside: no added headers.
local_header_rewrite_clients =
{{if .WithoutDesk}}{{else if .Mailboxes}}# Single addresses of a domain with mailboxes go to the agent.
virtual_mailbox_domains = {{.Domain}}
virtual_mailbox_maps = regexp:{{.Dir}}/etc/recipients, inline:{ {{range $i, $m := .Mailboxes}}{{if $i}}, {{end}}{{$m}}=OK{{end}} }
virtual_transport = smtp:[127.0.0.1]:{{.SinkPort}}
transport_maps = regexp:{{.Dir}}/etc/transport
{{else}}# The desk's domain goes to the agent.
relay_domains = {{.Domain}}
relay_transport = postdesk:unix:{{.Socket}}
relay_recipient_maps = regexp:{{.Dir}}/etc/recipients
{{end}}{{if not .WithoutDesk}}postdesk_destination_recipient_limit = 50
postdesk_destination_concurrency_limit = 20
smtpd_forbid_bare_newline = normalize
enable_long_queue_ids = yes
# So that the agent knows which member of staff has logged in and sent a mail.
smtpd_sasl_authenticated_header = yes
{{end}}smtpd_forbid_unauth_pipelining = yes
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions = reject_unlisted_recipient, permit_sasl_authenticated, reject_unauth_destination
# Everything else goes to the sink.
relayhost = [127.0.0.1]:{{.SinkPort}}
smtp_tls_security_level = none
disable_dns_lookups = yes
smtpd_tls_cert_file = {{.Dir}}/tls/cert.pem
smtpd_tls_key_file = {{.Dir}}/tls/key.pem
smtpd_tls_security_level = may
smtpd_tls_loglevel = 1
# Tests wait for conditions: retry soon, and put no brake on load from loopback.
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 3s
transport_retry_time = 1s
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
smtpd_hard_error_limit = 1000
{{.ExtraMain}}
`

// masterCF is the lab's master.cf: nothing is chrooted.
const masterCF = `127.0.0.1:{{.MXPort}} inet n - n - - smtpd
  -o syslog_name=postfix-lab/mx
127.0.0.1:{{.SubmissionPort}} inet n - n - - smtpd
  -o syslog_name=postfix-lab/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_tls_auth_only=yes
  -o smtpd_sasl_type=cyrus
  -o smtpd_sasl_path=smtpd
  -o cyrus_sasl_config_path={{.Dir}}/etc/sasl
  -o smtpd_sasl_local_domain={{.Host}}
  -o smtpd_sender_login_maps=texthash:{{.Dir}}/etc/sender_login
  -o smtpd_sender_restrictions=reject_sender_login_mismatch
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
  -o milter_macro_daemon_name=ORIGINATING
{{if not .WithoutDesk}}postdesk unix - - n - - lmtp
  -o lmtp_line_length_limit=0
  -o disable_mime_output_conversion=yes
  -o lmtp_discard_lhlo_keywords=dsn
  -o lmtp_data_done_timeout=120s
  -o syslog_name=postfix-lab/postdesk
{{end}}pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

// saslConf lets Cyrus SASL answer from a file, so that no daemon is needed.
const saslConf = `pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {{.Dir}}/sasldb2
mech_list: PLAIN LOGIN
`

// senderLogin lets the desk's login send as any address of its domain, which
// ticket addresses and reverse-paths of single messages need, and a member of staff as
// their own.
const senderLogin = "{{if not .WithoutDesk}}@{{.Domain}}\t{{.Login}} desk\n{{end}}{{.StaffAddress}}\t{{.StaffLogin}}\n"

// guardScript stops Postfix and removes the folder when its standard input
// ends: that is at Stop, and also when the program that started it is killed.
// The lock makes it wait for a start that is still going on, whose Postfix would
// be up only after the stop.
const guardScript = `trap '' INT TERM HUP
cat >/dev/null
[ -d "$1" ] || exit 0
exec 9>>"$1/lock"
flock 9
pf() { [ -f "$1/etc/main.cf" ] && postfix -c "$1/etc" "$2" >/dev/null 2>&1; }
pf "$1" abort # what stop does, without its second of sleep
n=0
while [ $n -lt 100 ] && pf "$1" status; do sleep 0.05; n=$((n+1)); done
pf "$1" status && pf "$1" stop # by force
rm -rf "$1"
`
