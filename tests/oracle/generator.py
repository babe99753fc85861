"""Generated ACLs and the dialogues that exercise them: the same text for the same seed, wherever it runs."""

from __future__ import annotations

from random import Random

VERBS = ("accept", "deny", "require", "warn", "defer", "drop", "discard")
PHASES = ("connect", "helo", "mail", "rcpt", "predata", "data", "quit", "notquit")

OPTIONS = """\
primary_hostname = mx.example.org
qualify_domain = example.org
recipient_unqualified_hosts = *
sender_unqualified_hosts = *
smtp_max_unknown_commands = 1000
smtp_max_synprot_errors = 1000
smtp_accept_max_nonmail = 1000
hosts_require_helo =
domainlist local = y.org : *.sub.org
hostlist near = 10.0.0.0/8 : 192.0.2.1
hostlist far = !192.0.2.1 : 0.0.0.0/0
addresslist known = a@x.org : *@y.org
localpartlist odd = ^o : later
"""


def table(text: str) -> tuple[str, ...]:
    """One choice a line; ``-`` is the empty one."""
    return tuple("" if line == "-" else line for line in text.strip("\n").split("\n"))


FORCED = "${if eq{1}{2}{x} fail}"
WRONG = "${eval:1/0}"

VALUES = table(rf"""
yes
yes
yes
no
no
no
0
1
-1
-
true
FALSE
maybe
01
+1
${{if eq{{1}}{{1}}{{yes}} fail}}
{FORCED}
{WRONG}
${{if eq{{$acl_m_a}}{{1}}}}
${{if eq{{$acl_c_b}}{{}}}}
${{if def:acl_arg1}}
${{if match{{abc}}{{a(.)c}}{{yes}}}}
""")
HOSTS = table(rf"""
192.0.2.1
192.0.2.0/24
10.0.0.0/8
!192.0.2.1
*
:
-
+near
+far
!+near
!+far
<; 192.0.2.1 ; 10.0.0.1
1.2.3.4 : 192.0.2.1
!1.2.3.4
<; 2001:db8::/32 ; *
{FORCED}
{WRONG}
@[]
!10.0.0.0/8 : 192.0.2.1
""")
DOMAINS = table(rf"""
y.org
+local
!+local
*.org
!y.org
*
-
^y
^(.)\\.org
Y.ORG
z.net : y.org
@
@[]
!z.net : !y.org
{FORCED}
{WRONG}
<, z.net, y.org
y.or
$sender_address_domain
""")
LOCAL_PARTS = table("""
ok
later : ok
!ok
^o
^(.)k
*k
OK
+odd
!+odd
+caseful : ok
*
-
""")
ADDRESSES = table(rf"""
a@x.org
*@x.org
x.org
+known
!+known
:
-
*
^a@
ok@y.org
ok@*.org
!a@x.org
A@X.ORG
*@+local
^(.*)@(.*)
o*@y.org
*k@y.org
{FORCED}
{WRONG}
""")
MESSAGES = table(rf"""
no
two\nlines
550 5.1.1 coded
551 coded
451 4.2.0 for now
450 for now
250 fine
220 x
354 go
421 4.3.2 closing
599 9.9.9 odd
550 4.1.1 mixed
550 5.12345.1 malformed
550
-
5500 x
550  two blanks
m=$acl_m_a c=$acl_c_b
verify=<$acl_verify_message>
arg=$acl_arg1/$acl_narg
d=$domain l=$local_part
{FORCED}
{WRONG}
${{lc:SAID}} $1
$sender_address from $sender_host_address
a text that is much longer than one line of a reply may be, so that it must be cut somewhere
an explanation: see https://example.org/a/very/long/path/that/cannot/be/cut/anywhere/at/all/because/of/slashes now
one word: abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnop
first line\n  second line that is much longer than one line of a reply may be, and again cut somewhere\n\nlast
""")
LINES = table(rf"""
l
two\nlines
m=$acl_m_a c=$acl_c_b
$acl_verify_message
d=$domain
{FORCED}
{WRONG}
-
""")
LOGWRITES = table(rf"""
plain
:main: to main
:reject: to reject
:main,reject: to both
:panic: to panic
::
m=$acl_m_a
c=$acl_c_b
arg=$acl_arg1,$acl_arg2,$acl_narg
d=$domain l=$local_part
s=$sender_address
sl=$sender_address_local_part sd=$sender_address_domain
helo=$sender_helo_name
host=$sender_fullhost $sender_rcvhost
dd=$domain_data
ld=$local_part_data
hd=$host_data
n=$0/$1/$2
added=$headers_added
xa=$h_x-a: s=$h_subject:
rh=$rh_x-a:
v=$acl_verify_message
{FORCED}
size=${{if >{{$message_size}}{{0}}{{+}}{{$message_size}}}}
proto=$received_protocol
host=$primary_hostname $qualify_domain
r=$recipients
""")
COMMAND = "cmd=$smtp_command arg=$smtp_command_argument"
ABOUT_RECIPIENTS = ("counts=$rcpt_count $recipients_count", "fail=$rcpt_fail_count defer=$rcpt_defer_count")
SETS = table(rf"""
acl_m_a = 1
acl_m_a = $acl_m_a+
acl_c_b = 2
acl_c_b = $acl_c_b$acl_m_a
acl_m0 = $local_part
acl_m_a =
acl_m_a = {FORCED}
acl_c_b = {WRONG}
acl_m_a = $1
""")
HEADERS = table(r"""
X-A: one
X-A: two
X-B: three\nX-C: four
:at_start:X-A: top
:after_received: X-B: below
:at_start_rfc:X-C: c
no colon
X-A: folded\n\tline
:at_end:X-A: end
X-A: $acl_m_a
\nX-A: one\n
""")
REMOVED = ("X-A", "x-a : subject", "Nothing", "X-A:X-B", "")
CONTROLS = {
    "": ("no_multiline_responses", "no_delay_flush", "no_callout_flush", "nonsense"),
    "rcpt": ("caseful_local_part", "caselower_local_part"),
}
TARGETS = ("main", "reject", "main : reject", "", "panic")

