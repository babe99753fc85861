"""Strings to expand, at random but the same each time: every item, operator and condition, nested, and odd syntax.

What depends on the moment, on files or on the network is left to other tests,
and so is what Exim does by accident (see ``docs/differences-from-exim.md``):
octets of NUL, conditions that fail although nobody asks for their answer, and
numbers beyond 62 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

WORDS = (
    "a", "b", "abc", "ABC", "aBc", "x.y", "foo", "bar baz", "1", "2", "10", "-3", "0", "a@b.c", "A B <a@b.c>", "x:y",
    "a,b", "1.2.3.4", "::1", "k=v", "yes", "no", "\xe9\xe8", "\xc3\xa9", "%", "_", "-", "a  b", "'", '"', "#", "=",
)  # fmt: skip
ESCAPES = ("\\n", "\\t", "\\\\", "\\}", "\\{", "\\$", "\\x41", "\\xe9", "\\101", "\\q", "\\N$x}\\N", "\\N{\\N", "\\377")
NUMBERS = ("0", "1", "2", "3", "7", "10", "-1", "-2", "5", "63", "100", "1k", "2M", "-7")
VARIABLES = ("$primary_hostname", "${qualify_domain}", "$item", "$1", "${2}", "$0", "$acl_m_x", "${acl_c1}")
LISTS = (
    "a:b:c", "", "a", "b:a", ":", "a: :c", "a::b:c", "<, a,b,c", "<; a; b:c;d", " a : b ", "3:1:2", "10:9:8", "<+ a+b",
    "a:A:b:B", "a:b:", "<\\n a\\nb", "x.y:1.2.3.4", "<|a|b", "\xe9:\xe8", "1.2.3.4:5.6.7.8", "a@b.c:d@e", "aa:ab:ba",
)  # fmt: skip
SORTED = ("b:a:c", "a", "", "<, c,B,a,A", "x1:x0:X1", "10:9", "\xe9:e", "a::b:a", "ab:aa:b")
SEPARATORS = (":", ",", ";", " ", ":,", "", "-", "a")
PATTERNS = (
    "a",
    "b",
    "^a",
    "c$",
    "(a)(b)?",
    ".",
    "[[:alpha:]]+",
    "\\N^(.)(.)\\N",
    "\\N\\d+\\N",
    "(?i)ABC",
    "x*",
    "(",
    "\\Nb|c$\\N",
    "^$",
)
REPLACEMENTS = ("x", "", "\\$1", "[\\$0]", "\\$\\{uc:\\$0\\}", "\\\\n")
ADDRESSES = (
    "a@b.c", "A B <a@b.c>", "<a@b>", '"a b"@c.d', "a@b, c@d", "foo", "", "(c) a@b (d)", "a b@c", "a@[1.2.3.4]", "@r:a@b",
    "g: a@b, c@d;", "a.b@c", '"x" <y@z>', "A. B <a@b>", "a@b.", "<>", "a@b c@d", "x <y", "a(b)@c", '"a', "a\\\\,b@c",
    "a@-b", "a@b_c", ".a@b", "a@b\xe9", "\xe9@b", "a, b <c@d>, (x,y) e@f", "a@@b", "<@x,@y:c@d>", "g:;",
)  # fmt: skip
IPS = ("1.2.3.4", "::1", "2001:db8::1", "1.2.3.4/24", "2001:db8::1/32", "x", "", "1.2.3", "256.1.1.1", "::ffff:1.2.3.4",
       "1:2:3:4:5:6:7:8", "fe80::1/10", "1.2.3.4/33", "0.0.0.0/0", "1:0:0:2::3/64", "::1.2.3.4", "10.0.0.1/", "a::b", "[::1]")  # fmt: skip
JSON = ('[1,2,3]', '["a","b"]', '[]', '\\{"a":1,"b":"x"\\}', '\\{"a" : [1,2] , "b":\\{"c":2\\}\\}', 'x', '[ "a" , \\{"b":1\\}]',
        '\\{"a":"x\\\\"y"\\}', '["a', '\\{"a"\\}', '[1,,2]', '\\{a:1\\}')  # fmt: skip
FIELDS = (
    "a=1 b=2",
    'a="x y" b=z',
    "A=1",
    "a = 1 b= 2",
    "",
    "a",
    "a=",
    'a="x',
    "b=1 a=2 a=3",
    'a="\\\\x41\\\\"b"',
    "x:y:z",
    "a,b;c",
)
ENCODED = (
    "=?utf-8?q?a=c3=a9?=",
    "=?iso-8859-1?q?=e9?= =?utf-8?b?YQ==?=",
    "=?utf-8?q?a?b?=",
    "=?utf-8?q?=e9?=",
    "a =?us-ascii?q?b_c?=",
    "=?x",
    "=?utf-8?b?!!?=",
)
BASE64 = ("YWJj", "YQ==", "YWI=", "YQ", "!!", "", "YW Jj", "a===", "////")
HEX = ("616263", "6", "zz", "", "FF", "0aB1")
TIMES = ("1h", "1d2h", "90s", "1w", "1", "", "1h1h", "x", "2m30s", "1.5s", "10S")
ARITHMETIC = ("1+1", "2*3", "7/2", "7%3", "(1+2)*3", "-1", "~0", "1<<4", "255>>2", "6&3", "6|1", "6^2", "1/0", "0x1f", "010", "08", "1k", "",
              "1+", "(1", "1 + 2 * 3", "--2", "1kk", "a", "10-2-3", "-7/2", "-7%3", "100/10/5", "1|2^3&4<<1+1", "3%0")  # fmt: skip
TRUTHS = ("", "0", "1", "yes", "no", "true", "FALSE", " true ", "00", "-1", "10", "Yes")
ODD = (
    "$", "${", "${lc:", "${lc:A", "${nosuch:x}", "${nosuch}", "$nosuch", "${if}", "${if eq{a}{b}", "${if eq{a}}", "${if nosuch{a}{b}}",
    "${if !eq{a}{b}{y}}", "${if ! ! eq {a} {a} {y}}", "${if eq{a}{a}{y} fail}", "${if eq{a}{b}{y} fail}", "${if eq{a}{b}{y}fail }",
    "${if eq{a}{b}{y} foo}", "${if eq{a}{a}{y}{n}{z}}", "${if eq{a}{a} fail}", "${if and{}{y}{n}}", "${if or{}{y}{n}}", "\\", "${1", "${1x}",
    "${1}", "$1a", *("${base64d:%s}" % text for text in BASE64),
    *("${length{%s}{abc}}" % text for text in ("x", "-1", "1 ")), *("${substr{%s}{abcd}}" % text for text in ("x", "1 ", "1{-1}")),
    "${hash{x}{abc}}", "${hash{3}{63}{abcd}}", "${nhash{x}{abc}}", "${sg{a}{(}{x}}", "${sg{a}{a}{\\$}}", "${sg{a}{b}{\\$}}",
    "${sg{a}{a}{\\${bad}}", "${sort{b:a}{eq}{$item}}", "${sort{b:a}{x}{$item}}", "${sort{b:a}{ lt}{$item}}", "${sort{b:a}{lt x}{$item}}",
    "${hmac{x}{a}{b}}", "${if match{a}{(}{y}{n}}", "${length_x:abc}", "${listextract{x}{a}}", "${listextract{}{a}}",
    *("${if bool{%s}{y}{n}}" % text for text in ("x", "1.5", "+1", "0x1", "1k", "- 1")), "${if bool_lax{%s}{y}{n}}" % "1k",
    *("${prvscheck{%s}{key}{[$prvscheck_result]}}" % text for text in ("a@b", "prvs=0123abcdef=a@b", "x", "prvs=0123abcdef=a")), "${if eq{a}{b}{$nosuch}{y}}", "${if eq{a}{b}{${lookup}}{y}}", "${substr{1}}", "${substr{1}{2}{3}{4}}", "${sg{a}{b}}",
    "${map{a}}", "${filter{a:b}{eq{$item}}}", "${reduce{a}{b}}", "${sort{a}{b}}", "${extract{a}}", "${extract}", "${length_x:abc}",
    "${substr_1_2_3:abc}", "${tr{a}{b}}", "${hash_3}", "${if def:nosuch{y}{n}}", *("${ipv6norm:%s}" % text for text in IPS if text != "::1"), "${if def {y}}",
    "${if def:{y}}", "${if =={1}{1}{y}{n}}", "${if <>{1}{2}{y}{n}}", "${if =>{1}{2}{y}{n}}", "}", "a}b", "{", "${lc:{a}", "${lc:{a\\}}",
    "${lc:\\}}", "${ lc:A}", "${lc :A}", "${lc:A }", "${}", "${:}", "${-}", "${lc}", "${h_x}", "$h_x: y", "$h_x", "${if def:h_x:{y}{n}}",
    "${lookup{x}nosuch{/y}}", "${lookup{x}{/y}}", "${lookup lsearch{/y}}", "${if eq{a}{a}{${if eq{b}{b}{x}{y}}}{z}}",
    "${if and{{eq{a}{a}}{eq{b}{b}}}{y}{n}}", "${if and{{eq{a}{b}}{eq{$1}{b}}}{y}{n}}", "${if or{{eq{a}{a}}{>{x}{1}}}{y}{n}}",
    "${if and{eq{a}{a}}{y}}", "${if and{{eq{a}{a}} }{y}}", "${if { eq{a}{a} }{y}}", "${if eq {a}\\n{a}\\n{y}}", "${lc:${uc:${lc:X}}}",
    "${if match{abc}{(b)}{$1}}$1", "${if match{abc}{(b)}{${if match{x}{(y)}{z}{$1}}}}", "${if !match{abc}{(b)}{y}{[$1]}}",
    "${map{a:b}{$item}}[$item]", "${reduce{a:b}{}{$value$item}}",
    "${if bool{}{y}{n}}", "${if bool{x}{y}{n}}", "${if bool_lax{x}{y}{n}}", "${if exists{/}{y}{n}}", "${if first_delivery{y}{n}}",
    "${if eq{a}{a}{}}", "${if eq{a}{a}{}{}}", "${if eq{a}{b}}", "${if eq{a}{a}}", "\\N$\\N", "\\N", "\\Nabc", "a\\Nb\\N\\Nc\\N",
)  # fmt: skip

Choice = Callable[["Expressions", int], str]


class Expressions:
    """A source of strings. Two with the same seed give the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def __iter__(self) -> Iterator[str]:
        while True:
            text = self.string(4)
            if not text.endswith(("\\", " ")):  # there a line goes on, or is cut, for Exim
                yield text

    # -- texts

    def string(self, depth: int) -> str:
        """A whole string: sometimes odd, mostly an expansion with something around it."""
        if self.random.random() < 0.08:
            return self.broken(depth)
        return self.choice(["", "", "x", "[", "a "]) + self.expansion(depth) + self.choice(["", "", "]", " z", "$1"])

    def broken(self, depth: int) -> str:
        """An odd string, or a good one that a character was taken from, put into, or doubled in."""
        if self.random.random() < 0.4:
            return self.choice(ODD)
        text = self.expansion(min(depth, 2))
        at = self.random.randrange(len(text) + 1)
        return self.choice([text[:at] + text[at + 1 :], text[:at] + self.choice("{}$:\\!_ ,") + text[at:], text[:at]])

    def text(self, depth: int) -> str:
        """What may stand in an argument."""
        if depth <= 0 or self.random.random() < 0.35:
            return self.choice(WORDS) if self.random.random() < 0.8 else self.choice(ESCAPES)
        kind = self.random.random()
        if kind < 0.15:
            return self.choice(VARIABLES)
        if kind < 0.3:
            return self.text(0) + self.text(depth - 1)
        return self.expansion(depth - 1)

    def expansion(self, depth: int) -> str:
        """An item, an operator or a conditional."""
        return self.choice([self.item, self.item, self.operator, self.operator, self.conditional])(depth)

    def choice(self, options):
        """One of them."""
        return self.random.choice(options)

    def tail(self, depth: int, found: str = "$value") -> str:
        """``{yes}{no}`` and its variants. *found*: what *yes* may speak of."""
        return self.choice(["", "{%s}" % self.text(depth), "{%s}{%s}" % (self.text(depth), self.text(depth)), "{y}{n}",
                            "{[%s]}{no}" % found, "{%s} fail" % self.text(depth), "{$1}{$2}", " {y} {n} "])  # fmt: skip

    # -- the vocabulary

    def item(self, depth: int) -> str:
        return "${" + self.choice(ITEMS)(self, depth - 1) + "}"

    def operator(self, depth: int) -> str:
        name, subjects = self.choice(OPERATORS)
        subject = self.choice(subjects) if subjects and self.random.random() < 0.7 else self.text(depth - 1)
        return "${" + name + ":" + subject + "}"

    def conditional(self, depth: int) -> str:
        if self.random.random() < 0.1:
            return "${if inlist{%s}{%s}{[$value]}{no}}" % (self.choice(("a", "b", "A")), self.choice(LISTS))
        return "${if " + self.test(depth - 1) + self.tail(depth - 1, "$1") + "}"

    def test(self, depth: int) -> str:
        """A condition."""
        bang = self.choice(["", "", "", "!", "! "])
        if depth > 0 and self.random.random() < 0.25:
            tests = "".join("{%s}" % self.test(depth - 1) for _ in range(self.random.randrange(4)))
            return f"{bang}{self.choice(['and', 'or', 'and ', 'or '])}{{{tests}}}"
        return bang + self.choice(TESTS)(self, depth)

    def about_item(self) -> str:
        """A condition about ``$item`` that cannot fail, and captures nothing."""
        return self.choice(["eq{$item}{a}", "eqi{$item}{A}", "ge{$item}{a}", "lt{$item}{b}", "!eq{$item}{b}",
                            "and{{gt{$item}{a}}{lt{$item}{x}}}", "isip4{$item}", "def:item"])  # fmt: skip

    def of_item(self, depth: int) -> str:
        """Text made of ``$item``."""
        return self.choice(["$item", "x$item", "$item$item", "${uc:$item}", "", "[$item]", "$item:", "${length_1:$item}",
                            "${if eq{$item}{a}{1}{$item}}"]) if self.random.random() < 0.8 else self.text(depth)  # fmt: skip


