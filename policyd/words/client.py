"""The SMTP client: conditions and variables about its address, name, TLS and authentication."""

from __future__ import annotations

from policyd.errors import Defer
from policyd.language.lists import listed
from policyd.language.marks import client_controlled
from policyd.language.registry import condition, variable, verification
from policyd.language.scanning import Matcher, found
from policyd.policy import ANY, Phase
from policyd.transaction import Transaction, full_host

AFTER_HELO = ANY & ~(Phase.CONNECT | Phase.HELO)
AFTER_CONNECT = ANY & ~Phase.CONNECT
CIPHER = "{tls_version} {cipher} {cipher_bits}"
CERTIFICATE = "{verify} {cert_subject}"
UNKNOWN_PORT = -1


@condition("hosts", argument=listed("host"), judges=("sender_host_address",))
def _hosts(tx: Transaction, matches: Matcher) -> bool:
    """Whether the client is in a host list; ``$host_data`` is what the list left behind."""
    try:
        value, left = found(tx, matches, tx.connection.client.address)
    except Defer:
        tx.frame.log_message = None  # as in Exim: what an ACL before it has said is no reason
        raise
    if left is not None:
        tx.connection.facts["host_data"] = left
    return value is not None


@condition(
    "authenticated",
    argument=listed("string"),
    phases=AFTER_HELO,
    judges=("sender_host_authenticated", "authenticated_id"),
)
def _authenticated(tx: Transaction, matches: Matcher) -> bool:
    """Whether the client has authenticated, by a mechanism in the list."""
    mechanism = _macro(tx, "auth_type")
    return bool(mechanism) and matches(tx, mechanism) is not None


@condition("encrypted", argument=listed("string"), phases=AFTER_CONNECT, needs=CIPHER, judges=("tls_in_cipher",))
def _encrypted(tx: Transaction, matches: Matcher) -> bool:
    """Whether the connection is encrypted, by a cipher in the list."""
    cipher = _macro(tx, "cipher")
    if not cipher:
        return False
    return matches(tx, cipher) is not None or matches(tx, _tls_in_cipher(tx)) is not None


@verification("certificate", phases=AFTER_CONNECT, needs=CERTIFICATE)
def _certificate(tx: Transaction, _: None) -> bool:
    """Whether the client has shown a certificate that the MTA has verified.

    Sendmail says so in the macro ``{verify}``; Postfix tells ``{cert_subject}``
    only of a certificate that it trusts.
    """
    verified = _certified(tx)
    if not verified:
        tx.frame.user_message = "no verified certificate"
    return verified


def _certified(tx: Transaction) -> bool:
    macros = tx.connection.macros
    return macros["verify"] == "OK" if "verify" in macros else bool(macros.get("cert_subject"))


@variable("tls_in_certificate_verified", needs=CERTIFICATE)
def _tls_in_certificate_verified(tx: Transaction) -> str:
    """``1`` when the MTA has verified the client's certificate, otherwise ``0``."""
    return "1" if _certified(tx) else "0"


variable("tls_certificate_verified", needs=CERTIFICATE)(_tls_in_certificate_verified)


def _macro(tx: Transaction, name: str) -> str:
    return tx.connection.macros.get(name, "")


@variable("sender_host_address")
def _sender_host_address(tx: Transaction) -> str:
    """The client's address."""
    return tx.connection.client.text


@variable("sender_host_port")
def _sender_host_port(tx: Transaction) -> str:
    """The client's port; 0 when the MTA does not tell."""
    return str(tx.connection.client.port)


@variable("host_data")
def _host_data(tx: Transaction) -> str:
    """What the list of the last ``hosts`` that matched left behind; it lasts as long as the connection."""
    value: str = tx.connection.facts.get("host_data", "")
    return value


@client_controlled
@variable("sender_helo_name")
def _sender_helo_name(tx: Transaction) -> str:
    """The name in HELO or EHLO."""
    return tx.connection.helo


@client_controlled
@variable("sender_ident", needs="_")
def _sender_ident(tx: Transaction) -> str:
    """Who the client's host says its user is (RFC 1413), where the MTA has asked, as Sendmail does."""
    ident, at, _ = _macro(tx, "_").partition("@")
    return ident if at else ""


@variable("prdr_requested")
def _prdr_requested(_: Transaction) -> str:
    """``no``: a milter answers once for all recipients, so that no MTA with milters offers PRDR."""
    return "no"


@client_controlled
@variable("sender_fullhost")
def _sender_fullhost(tx: Transaction) -> str:
    """Name, HELO name and address of the client, as in the log."""
    return full_host(tx)


@client_controlled
@variable("sender_rcvhost")
def _sender_rcvhost(tx: Transaction) -> str:
    """Name, address and HELO name of the client, as in a Received: field."""
    client, helo = tx.connection.client, tx.connection.helo
    if client.address is None:
        return ""
    shown = f" helo={helo}" if helo not in ("", client.name, f"[{client.text}]") else ""
    if client.name:
        return f"{client.name} ([{client.text}]{shown})"
    return f"[{client.text}]" + (f" ({shown[1:]})" if shown else "")


def _interface(address_name: str, port_name: str) -> None:
    def address(tx: Transaction) -> str:
        return tx.connection.client.local_address

    def port(tx: Transaction) -> str:
        client = tx.connection.client
        return str(client.local_port if client.local_address else UNKNOWN_PORT)

    address.__doc__ = "The server's address that the client connected to."
    port.__doc__ = "The server's port that the client connected to; -1 when it is not known."
    variable(address_name)(address)
    variable(port_name)(port)


_interface("interface_address", "interface_port")
_interface("received_ip_address", "received_port")


@client_controlled
@variable("authenticated_id")
def _authenticated_id(tx: Transaction) -> str:
    """The identity that authenticated."""
    return _macro(tx, "auth_authen")


@client_controlled
@variable("authenticated_sender", needs="{auth_author}")
def _authenticated_sender(tx: Transaction) -> str:
    """The sender that the AUTH= parameter of MAIL gave."""
    return _macro(tx, "auth_author")


@variable("sender_host_authenticated")
def _sender_host_authenticated(tx: Transaction) -> str:
    """The mechanism by which the client authenticated; empty when it has not."""
    return _macro(tx, "auth_type")


def _tls(name: str, macro: str, what: str, without: str = "") -> None:
    def run(tx: Transaction) -> str:
        return _macro(tx, macro) or without

    run.__doc__ = what
    needs = f"{{{macro}}}"
    client_controlled(variable(f"tls_in_{name}", needs=needs)(run))
    variable(f"tls_{name}", needs=needs)(run)


_tls("bits", "cipher_bits", "How many bits the key of the connection's cipher has; 0 without TLS.", without="0")
_tls("peerdn", "cert_subject", "The subject of the client's certificate.")


@variable("tls_in_cipher", needs=CIPHER)
def _tls_in_cipher(tx: Transaction) -> str:
    """Protocol, cipher and key size, ``TLS1.3:NAME:256``; empty without TLS."""
    parts = [_macro(tx, name) for name in ("tls_version", "cipher", "cipher_bits")]
    return ":".join(parts) if parts[1] else ""


variable("tls_cipher", needs=CIPHER)(_tls_in_cipher)


@variable("tls_in_ver", needs="{tls_version}")
def _tls_in_ver(tx: Transaction) -> str:
    """The version of TLS; empty without it."""
    return _macro(tx, "tls_version")
