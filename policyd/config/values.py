"""The values of main options, by type. Each parser raises `PolicyError` at the octet that is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from ipaddress import ip_address
from typing import Any

from policyd.config.exim_options import SELECTORS
from policyd.config.splice import joined, stand_in
from policyd.durations import exact_seconds
from policyd.errors import PolicyError, Severity
from policyd.language.cutting import cut
from policyd.language.escapes import unescape
from policyd.language.source import Source
from policyd.links.places import SHAPES, place
from policyd.settings import Kind

PART = re.compile(r'"|\\(?:[0-7]{1,3}|x[0-9A-Fa-f]{0,2}|.|\Z)|[^"\\]+', re.DOTALL)
TRUTH = {"true": True, "yes": True, "false": False, "no": False}
NUMBER = re.compile(r"([+-]?)(0[xX][0-9A-Fa-f]{1,16}|0[0-7]{0,21}|[1-9][0-9]{0,18})([KMGkmg]?)")
POWERS = {"": 0, "k": 1, "m": 2, "g": 3}  # of 1024
FIXED = re.compile(r"\+?[0-9]{1,9}(\.[0-9]*)?")
SOCKET = re.compile(r"(?:inet6?:[0-9]{1,5}(?:@\S+)?|(?:unix|local):/\S*)")
ENDPOINT = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}|")
KEY_SIZE = re.compile(r"(rsa|ed25519)=([0-9]{1,5})")
KEY_SIZES = re.compile(rf"(?:[ \t]*{KEY_SIZE.pattern})+[ \t]*")
LARGEST = 2**63 - 1
SELECTOR = re.compile(r"[ \t\n]*([+-])([a-z0-9_]+)")
SELECTOR_SHAPE = "such as +proxy"


def dequoted(value: Source) -> Source:
    """A string option's value: as it stands, or what ``"…"`` means, each character with its origin."""
    if not value.text.startswith('"'):
        return value
    parts: list[Source] = []
    for part in PART.finditer(value.text, 1):
        if part[0] == '"':
            break
        literal = not part[0].startswith("\\")
        piece = value.cut(part.start(), part.end())
        parts.append(piece if literal else stand_in(unescape(part[0]), piece.where()))
    else:
        raise value.error(0, "this quote is never closed", 'a quoted string ends with "')
    if part.end() < len(value.text):
        raise value.error(part.end(), "text after the closing quote", "quote the whole value, or nothing of it")
    return joined([*parts, value.cut(part.start(), part.start())])


def boolean(value: Source) -> bool:
    """``true``, ``false``, ``yes`` or ``no``; nothing is true, as in Exim."""
    if not value.text:
        return True
    truth = TRUTH.get(value.text.lower())
    if truth is None:
        raise value.error(0, f'"{value.text}" is neither true nor false', "expected true, false, yes or no")
    return truth


def integer(value: Source) -> int:
    """Decimal, ``0x`` hexadecimal or leading-0 octal, with K, M or G for powers of 1024."""
    found = NUMBER.fullmatch(value.text)
    if found is None:
        raise value.error(0, f'"{value.text}" is not an integer', "digits, and perhaps K, M or G: 500, 0x1f, 10K")
    sign, digits, suffix = found.groups()
    base = 16 if digits[:2].lower() == "0x" else 8 if digits.startswith("0") else 10
    number: int = int(sign + digits, base) * 1024 ** POWERS[suffix.lower()]
    if abs(number) > LARGEST:
        raise value.error(0, f"{value.text} is too large")
    return number


def fixed(value: Source) -> float:
    """Decimal, with up to three decimals that count."""
    if not FIXED.fullmatch(value.text):
        raise value.error(0, f'"{value.text}" is not a number', "digits, with or without decimals: 1.5")
    whole, _, decimals = value.text.partition(".")
    return float(f"{whole}.{decimals[:3] or 0}")


def seconds(value: Source) -> float:
    """A time such as ``1d2h`` or ``1.5s``, in seconds. Each number needs its unit."""
    try:
        return exact_seconds(value.text)
    except ValueError:
        raise value.error(
            0, f'"{value.text}" is not a time', "numbers, each with its unit w, d, h, m or s, and no blanks: 1h30m"
        ) from None


def mode(value: Source) -> int:
    """Permissions, in octal with or without a leading 0."""
    if not re.fullmatch(r"[0-7]{1,5}", value.text):
        raise value.error(0, f'"{value.text}" is not an octal mode', "expected octal digits: 0660")
    return int(value.text, 8)


def string(value: Source) -> str:
    """Text."""
    return dequoted(value).text


def path(value: Source) -> str:
    """The absolute name of a file or directory."""
    text = string(value)
    if not text.startswith("/"):
        raise value.error(0, f'"{text}" is not an absolute path', "it must begin with /")
    return text


def _shaped(pattern: re.Pattern[str], what: str, expected: str) -> Callable[[Source], str]:
    def parse(value: Source) -> str:
        text = string(value)
        if not pattern.fullmatch(text):
            raise value.error(0, f'"{text}" is not {what}', expected)
        return text

    return parse


def addresses(value: Source) -> tuple[str, ...]:
    """A list of IP addresses; ``<;`` or doubled colons for IPv6."""
    source = dequoted(value)
    found: list[str] = []
    for at, item in cut(source.text):
        try:
            found.append(str(ip_address(item)))
        except ValueError:
            raise _no_address(source, at, item) from None
    return tuple(found)


