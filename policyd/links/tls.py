"""TLS over a socket that knows how long it has."""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path

from policyd.links.sockets import Bounded


class Secured(Bounded, ssl.SSLSocket):
    """A `Bounded` socket with TLS."""


@lru_cache
def context(authorities: str, certificate: str) -> ssl.SSLContext:
    """How servers are known, and how they know us. Raises OSError.

    *authorities*: a file of certificates; empty: the system's. *certificate*: a
    file with ours and its key; empty: none.
    """
    for file in filter(None, (authorities, certificate)):
        Path(file).open("rb").close()  # ssl does not say which file it cannot open
    made = ssl.create_default_context(cafile=authorities or None)
    if certificate:
        made.load_cert_chain(certificate)
    made.sslsocket_class = Secured
    return made


def secured(plain: Bounded, name: str, using: ssl.SSLContext) -> Secured:
    """*plain* with TLS, once the server has proved that it is *name*. Raises OSError; *plain* is then closed."""
    made = using.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False)
    assert isinstance(made, Secured)
    try:
        made.deadline = plain.deadline
        made.hurry()
        made.do_handshake()
    except BaseException:
        made.close()
        raise
    return made