MESSAGE_PHASES = ("mail", "rcpt", "predata", "data")
AFTER_HELO = ("mail", "rcpt", "predata", "data", "quit", "notquit")
SENDERS = ("<a@x.org>", "<>", "<b@y.org>", "<C@Z.Net>", "<local>", "<a@x.org> SIZE=1000", "<nobody@w.org>")
RECIPIENTS = (
    *("<ok@y.org>", "<later@y.org>", "<OK@Y.ORG>", "<Other@sub.org>", "<x@a.sub.org>", "<postmaster>", "<no@z.net>"),
    *('<"a b"@y.org>', "<ok@z.net>", "<@relay:ok@y.org>"),
)
HELOS = ("EHLO client.example.net", "EHLO other", "EHLO plain", "EHLO [192.0.2.1]")
MESSAGES_SENT = (
    "Subject: hello\nX-A: sent\n\nbody\n",
    "X-A: first\nsubject: bad\nX-A: second\n\tfolded\nX-B: b\n\n..dot\nbody\n",
    "Received: by x\nReceived: by y\nX-C: z\nTo: a@b\n\n",
    "\nno header\n",
)


class Generator:
    """Everything random of one session."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._only_one = False
        self._extra: dict[str, list[str]] = {}  # the ACLs that others call, by the phase they are written for

    def config(self) -> str:
        """A configuration in which some phases have an ACL."""
        phases = [phase for phase in PHASES if self._chance(0.75 if phase in MESSAGE_PHASES else 0.4)]
        options = "".join(f"acl_smtp_{phase} = {phase}\n" for phase in phases)
        if "rcpt" not in phases:
            options += "acl_smtp_rcpt = accept\n"
        if self._chance(0.2):
            options += "smtp_return_error_details\n"
        acls = [self._acl(phase, phase, depth=0) for phase in phases]
        extra = [acl for some in self._extra.values() for acl in some]
        return OPTIONS + options + "begin acl\n" + "".join(acls + extra)

    def dialogue(self) -> str:
        """What a client says; whatever is refused, it goes on."""
        lines = [self._pick(HELOS)]
        for _ in range(1 if self._only_one else self._random.randint(1, 4)):
            lines += self._message()
            if self._chance(0.3):
                lines.append(self._pick(HELOS))
        if self._chance(0.8):
            lines.append("QUIT")
        return "".join(f"{line}\n" for line in lines)

    def _message(self) -> list[str]:
        lines = [f"MAIL FROM:{self._pick(SENDERS)}"]
        lines += [f"RCPT TO:{self._pick(RECIPIENTS)}" for _ in range(self._random.randint(1, 4))]
        if not self._only_one and self._chance(0.2):
            return [*lines, "RSET"]
        if self._chance(0.1):
            return lines
        return [*lines, "DATA", *self._pick(MESSAGES_SENT).split("\n")[:-1], "."]

    # -- ACLs

    def _acl(self, name: str, phase: str, depth: int) -> str:
        statements = [self._statement(phase, depth) for _ in range(self._random.randint(1, 5))]
        if depth == 0 and self._chance(0.8):
            statements.append("  accept\n" if self._chance(0.6) else f"  accept message = {self._pick(MESSAGES)}\n")
        return f"{name}:\n" + "".join(statements)

    def _statement(self, phase: str, depth: int) -> str:
        verb = self._pick(("warn", "warn", "accept", "deny", "require", "deny", *VERBS))
        if verb == "discard" and phase not in ("mail", "rcpt", "data"):
            verb = "deny"
        if verb == "discard" and phase in ("mail", "rcpt"):
            self._only_one = True  # Exim does not always forget it with the message
        if phase == "notquit" and verb not in ("warn", "accept"):
            verb = "accept"  # a refusal there is a null pointer to Exim 4.96
        items = [self._item(phase, depth) for _ in range(self._random.randint(0, 4))]
        if verb in ("accept", "discard") and self._chance(0.25):
            items.insert(self._random.randint(0, len(items)), "endpass")
        return f"  {verb}\n" + "".join(f"    {item}\n" for item in items)

    def _item(self, phase: str, depth: int) -> str:
        if self._chance(0.5):
            return self._condition(phase, depth)
        return self._modifier(phase)

    def _condition(self, phase: str, depth: int) -> str:
        negation = self._pick(("", "", "! ", "!"))
        kinds = ["condition", "condition", "hosts"]
        if phase in AFTER_HELO:
            kinds += ["authenticated", "encrypted"]
        if phase in MESSAGE_PHASES:
            kinds += ["senders", "sender_domains"]
        if phase == "rcpt":
            kinds += ["domains", "local_parts", "recipients"] * 2
        if depth < 3:
            kinds += ["acl"] * (2 if depth == 0 else 1)
        kind = self._pick(kinds)
        if kind == "acl":
            return f"{negation}acl = {self._call(phase, depth)}"
        values = {
            "condition": VALUES, "hosts": HOSTS, "domains": DOMAINS, "sender_domains": DOMAINS,
            "local_parts": LOCAL_PARTS,
            "senders": ADDRESSES, "recipients": ADDRESSES, "authenticated": ("*", "plain", ""), "encrypted": ("*", ""),
        }[kind]  # fmt: skip
        return f"{negation}{kind} = {self._pick(values)}"

    def _call(self, phase: str, depth: int) -> str:
        known = self._extra.setdefault(phase, [])
        number = len(known)
        known.append("")
        name = f"{phase}_{number}"
        known[number] = self._acl(name, phase, depth + 1)
        arguments = ("", "", " one", ' "two words" x', " $acl_m_a $local_part", f' "{FORCED}"', f" {WRONG}")
        return name + self._pick(arguments)

    def _modifier(self, phase: str) -> str:
        name = self._pick(
            ("message", "message", "log_message", "logwrite", "logwrite", "set", "set", "control", "delay", "continue")
            + (("add_header", "add_header", "remove_header") if phase in MESSAGE_PHASES else ())
            + ("log_reject_target",)
        )
        if name in ("delay", "message") and phase == "notquit":
            name = "continue"
        lines = LOGWRITES + (ABOUT_RECIPIENTS * 3 if phase in ("rcpt", "predata", "data") else ())
        lines = ("reason=$smtp_notquit_reason" if phase == "notquit" else COMMAND, *lines)
        value = {
            "message": MESSAGES, "log_message": LINES, "logwrite": lines, "set": SETS, "add_header": HEADERS,
            "remove_header": REMOVED, "delay": ("0s", "1m", "2h3s"), "continue": ("x", WRONG, FORCED),
            "control": CONTROLS[""][:3] + (CONTROLS["rcpt"] if phase == "rcpt" else ()), "log_reject_target": TARGETS,
        }[name]  # fmt: skip
        return f"{name} {self._pick(value)}" if name == "set" else f"{name} = {self._pick(value)}"

    # -- choices

    def _pick(self, values):
        return self._random.choice(values)

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability
