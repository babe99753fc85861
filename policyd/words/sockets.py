"""``readsocket``: a question to another program, through a socket."""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from policyd.durations import DURATION, seconds
from policyd.errors import ExpansionError
from policyd.language.closures import Text
from policyd.language.cutting import cut
from policyd.language.limits import MAX_TEXT
from policyd.language.marks import ADDRESS, keeps_out
from policyd.language.registry import item
from policyd.mail.octets import lower
from policyd.resolver import DnsTemporary
from policyd.transaction import Transaction
from policyd.words.programs import allowed

DEFAULT_SECONDS = 5.0
INTERNET = re.compile(r"inet:(?:\[([^\]]*)\]|([^:]*)):([0-9]{1,5})")
SWITCHES = {"yes": True, "true": True, "no": False, "false": False}
CHUNK = 65536
MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Options:
    """How to ask. *shutdown*: tell the other side that nothing more comes; *name*: of the server, for TLS."""

    seconds: float = DEFAULT_SECONDS
    shutdown: bool = True
    tls: bool = False
    name: str = ""


@keeps_out(ADDRESS, 0)
@item(
    "readsocket",
    arguments=(2, 5),
    shape=("text", "text", "text", "text", "lazy"),
    enabled_by="allow_readsocket",
)
def _readsocket(tx: Transaction, name: str, request: str, options: str = "", *rest: Any) -> str:
    """``${readsocket{socket}{request}{options}{line end}{failure}}``: what the program at the socket answers.

    The socket is the absolute path of a Unix socket, or ``inet:HOST:PORT``. The
    options are a list: a time to wait (``5s``), and perhaps ``shutdown=no``,
    ``tls=yes`` and ``sni=NAME``. Every newline of the answer becomes *line end*.
    When something goes wrong, *failure* is the result, if there is one. The main
    option ``allow_readsocket`` has to be set.
    """
    allowed(tx.settings.allow_readsocket, "readsocket", "allow_readsocket")
    try:
        answer = _answer(tx, name, request.encode("latin-1"), _options(options))
    except (OSError, ValueError) as error:
        if len(rest) < 2:
            raise ExpansionError(f"failed to ask socket {name}: {error}") from None
        failure: Text = rest[1]
        return failure(tx)
    return answer.replace("\n", rest[0]) if rest else answer


def _options(text: str) -> Options:
    """Raises ValueError for what is none of them."""
    values: dict[str, object] = {}
    for number, (_, option) in enumerate(cut(text)):
        name, equals, value = option.partition("=")
        if number == 0 and not equals and DURATION.fullmatch(option):
            values["seconds"] = float(seconds(option))
        elif name in ("shutdown", "tls") and lower(value) in SWITCHES:
            values[name] = SWITCHES[lower(value)]
        elif name == "sni" and value:
            values["name"] = value
        elif name != "cache" and option:
            raise ValueError(f'bad option "{option}"')
    return Options(**values)  # type: ignore[arg-type]  # each has the type of its field


def _answer(tx: Transaction, name: str, request: bytes, options: Options) -> str:
    """Raises OSError and ValueError."""
    until = min(time.monotonic() + options.seconds, tx.deadline)
    with _connected(tx, name, until, options) as link:
        link.sendall(request)
        if options.shutdown and not options.tls:
            link.shutdown(socket.SHUT_WR)
        parts: list[bytes] = []
        size = 0
        while size <= MAX_TEXT:
            link.settimeout(_rest(until))
            parts.append(link.recv(CHUNK))
            size += len(parts[-1])
            if not parts[-1]:
                return b"".join(parts).decode("latin-1")
    raise ValueError(f"the answer is longer than {MAX_TEXT} octets")


def _rest(until: float) -> float:
    rest = until - time.monotonic()
    if rest <= 0:
        raise TimeoutError("timed out")
    return rest


def _connected(tx: Transaction, name: str, until: float, options: Options) -> socket.socket:
    found = INTERNET.fullmatch(name)
    if found is None and not name.startswith("/"):
        raise ValueError("the name of a socket is an absolute path or inet:HOST:PORT")
    if found is None:
        link = socket.socket(socket.AF_UNIX)
        target: str | tuple[str, int] = name
    else:
        if int(found[3]) > MAX_PORT:
            raise ValueError(f"there is no port {found[3]}")
        host = _address(tx, found[1] or found[2])
        link = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        target = (host, int(found[3]))
    try:
        link.settimeout(_rest(until))
        link.connect(target)
        if options.tls:
            import ssl  # hardly any policy needs it

            wanted = options.name or (found[1] or found[2] if found else "")
            return ssl.create_default_context().wrap_socket(link, server_hostname=wanted)
    except BaseException:
        link.close()
        raise
    return link


def _address(tx: Transaction, host: str) -> str:
    """The first address of *host*. Raises OSError."""
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        records = [*tx.resolver.lookup("A", host).records, *tx.resolver.lookup("AAAA", host).records]
    except DnsTemporary as error:
        raise OSError(f"DNS: {error}") from None
    if not records:
        raise OSError(f"failed to find IP address for {host}")
    return str(records[0])
