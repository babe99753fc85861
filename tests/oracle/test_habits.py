"""What authors write, and miswrite, put to a live Exim and to policyd: the same text, the same words when it fails."""

from __future__ import annotations

import pytest
from oracle.test_expansions import ask, policyd  # noqa: F401 - a fixture


def lines(text):
    """What stands between the first line and the last."""
    return text.split("\n")[1:-1]


LISTS = lines(r"""

a
a:b
<, a ,, b
a::b
a:::b
:a
a:
:
::
<;a;b
<; a ; b
<
<:a:b
<. a.b
<+ a+b+
<\na\nb
<\t a\tb
<\x01a\x01b
<" a"b
<\\ a\\b
<{ a{b
!a:b
<\n\n a\n\nb
""")
OF_A_LIST = lines(r"""
${listcount:%}
${listextract{1}{%}{[$value]}{no}}
${listextract{-1}{%}{[$value]}{no}}
${map{%}{[$item]}}
${map{%}{x:y;z}}
${map{%}{ }}
${filter{%}{!eq{$item}{a}}}
${reduce{%}{0}{${eval:$value+1}}}
${if forany{%}{eq{$item}{a}}{y}{n}}
${if forall{%}{eq{$item}{a}}{y}{n}}
${if inlist{a}{%}{[$value]}{n}}
${if inlisti{A}{%}{[$value]}{n}}
${if match_domain{a}{%}{y$value}{n}}
${addresses:%}
""")
ADDRESSES = lines(r"""
a@b.c
<a@b>
x <a@b>
"x, y" <a@b>
x. y <a@b>
x, y <a@b>
(c)a@b
a@b(c)
a(c)@b
(a a@b
"a b"@c
"a@b"@c
a..b@c
.a@b
a@b.
a@[1.2.3.4]
a@[]
a@b@c
@b
a@
a
<>
a b@c
a@b c@d
a@b, c@d
a@b,,c@d
g: a@b, c@d;
g:;
a. b@c
\xe9@b
<@r:a@b>
a!b
a@-b
a@b_c
""")
OF_AN_ADDRESS = lines(r"""
${address:%}
${domain:%}
${local_part:%}
${addresses:%}
${addresses:>, %}
${quote_local_part:%}
${rfc2047:%}
${if match_address{%}{a@b:*@c}{y}{n}}
${if match_address{%}{*}{y}{n}}
${if match_address{%}{^a}{y}{n}}
${if match_address{%}{!*}{y}{n}}
""")
NUMBERS = lines(r"""
0
1
2
-1
100

x
 1
1x
+1
0x1
08
1K
1k
1M
1.5
-
+
""")
OF_A_NUMBER = lines(r"""
${length{%}{abcdef}}
${substr{%}{abcdef}}
${substr{1}{%}{abcdef}}
${length_%:abcdef}
${substr_%:abcdef}
${listextract{%}{a:b}{[$value]}{no}}
${extract{%}{:}{a:b}}
${base62:%}
${base32:%}
${time_eval:%}
${eval:%}
${eval10:%}
${if bool{%}{y}{n}}
${if bool_lax{%}{y}{n}}
${mask:1.2.3.4/%}
${mask:2001:db8::1/%}
${if ={%}{1}{y}{n}}
${if <{1}{%}{y}{n}}
${sha2_%:a}
${sha3_%:a}
""")
CONDITIONS = lines(r"""
${if}
${if eq}
${if eq{a}}
${if eq{a}{b}{c}{d}{e}}
${if eq{a}{a}{}
${if eq{a}{b}{y} fail x}
${if eq{a}{b} fail}
${if EQ{a}{a}{y}}
${if {eq{a}{b}}{y}{n}}
${if ! }
${if ==={1}{1}{y}{n}}
${if =>{1}{1}{y}{n}}
${if def}
${if def:}
${if def:primary_hostnam{y}{n}}
${if def:1{y}{n}}
${if def:acl_x{y}{n}}
${if def:acl_cfoo{y}{n}}
${if and{{}}{y}{n}}
${if and{{eq{a}{a}x}}{y}{n}}
${if and{eq{a}{a}}{y}{n}}
${if or{{eq{a}{a}}{nosuch{a}{a}}}{y}{n}}
${if or{{eq{a}{a}}{eq{a}{$nosuch}}}{y}{n}}
${if or{{>{x}{1}}}}
${if and{{and{{>{x}{1}}}}}}
${if acl{x}}
${if forany{a}}
${if forany{a:b}{eq{$nosuch}{a}}}
${if forany{a:b}{>{$item}{1}}}
${if forany{a:b}{eq{$item}{a}x}}
${if forany_jsons{[1]}{eq{$item}{a}}{y}{n}}
${if inlist{a}}
${if isip}
${if crypteq{abc}{\{}{y}{n}}
${if crypteq{abc}{\{md5}{y}{n}}
${if crypteq{abc}{\{\}x}{y}{n}}
${if crypteq{abc}{\{foo\}x}{y}{n}}
${if match_ip{1.2.3.4}{+a_host}{y$value}{n}}
${if match_ip{1.2.3.5}{+a_host}{y}{n}}
${if match_ip{1.2.3.5}{!+a_host}{y}{n}}
${if match_ip{1.2.3.4}{!+a_host : *}{y}{n}}
${if match_ip{1.2.3.4}{10.0.0.0/8 : +a_host}{y}{n}}
${if match_ip{}{+a_host}{y}{n}}
${if match_ip{1.2.3.4}{+with_names}{y}{n}}
${if match_ip{10.0.0.1}{+with_names}{y}{n}}
${if match_ip{1.2.3.4}{+ignoring}{y}{n}}
${if match_ip{1.2.3.4}{+nested}{y}{n}}
${if match_ip{9.9.9.9}{+nested}{y}{n}}
${if match_ip{1.2.3.4}{/etc/passwd}{y}{n}}
""")
ITEMS = lines(r"""
${filter}
${filter{a:b}}
${filter{a:b}{}}
${filter{a:b}{eq{$nosuch}{a}}}
${filter{a:b}{>{$item}{1}}}
${map}
${map{a:b}}
${map{a:b}{$nosuch}}
${map{a:b}{${eval:x}}}
${map{a:b}{${map{c:d}{$nosuch}}}}
${map{a:b}{${if eq{$item}{a}{X} fail}}}
${map{a:b}{x}{y}}
${reduce{a}}
${reduce{a}{b}}
${reduce{a:b}{}{$nosuch}}
${sort}
${sort{a}}
${sort{a}{lt}}
${sort{a:b}{eq}{$item}}
${sort{a:b}{lt}{}}
${sort{a:b}{lt}{$nosuch}}
${sort{a:b}{lt}{x}x}
${listextract{1}}
${listextract{1}{a:b}
${length{1}{abc}x}
${length{1}{abc}{d}}
${sg{a}{b}}
${sg{a}{(}{x}}
${hmac{x}{a}{b}}
${extract{a}}
${extract{1}{a}}
${extract json{x}{[1]}}
${extract json{1}{x}}
${env{HOME}{y}{n}{z}}
${readfile}
${run}
${run{}{y}{n$runrc}}
${run{ }{y}{n$runrc}}
${run{echo a}{y}{n$runrc}}
${run{bin/echo a}{y}{n$runrc}}
${lookup}
${lookup{a}}
${lookup{a}nosuch{/x}}
${lookup{a}sqlite{/x}}
${lookup passwd{ root}{y}{n}}
${lookup{a@b}spf{x}{y}{n}}
""")
OPERATORS = lines(r"""
${lc:a
${lc}
${nosuch}
${nosuch:x}
${primary_hostname }
${acl_x}
$acl_x
$acl_cfoo
${h_x}
${}
${:}
${_}
${-a}
${1a}
$
a$ b
$$primary_hostname
${quote_nosuch:a}
${length:abc}
${l:abc}
${h:abc}
${length_1_2:abc}
${listnamed:nosuch}
${listnamed_x:a_list}
${hex2b64: abc }
${hex2b64:abc}
${randint:}
${randint: x }
${base64d:x}
${base62:x}
${mask:x}
${mask:1.2.3.4}
${mask:1.2.3.4/\t1}
${mask:1.2.3.4/ }
${mask:1.2.3.4/1/2}
${mask:::1%eth0/8}
${reverse_ip:1.2.3.4/ 3}
${reverse_ip:x}
${nhash{-1}{abcdef}}
${nhash{-3}{7}{abc}}
${rfc2047d:=??q?a?=}
${rfc2047d:=?utf-8?q?\xc3\xa9?=}
${utf8_domain_from_alabel: abc }
${utf8_domain_from_alabel:xn--caf-dma.fr }
${utf8_domain_from_alabel:XN--caf-dma.fr}
${utf8_domain_from_alabel:caf\xe9.fr}
${utf8_domain_from_alabel:xn--zzzzzzzzz}
${utf8_domain_to_alabel:CAF\xc3\x89.FR}
${utf8_domain_to_alabel:stra\xc3\x9fe.de}
${utf8_domain_to_alabel:a\xe3\x80\x82b}
${utf8_domain_to_alabel:\xe9}
${utf8_localpart_to_alabel:CAF\xc3\x89}
${utf8_localpart_to_alabel:\xe9}
${utf8_localpart_from_alabel:xn--caf-dma}
${utf8_localpart_from_alabel:xn--a}
${utf8_localpart_from_alabel:abc}
$tls_in_bits|$tls_bits|$tls_in_certificate_verified|$sender_host_port|$interface_port|$received_port|$received_time
""")