def _servers(fields: int, shape: str) -> Callable[[Source], tuple[str, ...]]:
    """A list of servers, each with *fields* after its host."""

    def parse(value: Source) -> tuple[str, ...]:
        source = dequoted(value)
        found = list(cut(source.text))
        for at, item in found:
            if item.count("/") < fields:
                raise source.error(at, "incomplete server data", f"{shape}; a colon of its own is doubled: HOST::PORT")
        return tuple(item for _, item in found)

    return parse


def _listed(pattern: str, what: str) -> Callable[[Source], tuple[str, ...]]:
    """A list whose items have a certain shape."""

    def parse(value: Source) -> tuple[str, ...]:
        source = dequoted(value)
        found = list(cut(source.text))
        for at, item in found:
            if not re.fullmatch(pattern, item):
                raise source.error(at, f'"{item}" is not {what}')
        return tuple(item for _, item in found)

    return parse


def key_sizes(value: Source) -> tuple[tuple[str, int], ...]:
    """``rsa=1024 ed25519=250``: blanks between them."""
    found = KEY_SIZES.fullmatch(string(value))
    if found is None:
        raise value.error(0, "not a list of key sizes", "such as rsa=1024 ed25519=250")
    return tuple((name, int(bits)) for name, bits in KEY_SIZE.findall(found[0]))


def _no_address(source: Source, at: int, item: str) -> PolicyError:
    expected = "a list with IPv6 addresses begins with another separator: <; ::1 ; 2001:db8::53"
    return source.error(at, f'"{item}" is not an IP address', "" if source.text.startswith("<") else expected)


def severity(value: Source) -> Severity:
    """``error`` or ``warn``."""
    text = string(value)
    if text not in ("error", "warn"):
        raise value.error(0, f'"{text}" is not how serious it is', "error or warn")
    return Severity.ERROR if text == "error" else Severity.WARNING


def store(value: Source) -> str:
    """The URL of a Redis, or nothing."""
    text = string(value)
    try:
        if text:
            place(text)
            import_module("policyd.links.redis")
    except ValueError as error:
        raise value.error(0, str(error), SHAPES) from None
    except ImportError as error:
        message = f"a Redis needs a Python package that cannot be imported: {error}"
        raise value.error(0, message, 'pip install "policyd[redis]"') from None
    return text


def log_selector(value: Source) -> frozenset[str]:
    """The names that are switched on in the end by ``+all -pid``."""
    source = dequoted(value)
    chosen: set[str] = set()
    end = 0
    for found in SELECTOR.finditer(source.text):
        sign, name = found.groups()
        if found.start() != end or name not in SELECTORS | {"all"}:
            raise source.error(found.start(), f'unknown log_selector setting: "{found[0].strip()}"', SELECTOR_SHAPE)
        names = SELECTORS if name == "all" else {name}
        chosen = chosen | names if sign == "+" else chosen - names
        end = found.end()
    if source.text[end:].strip():
        raise source.error(end, f'malformed log_selector setting: "{source.text[end:].strip()}"', SELECTOR_SHAPE)
    return frozenset(chosen)


PARSERS: dict[Kind, Callable[[Source], Any]] = {
    Kind.BOOLEAN: boolean,
    Kind.INTEGER: integer,
    Kind.FIXED: fixed,
    Kind.TIME: seconds,
    Kind.MODE: mode,
    Kind.STRING: string,
    Kind.PATH: path,
    Kind.SOCKET: _shaped(SOCKET, "a socket", "expected inet:PORT@HOST, inet6:PORT@HOST or unix:/PATH"),
    Kind.ENDPOINT: _shaped(ENDPOINT, "a place to listen", "expected HOST:PORT or [IPV6]:PORT, or nothing"),
    Kind.ADDRESSES: addresses,
    Kind.SQL_SERVERS: _servers(3, "HOST/DATABASE/USER/PASSWORD"),
    Kind.REDIS_SERVERS: _servers(2, "HOST/NUMBER/PASSWORD, where number and password may be empty"),
    Kind.DISCOVERY: _shaped(re.compile("rfc9989|rfc7489|psl"), "a way to discover policies", Kind.DISCOVERY.value),
    Kind.SEVERAL_AUTHORS: _shaped(
        re.compile("strictest|permerror|exim"), "a way to decide among authors", Kind.SEVERAL_AUTHORS.value
    ),
    Kind.SEVERITY: severity,
    Kind.HASHES: _listed("sha1|sha256", "sha256 or sha1"),
    Kind.KEY_TYPES: _listed("rsa|ed25519", "rsa or ed25519"),
    Kind.KEY_SIZES: key_sizes,
    Kind.EXPANDED: dequoted,
    Kind.DOMAINS: dequoted,
    Kind.HOSTS: dequoted,
    Kind.TELLING: _shaped(re.compile("none|xclient|proxy"), "a way to tell an MTA", Kind.TELLING.value),
    Kind.LOG_SELECTOR: log_selector,
    Kind.LOG_FORMAT: _shaped(re.compile("policyd|exim|json"), "a format of the log", Kind.LOG_FORMAT.value),
    Kind.STORE: store,
    Kind.STORE_ERROR: _shaped(re.compile("local|defer|accept"), "what to do without a store", Kind.STORE_ERROR.value),
    Kind.ACL: dequoted,
}
