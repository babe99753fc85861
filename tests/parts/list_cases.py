"""Lists, what they are asked about, and what they answer: put to policyd by one test, and to a live Exim by another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

FILES = {
    "dl": "y.org: found\n*.y.org: part\n*: star\n",
    "df": "# c\n\n z.org #x\n  y.org # c\n",
    "df2": "!y.org\nx.org",
    "df3": "!x.org\n!z.org\n",
    "hl": "192.0.2.1: one\n192.0.2.0/24: two\n",
    "hfile": "# comment\n10.0.0.9 # c\n! 192.0.2.1\n192.0.2.0/24\n",
    "al": "a.B@y.org: adata\n",
    "al2": "*@y.org: aa\n*: star\n",
    "aal": "y.org: x : !a.c : a.b : *\n*.y.org: part",
    "aal2": "y.org: x : !a.b : >chain\nchain: *",
    "afile": "# c\n#x@y.org\nx#y@y.org # foo\n!a.b@y.org\n*@y.org",
    "ll": "a.b: low\n*: s",
    "lf": "x # y\na#b\n#a.b\nA.b # foo\n",
    "h6": "2001.0db8.0000.0000.0000.0000.0000.0001: full\n2001.0db8.0000.0000.0000.0000.0000.0000/32: net\n",
    "h6i": '"2001:db8::/32": net\n',
    "h6f": "2001:db8::/32\n",
}
"""What the lists below find in their directory."""

OPTIONS = """\
domainlist d1 = y.org : z.org
domainlist d2 = !y.org
domainlist d3 = !z.org
domainlist dl = lsearch;{dir}/dl
addresslist a1 = a.b@y.org : z.org
addresslist a2 = !a.b@y.org : *
addresslist a3 = +caseful : a.b@y.org
localpartlist l1 = a.b
localpartlist l2 = +caseful : a.b
"""

# condition and subject, then one list a line: => yes or no, what is left in $…_data, and $0, $1, $2 where there are any
CASES = r"""
# hosts 192.0.2.1
192.0.2.1                                => yes <>
192.0.2.0/24                             => yes <>
!192.0.2.1                               => no <>
!192.0.2.0/24                            => no <>
*                                        => yes <>
!10.0.0.1                                => yes <>
10.0.0.1                                 => no <>
:                                        => no <>
192.0.2.1 : *                            => yes <>
<; ::ffff:192.0.2.1                      => no <>
<; ::/0                                  => no <>
0.0.0.0/0                                => yes <>
@[]                                      => no <>
<\n 10.0.0.1 \n 192.0.2.1                => yes <>
{dir}/hfile                              => no <192.0.2.1>
!{dir}/hfile                             => yes <192.0.2.1>
10.0.0.1 : {dir}/hfile : 192.0.2.1       => no <192.0.2.1>
net-lsearch;{dir}/hl                     => yes <one>
net24-lsearch;{dir}/hl                   => yes <two>
net16-lsearch;{dir}/hl                   => no <>
net-iplsearch;{dir}/hl                   => yes <one>
!net-lsearch;{dir}/hl                    => no <one>
# domains x@y.org
y.org                                    => yes <y.org> <y.org> <> <>
Y.org                                    => yes <Y.org> <y.org> <> <>
!y.org                                   => no <y.org>
!z.org                                   => yes <>
*                                        => yes <*> <y.org> <y.org> <>
*.org                                    => yes <*.org> <y.org> <y> <>
*y.org                                   => yes <*y.org> <y.org> <> <>
.org                                     => no <>
^y                                       => yes <^y> <y.org> <> <>
^(y).(o)                                 => yes <^(y).(o)> <y.org> <y> <o>
^Y                                       => yes <^Y> <y.org> <> <>
!^y                                      => no <^y>
@                                        => no <>
@[]                                      => no <>
lsearch;{dir}/dl                         => yes <found> <y.org> <> <>
!lsearch;{dir}/dl                        => no <found>
partial-lsearch;{dir}/dl                 => yes <found> <y.org> <> <y.org>
partial0-lsearch;{dir}/dl                => yes <found> <y.org> <> <y.org>
lsearch*;{dir}/dl                        => yes <found> <y.org> <> <>
nwildlsearch;{dir}/dl                    => yes <found> <y.org> <> <>
{dir}/df                                 => yes <y.org> <y.org> <> <>
!{dir}/df                                => no <y.org>
{dir}/df2                                => no <y.org>
!{dir}/df2                               => yes <y.org> <y.org> <> <>
z.org : !{dir}/df2                       => yes <y.org> <y.org> <> <>
z.org : {dir}/df3                        => yes <>
{dir}/df3                                => yes <>
!{dir}/df3                               => no <>
+d1                                      => yes <y.org> <y.org> <> <>
!+d1                                     => no <y.org>
+d2                                      => no <y.org>
!+d2                                     => yes <y.org> <y.org> <> <>
z.org : +d2 : y.org                      => yes <y.org> <y.org> <> <>
+d3                                      => yes <>
+dl                                      => yes <found> <y.org> <> <>
$domain                                  => yes <y.org> <y.org> <> <>
${domain}x : $domain                     => yes <y.org> <y.org> <> <>
<, z.org, y.org                          => yes <y.org> <y.org> <> <>
<; z.org ; y.org                         => yes <y.org> <y.org> <> <>
<\n z.org \n y.org                       => yes <y.org> <y.org> <> <>
<\x1f z.org \x1f y.org                   => yes <y.org> <y.org> <> <>
z.org::y.org                             => no <>
z.org: :y.org                            => yes <y.org> <y.org> <> <>
:                                        => no <>
::                                       => no <>
<                                        => no <>
<,                                       => no <>
^\N(\w+)\.(org)\N                        => yes <^(\w+)\.(org)> <y.org> <y> <org>
@mx_any                                  => no <>
partial-lsearch;{dir}/dl : y.org         => yes <found> <y.org> <> <y.org>
dsearch;{dir}/ds                         => yes <y.org> <y.org> <> <>
y.org : !y.org                           => yes <y.org> <y.org> <> <>
!y.org : y.org                           => no <y.org>
 y.org                                   => yes <y.org> <y.org> <> <>