EXAMPLES = lines(r"""
${expand:}
${expand:a}
${expand:\$primary_hostname}
${expand:\${lc:A\}}
${expand:\$}
${expand:\${nosuch:x\}}
${expand:\\N\$\\N}
${expand:a\}b}
${quote_lsearch:a b}
${quote_sqlite:a'b"c\\d}
${quote_passwd:x}
${quote_cdb:x}
${quote_dnsdb:x}
${quote_mysql:it's}
${quote_pgsql:it's}
${quote_spf:x}
${quote_dsearch:x}
${quote_wildlsearch:x}
${quote_nosuch:x}
${lookup dnsdb{}}
${lookup dnsdb{nosuchtype=x}}
${lookup dnsdb {} {y} {n}}
${listnamed:a_list}
${listnamed_d:a_list}
${listnamed_x:a_list}
${listnamed:a_host}
${listnamed:+a_list}
${listnamed: a_list}
${listcount:${listnamed:a_list}}
${prvs{a@b.c}{key}{x}}
${prvs{a@b.c}{key}{12}}
${prvs{a@b.c}{}}
${prvs{}{key}}
${prvs{a}{key}}
${prvs{a@b.c}}
${prvscheck{a@b.c}{key}}
${prvscheck{prvs=1234abcdef=a@b.c}{key}{[$prvscheck_result]}}
${srs_encode{}{a@b}{c}}
${srs_encode{k}{}{c}}
${srs_encode{k}{a@b}{}}
${srs_encode{k}{a@b}}
${if inbound_srs{x}{k}{y}{n}}
${if inbound_srs{SRS0=x}{k}{y}{n}}
${if inbound_srs{}{}{y}{n}}
${if exists{}{y}{n}}
${if exists{/etc/passwd}{y}{n}}
${if exists{relative}{y}{n}}
${if exists{/etc/passwd:/etc/group}{y}{n}}
${if exists{/etc/passwd/x}{y}{n}}
${stat:/etc/nosuch}
${extract{mode}{${stat:/etc}}}
${extract{smode}{${stat:/etc}}}
${readfile{/etc/nosuch}}
${hash_5:${length_100:abcdefghijklmnopqrstuvwxyz}}
${nhash_10_20:abcdefghijklmnopqrstuvwxyz}
${md5:${md5:a}}
${sha1:}
${hmac{md5}{k}{}}
${hmac{sha1}{}{x}}
${tr{abcdea}{ac}{13}}
${tr{abcdea}{abc}{1}}
${tr{a\nb}{\n}{ }}x
${rxquote:a.b*c[d]e\\f}
${quote:a"b\\c\nd}
${quote:}
${quote:abc_-.}
${quote: }
${quote_local_part:a.b}
${quote_local_part:.a}
${quote_local_part:a.}
${quote_local_part:a..b}
${quote_local_part:}
${quote_local_part:a b}
${quote_local_part:"a b"}
${escape8bit:\x1f\x7f\xff\\}
${hexquote:\xff\n\x7fa\\}
${str2b64:a\nb}
${utf8clean:\xc3\xa9\xff\xe2\x82}
${utf8clean:\xf4\x90\x80\x80}
${utf8clean:\xed\xa0\x80}
${utf8clean:\xc0\x80}
${utf8clean:a\xc3}
${from_utf8:\xc3\xa9}
${from_utf8:\xe2\x82\xac}
${from_utf8:abc}
${time_eval:1w2d3h4m5s}
${time_interval:694861}
${reverse_ip:192.0.2.4}
${reverse_ip:2001:0db8:c42:9:1:abcd:192.0.2.127}
${ipv6norm:2001:0db8:c42:9:1:abcd:192.0.2.127}
${ipv6denorm:2001:db8::1}
${mask:10.111.131.206/28}
${mask:3ffe:ffff:836f:0a00:000a:0800:200a:c031/99}
${mask_n:3ffe:ffff:836f:0a00:000a:0800:200a:c031/99}
${substr_-5_2:1234567}
${substr_-3:abcde}
${substr_3_2:$nosuch}
${sg{abcdefabcdef}{abc}{xyz}}
${sg{abcdef}{^(...)(...)\$}{\$2\$1}}
${sg{Call 123-456}{\N\D+\N}{}}
${reduce {<, 1,2,3} {0}{${eval:$value+$item}}}
${filter{a:b:c}{!eq{$item}{b}}}
${map{<, 1,2}{X$item}}
${sort{3:2:1:4}{<}{$item}}
${extract{Z}{A=... B=...}{$value} fail}
${extract{2}{:}{x:42:99:& Mailer::/bin/bash}}
${extract{-4}{:}{x:42:99:& Mailer::/bin/bash}}
${listextract{2}{x:42:99}}
${listextract{-3}{<, x,42,99,& Mailer,,/bin/bash}{result: $value}}
${if bool_lax{false}{y}{n}}
${if bool{FALSE}{y}{n}}
${if eqi{A\xe9}{a\xe9}{y}{n}}
${if eqi{\xe9}{\xc9}{y}{n}}
${if lt{}{a}{y}{n}}
${if lti{a}{ab}{y}{n}}
${if lti{ab}{a}{y}{n}}
${if gei{ab}{A}{y}{n}}
${if gt{\xff}{a}{y}{n}}
${if gti{\xff}{a}{y}{n}}
${if match{a\nb}{a.b}{y}{n}}
${if match{a\nb}{^b}{y}{n}}
${if match{abc}{\N(?<=a)b\N}{$0}{n}}
${if match{abc}{(?i)B}{$0}}
${if match_domain{x.y}{*.y}{$value|$0|$1}}
${if match_local_part{x.y}{*.y}{$value|$0|$1}}
${if isip4{1.2.3.4}{y}{n}}${if isip6{::}{y}{n}}
${if crypteq{secret}{\{md5\}Xr4ilOzQ4PCOq3aQ0qbuaQ==}{y}{n}}
${if crypteq{test}{\{crypt16\}abIvpJ6aNA8kMZFnpKZUHv9o}{y}{n}}
${if def:acl_m_nosuch{y}{n}}
${if first_delivery{y}{n}}
${if queue_running{y}{n}}
${env{HOMEX}{y}{n}}
${run{/bin/echo -n abc}{$value}}
${run{/bin/false}{y}{n:$runrc}}
${randint:1}
${listquote{,}{a,b}}
${listquote{,}{}}|
${hex2b64:616263}
${base62d:5lC}
${base32d:ab}
${base32:1000}
${base62:1000}
$tod_zone
$primary_hostname
$qualify_domain
$smtp_active_hostname
""")