def _braces(*options) -> Choice:
    """Arguments in braces: each one of a table, or any text."""

    def build(source: Expressions, depth: int) -> str:
        arguments = [source.text(depth) if option is ANY else source.choice(option) for option in options]
        return "".join("{%s}" % argument for argument in arguments)

    return build


def _item(name: str, *options, tail: bool = False) -> Choice:
    arguments = _braces(*options)
    return lambda source, depth: name + arguments(source, depth) + (source.tail(depth) if tail else "")


ANY = None
ITEMS: tuple[Choice, ...] = (
    _item("extract", ("a", "b", "A", " a ", "", "x"), FIELDS, tail=True),
    _item("extract", ("1", "2", " -1 ", "-"), FIELDS, ("a", "x=y", "12")),
    _item("extract", ("1", "2", "-1", "0", "5", "-5", "3"), SEPARATORS, FIELDS, tail=True),
    _item("extract json", ("a", "b", "1", "2", "9", "0"), JSON, tail=True),
    _item("extract jsons", ("a", "b", "1", "2"), JSON, tail=True),
    lambda source, depth: "filter{%s}{%s}" % (source.choice(LISTS), source.choice([source.about_item(), "match{$item}{^(.)}"])),
    lambda source, depth: "map{%s}{%s}" % (source.choice(LISTS), source.of_item(depth)),
    lambda source, depth: "reduce{%s}{%s}{%s}" % (source.choice(LISTS), source.text(0), source.choice(["$value$item", "$item", "${strlen:$value$item}", "$value,$item"])),
    lambda source, depth: "sort{%s}{%s}{%s}" % (source.choice(SORTED), source.choice(["lt", "le", "gt", "ge", "lti", "lei", "gti", "gei"]), source.choice(["$item", "${uc:$item}", "${length_1:$item}", "x", "x$item"])),
    lambda source, depth: "sort{%s}{%s}{%s}" % (source.choice(["3:1:2", "10:9:8", "1", "", "5:05:4"]), source.choice(["<", "<=", ">", ">="]), "$item"),
    _item("hash", ("3", "5", "1"), ANY),
    _item("hash", ("3", "5", "2"), ("5", "26", "62"), ANY),
    lambda source, depth: "nhash{%s}{%s}" % (source.choice(("3", "50", "100")), source.text(depth)),
    lambda source, depth: "nhash{%s}{%s}{%s}" % (source.choice(("3", "50")), source.choice(("7", "2")), source.text(depth)),
    _item("hmac", ("md5", "sha1"), ANY, ANY),
    _item("length", ("0", "1", "2", "100", "", " 1"), ANY),
    _item("substr", ("0", "1", "2", "-1", "-2", "100", "-100", "+1"), ANY),
    _item("substr", ("0", "1", "2", "-1", "-2", "-100"), ("0", "1", "2", "100"), ANY),
    _item("listextract", ("1", "2", "0", "-1", "-2", "5", " 1 "), LISTS, tail=True),
    _item("listquote", (":", ",", "", "a"), ANY),
    _item("sg", ANY, PATTERNS, REPLACEMENTS),
    _item("tr", ANY, ("abc", "a", "", "aA", "\\n:"), ("xyz", "x", "", ":", "\\n")),
    _item("env", ("HOME", "NOSUCH"), tail=True),
)  # fmt: skip
OPERATORS: tuple[tuple[str, tuple[str, ...]], ...] = (
    *((name, ()) for name in ("lc", "uc", "strlen", "escape", "escape8bit", "hexquote", "str2b64", "base64", "md5", "sha1", "sha256",
      "sha2", "sha2_512", "sha3", "sha3_384", "sha2_1", "quote", "quote_local_part", "rxquote", "rfc2047", "utf8clean", "length_2", "l_1",
      "substr_1_2", "substr_-2", "s_-3_1", "s_1", "hash_3", "hash_3_10", "h_2", "nhash_100", "nh_10_7")),
    *((name, ADDRESSES) for name in ("address", "address", "domain", "local_part", "addresses")),
    *((name, tuple(f">{separator} {text}" for text in ADDRESSES for separator in ",;+")) for name in ("addresses",)),
    *((name, IPS) for name in ("mask", "mask_n", "reverse_ip", "ipv6denorm")),
    *((name, LISTS) for name in ("listcount",)),
    *((name, HEX) for name in ("hex2b64",)),
    *((name, TIMES) for name in ("time_eval",)),
    *((name, NUMBERS[:-3]) for name in ("base62", "base32", "time_interval")),
    *((name, ("abc", "Z9", "", "h7", "!")) for name in ("base62d", "base32d")),
    *((name, ARITHMETIC) for name in ("eval", "eval", "eval10")),
    *((name, ENCODED) for name in ("rfc2047d",)),
    *((name, ("\\$\\{lc:A\\}", "x", "\\$primary_hostname", "\\$", "\\$\\{bad", "\\\\n")) for name in ("expand",)),
    ("listnamed", ("a_list", "a_host", "nosuch", "+a_list")), ("listnamed_d", ("a_list", "a_host")), ("listnamed_h", ("a_host",)),
)  # fmt: skip
TESTS: tuple[Choice, ...] = (
    *(_item(name, NUMBERS, NUMBERS) for name in ("=", "==", "<", "<=", ">", ">=")),
    *(_item(name, ANY, ANY) for name in ("eq", "eqi", "lt", "lti", "le", "lei", "gt", "gti", "ge", "gei")),
    *(_item(name, ("a", "abc", "aBc", "x"), ("a", "abc", "ABC", "b")) for name in ("eq", "eqi", "lt", "ge")),
    *(_item(name, TRUTHS) for name in ("bool", "bool_lax")),
    *(_item(name, IPS) for name in ("isip", "isip4", "isip6")),
    *(_item(name, ("a", "b", "A", "a:b", ""), LISTS) for name in ("inlist", "inlisti")),
    *((lambda source, depth, name=name: "%s{%s}{%s}" % (name, source.choice(LISTS), source.about_item())) for name in ("forany", "forall")),
    lambda source, depth: "forany_json{%s}{%s}" % (source.choice(("[1,2]", '["a","b"]', "[]")), source.about_item()),
    lambda source, depth: "forall_jsons{%s}{%s}" % (source.choice(('["a","b"]', '["a"]', "[]")), source.about_item()),
    lambda source, depth: "def:" + source.choice(("item", "primary_hostname", "acl_m_x", "nosuch", "h_subject:")),
    _item("match", ANY, PATTERNS), _item("match", ("abc", "aXb", "a\\nb"), PATTERNS),
    _item("match_domain", ("a.b", "A.B", "x.a.b", ""), ("a.b", "*.b", "*", "!a.b", "^a", "x:a.b", "+a_list", "^(.).\\N$\\N", "")),
    _item("match_local_part", ("abc", "ABC", ""), ("abc", "*c", "^a", "+caseful : abc", "!abc", "")),
    _item("match_ip", ("1.2.3.4", "::1", "", "x"), ("1.2.3.4", "1.2.3.0/24", "<; ::1", "*", "!1.2.3.4", "0.0.0.0/0", "")),
    _item("crypteq", ("abc", ""), ("\\{md5\\}900150983cd24fb0d6963f7d28e17f72", "\\{sha1\\}qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", "abFZSxKKdq5s6", "x")),
    _item("inbound_srs", ("SRS0=aaaa=bb=dom=user", "x", "SRS0=a=b=c"), ("",)),
    lambda source, depth: source.choice(["first_delivery", "queue_running"]),
    lambda source, depth: "exists{%s}" % source.choice(("/", "/nosuch", "/etc/passwd")),
)  # fmt: skip