! y.org : *                              => no <y.org>
!!y.org                                  => yes <>
# domains x@a.b.Y.org
y.org                                    => no <>
*.org                                    => yes <*.org> <a.b.y.org> <a.b.y> <>
^y                                       => no <>
partial-lsearch;{dir}/dl                 => yes <part> <a.b.y.org> <a.b> <y.org>
partial0-lsearch;{dir}/dl                => yes <part> <a.b.y.org> <a.b> <y.org>
lsearch*;{dir}/dl                        => yes <star> <a.b.y.org> <a.b.y.org> <>
nwildlsearch;{dir}/dl                    => yes <part> <a.b.y.org> <> <>
{dir}/df3                                => yes <>
+d2                                      => yes <>
!+d2                                     => no <>
$domain                                  => yes <a.b.y.org> <a.b.y.org> <> <>
@mx_any                                  => no <>
partial-lsearch;{dir}/dl : y.org         => yes <part> <a.b.y.org> <a.b> <y.org>
dsearch;{dir}/ds                         => no <>
y.org : !y.org                           => yes <>
! y.org : *                              => yes <*> <a.b.y.org> <a.b.y.org> <>
# recipients a.B@Y.org
y.org                                    => yes <@y.org>
Y.org                                    => yes <@Y.org>
*y.org                                   => yes <@*y.org>
*.org                                    => yes <@*.org>
*                                        => yes <@*>
!y.org                                   => no <@y.org>
a.B@y.org                                => yes <a.B@y.org>
A.b@Y.ORG                                => yes <A.b@Y.ORG>
a*@y.org                                 => no <>
^a                                       => yes <>
^A\.b@(y)                                => yes <>
!^a                                      => no <>
!a.b@y.org                               => no <a.b@y.org>
:                                        => no <>
+a1                                      => yes <a.b@y.org>
!+a1                                     => no <a.b@y.org>
+a2                                      => no <a.b@y.org>
a.b@+d1                                  => yes <a.b@y.org>
a.b@lsearch;{dir}/dl                     => yes <a.b@found>
lsearch;{dir}/al                         => yes <adata>
!lsearch;{dir}/al                        => no <adata>
lsearch*@;{dir}/al2                      => yes <aa>
lsearch*;{dir}/al2                       => yes <star>
@@lsearch;{dir}/aal                      => yes <a.b>
!@@lsearch;{dir}/aal                     => no <a.b>
@@lsearch;{dir}/aal2                     => no <a.b>
@@partial-lsearch;{dir}/aal              => yes <a.b>
{dir}/afile                              => no <a.b@y.org>
!{dir}/afile                             => yes <a.b@y.org>
+caseful : a.b@y.org                     => no <>
+caseful : a.B@y.org                     => yes <a.B@y.org>
+caseful : A.B@y.org                     => no <>
+caseful : ^a.b                          => no <>
+caseful : ^a.B                          => yes <>
+caseful : *b@y.org                      => no <>
a.b@y.org : +caseful : a.b@y.org         => yes <a.b@y.org>
+caseful : lsearch;{dir}/al              => yes <adata>
+caseful : +a3                           => no <>
+a3                                      => no <>
^a.b@y.org : !^a                         => yes <>
a.b@^y                                   => yes <a.b@^y>
a.b@*.org                                => yes <a.b@*.org>
@y.org                                   => no <>
<, a.b@y.org, x                          => yes <a.b@y.org>
"a.b"@y.org                              => no <>
$sender_address                          => no <>
$local_part@$domain                      => yes <a.b@y.org>
a.b@@y.org                               => no <>
# local_parts a.B@y.org
a.b                                      => yes <a.b> <a.b> <> <>
A.B                                      => yes <A.B> <a.b> <> <>
a.B                                      => yes <a.B> <a.b> <> <>
+caseful : a.B                           => yes <a.B> <a.B> <> <>
+caseful : a.b                           => no <>
+caseful : A.b : a.B                     => yes <a.B> <a.B> <> <>
+caseful : ^a.B                          => yes <^a.B> <a.B> <> <>
+caseful : ^a.b                          => no <>
+caseful : *B                            => yes <*B> <a.B> <a.> <>
+caseful : *b                            => no <>
^a\.b\N$\N                               => yes <^a.b$> <a.B> <> <>
^(.)\.(.)                                => yes <^(.).(.)> <a.B> <a> <B>
*b                                       => yes <*b> <a.b> <a.> <>
*                                        => yes <*> <a.b> <a.b> <>
.b                                       => no <>
!a.b                                     => no <a.b>
!x                                       => yes <>
lsearch;{dir}/ll                         => yes <low> <a.b> <> <>
+caseful : lsearch;{dir}/ll              => yes <low> <a.B> <> <>
{dir}/lf                                 => yes <A.b> <a.b> <> <>
+l1                                      => yes <a.b> <a.b> <> <>
!+l1                                     => no <a.b>
+l2                                      => no <>
@                                        => no <>
@[]                                      => no <>
lsearch*@;{dir}/ll                       => yes <low> <a.b> <> <>
"a.b"                                    => no <>
$local_part                              => yes <a.b> <a.b> <> <>
:                                        => no <>
:a.b                                     => yes <a.b> <a.b> <> <>
# senders <>
:                                        => yes <>
*                                        => no <>
*@*                                      => no <>
^                                        => yes <>
^.                                       => no <>
^\N.?$\N                                 => yes <>
lsearch;{dir}/al                         => no <>
lsearch*;{dir}/al                        => no <>
@@lsearch;{dir}/aal                      => no <>
!a@b.c                                   => yes <>
a@b.c : :                                => yes <>
a@b.c : !                                => no <>
! : *                                    => no <>
!:                                       => no <>
x.org                                    => no <>
+a2                                      => no <>
# sender_domains <>
:                                        => yes <>
*                                        => yes <>
*@*                                      => no <>
^                                        => yes <>
^.                                       => no <>
^\N.?$\N                                 => yes <>
lsearch;{dir}/al                         => no <>
lsearch*;{dir}/al                        => no <>
!a@b.c                                   => yes <>
a@b.c : :                                => yes <>
a@b.c : !                                => no <>
! : *                                    => no <>
!:                                       => no <>
x.org                                    => no <>
# sender_domains a@Y.ORG
@                                        => no <>
$domain                                  => yes <> <y.org> <> <>
${if eq{$domain}{Y.ORG}{*}}              => no <>
${if eq{$domain}{y.org}{*}}              => yes <> <y.org> <y.org> <>
Y.org                                    => yes <> <y.org> <> <>
+d1                                      => yes <> <y.org> <> <>
${if eq {$domain}{y.org}{*}{<$domain>}}  => yes <> <y.org> <y.org> <>
# hosts 2001:db8::1
<; 2001:db8::/32                         => yes <>
<; 2001:db8::1                           => yes <>
<; 2001:DB8:0:0::1                       => yes <>
<; 2001:db9::/32                         => no <>
2001::db8::::1                           => yes <>
192.0.2.1                                => no <>
0.0.0.0/0                                => no <>
<; ::/0                                  => yes <>
<; !2001:db8::/32                        => no <>
net-lsearch;{dir}/h6                     => yes <full>
net32-lsearch;{dir}/h6                   => yes <net>
net-iplsearch;{dir}/h6i                  => yes <net>
<; ::1                                   => no <>
*                                        => yes <>
:                                        => no <>
{dir}/h6f                                => yes <2001:db8::/32>
"""

# the same for recipients a.B@Y.org; the third column is what Exim 4.96 leaves behind where it reads the wrong memory
UNLIKE_EXIM = r"""
*@y.org                   => yes <*@y.org>             => yes <*@y@y.org>
*@*                       => yes <*@*>                 => yes <*@*@*>
*@*.org                   => yes <*@*.org>             => yes <*@*@*.org>
*B@y.org                  => yes <*B@y.org>            => yes <*B@@y.org>
*b@*                      => yes <*b@*>                => yes <*b@@*>
!*@y.org                  => no <*@y.org>              => no <*@y@y.org>
a.b@z.org                 => no <>                     => no <a.b@>
*@+d1                     => yes <*@y.org>             => yes <*@+@y.org>
!*@+d1                    => no <*@y.org>              => no <*@+@y.org>
a.b@!y.org                => no <y.org>                 => no <a.b@y.org>
*@lsearch;{dir}/dl        => yes <*@found>             => yes <*@l@found>
+caseful : a.B@Y.ORG      => no <>                     => no <a.B@>
+caseful : *B@y.org       => yes <*B@y.org>            => yes <*B@@y.org>
*@^(y).                   => yes <*@^(y).>             => yes <*@^@^(y).>
*b@^(y).                  => yes <*b@^(y).>            => yes <*b@@^(y).>
a.b@                      => no <>                     => no <a.b@>
a.b@z.org : *@y.org       => yes <*@y.org>             => yes <*@y@y.org>
a.b@Y.org # c             => no <>                     => no <a.b@>
"""

VARIABLES = {
    "domains": "domain_data",
    "local_parts": "local_part_data",
    "recipients": "recipient_data",
    "senders": "sender_data",
    "sender_domains": "sender_data",
    "hosts": "host_data",
}


Row = tuple[str, str, str, str, str]


def _rows() -> Iterator[Row]:
    condition = subject = ""
    for line in CASES.strip("\n").split("\n"):
        if line.startswith("# "):
            _, condition, subject = line.split()
            subject = subject.removeprefix("<").removesuffix(">")
        else:
            text, answer = line.split("=>")
            yield condition, subject, text.strip(), answer.strip(), answer.strip()
    for line in UNLIKE_EXIM.strip("\n").split("\n"):
        text, ours, exim = line.split("=>")
        yield "recipients", "a.B@Y.org", text.strip(), ours.strip(), exim.strip()


ROWS: list[Row] = list(_rows())
"""Condition, subject, list, policyd's answer and Exim's."""


def write_files(directory: Path) -> None:
    """What the lists find in *directory*."""
    for name, text in FILES.items():
        (directory / name).write_text(text)
    (directory / "ds").mkdir()
    (directory / "ds" / "y.org").touch()


def config(condition: str, text: str, directory: Path) -> str:
    """A configuration that logs what a list answers."""
    data = VARIABLES[condition]
    return f"""\
primary_hostname = mx.example.org
qualify_domain = example.org
acl_smtp_rcpt = r
{OPTIONS.replace("{dir}", str(directory))}
begin acl
r:
  accept {condition} = {text.replace("{dir}", str(directory))}
    logwrite = yes <${data}> <$0> <$1> <$2>
  accept logwrite = no <${data}>
"""


def client(condition: str, subject: str) -> str:
    """Who asks."""
    return subject if condition == "hosts" else "192.0.2.1"


def dialogue(condition: str, subject: str) -> str:
    """What makes *subject* the subject of *condition*."""
    sender = subject if condition.startswith("sender") else "a@x.org"
    recipient = subject if condition in ("domains", "local_parts", "recipients") else "x@y.org"
    return f"EHLO foo\nMAIL FROM:<{sender}>\nRCPT TO:<{recipient}>\nQUIT"


def shown(line: str) -> str:
    """A log line as the tables have it: without $0, $1, $2 where there are none."""
    return line.removesuffix(" <> <> <>")