def put(frames, subjects):
    return [frame.replace("%", subject) for frame in frames for subject in subjects]


CASES = {
    "lists": put(OF_A_LIST, LISTS),
    "addresses": put(OF_AN_ADDRESS, ADDRESSES),
    "numbers": put(OF_A_NUMBER, NUMBERS),
    "conditions": CONDITIONS,
    "items": ITEMS,
    "operators": OPERATORS,
    "examples": EXAMPLES,
    "characters": put(
        [
            "${quote:a%b}",
            "${rxquote:%}",
            "${escape:%}",
            "${address:a%b@c}",
            "${if lti{%}{a}{y}{n}}",
            "${tr{a%b}{%}{X}}",
        ],
        [f"\\x{code:02x}" for code in range(1, 256) if code != 13],  # a CR ends a line for whoever reads Exim's output
    ),
}


@pytest.mark.parametrize("cases", CASES.values(), ids=CASES)
def test_habits(exim, policyd, cases):  # noqa: F811 - the fixture
    strings = list(dict.fromkeys(case for case in cases if not case.endswith((" ", "\\"))))
    theirs = ask(exim, strings)
    assert len(theirs) == len(strings)
    assert [case for case in zip(strings, theirs, map(policyd, strings), strict=True) if case[1] != case[2]] == []
