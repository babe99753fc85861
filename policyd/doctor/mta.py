"""What an administrator gets wrong when the milter is attached."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from policyd.doctor.reach import counted, refusal
from policyd.doctor.site import Finding, Grade, Milter, Service, Site
from policyd.server.place import Place

EVERYWHERE = ("", "0.0.0.0", "::")
HERE = ("127.0.0.1", "::1", "localhost", *EVERYWHERE)
PROTOCOL = 6


def about_the_mta(site: Site) -> Iterator[Finding]:
    """For every service that asks milters, whether it asks policyd, and how; then what concerns them all."""
    for service in site.mta.services:
        if service.judging:
            yield from _about(service, site)
    yield from _proxy(site)
    yield from _suspicion(site)


def _about(service: Service, site: Site) -> Iterator[Finding]:
    ours = [at for at, milter in enumerate(service.milters) if _is_ours(milter.place, service, site.place)]
    if not ours:
        yield _unattached(service, site)
        return
    milter = service.milters[ours[0]]
    yield Finding(Grade.GOOD, f"{service.name}: policyd is attached")
    if ours[0]:
        yield _not_first(service, site)
    for check in CHECKS:
        yield from check(milter, service, site)


def _is_ours(theirs: Place, service: Service, ours: Place) -> bool:
    """Whether the place that the MTA names is the one where policyd listens."""
    if theirs.path or ours.path:
        return os.path.realpath(_outside(theirs, service)) == os.path.realpath(ours.path)
    same_host = theirs.host == ours.host or (theirs.host in HERE and ours.host in HERE) or ours.host in EVERYWHERE
    return same_host and theirs.port == ours.port


def _outside(place: Place, service: Service) -> str:
    """Where a path that the service names lies, seen from outside of its root directory."""
    if not place.path.startswith("/"):
        return os.path.join(service.home, place.path)
    return os.path.join(service.root, place.path.lstrip("/"))


def _unattached(service: Service, site: Site) -> Finding:
    others = ", ".join(_shown(milter.place) for milter in service.milters) or "none"
    here = site.settings.milter_socket
    text = f"{service.name}: policyd is not attached; it listens at {here}, the milters are: {others}"
    return Finding(Grade.BAD, text, site.mta.say("attach", milter=_seen_by(service, site)))


def _shown(place: Place) -> str:
    return place.path or f"{place.host}:{place.port}"


def _seen_by(service: Service, site: Site) -> str:
    """policyd's place as the MTA would have to write it."""
    place = site.place
    if place.path:
        return f"unix:/{place.path.removeprefix(service.root).lstrip('/')}"
    host = place.host if place.host not in EVERYWHERE else "127.0.0.1"
    return f"inet:{host}:{place.port}" if site.mta.name == "Postfix" else f"inet:{place.port}@{host}"


def _not_first(service: Service, site: Site) -> Finding:
    return Finding(
        Grade.DOUBTFUL,
        f"{service.name}: milters before policyd may change a message before its signatures are verified",
        site.mta.say("first", milter=_seen_by(service, site)),
    )


# -- one check each


def _reachable(milter: Milter, service: Service, _: Site) -> Iterator[Finding]:
    place = milter.place
    if place.path:
        place = replace(place, path="/" + _outside(place, service).removeprefix(service.root).lstrip("/"))
    try:
        reason = refusal(place, service.user, service.root)
    except (PermissionError, KeyError) as error:
        yield Finding(Grade.DOUBTFUL, f"{service.name}: whether it reaches the socket was not tried: {error}")
        return
    who = f"user {service.user}" + (f" in the chroot {service.root}" if service.root != "/" else "")
    if not reason:
        yield Finding(Grade.GOOD, f"{service.name}: {who} reaches policyd")
        return
    yield Finding(Grade.BAD, f"{service.name}: {who} cannot reach {_shown(place)}: {reason}", _remedy(place, service))


def _remedy(place: Place, service: Service) -> str:
    port = "MILTER_SOCKET = inet:8891@127.0.0.1 in 00-local.conf"
    if not place.path:
        return "MILTER_SOCKET in 00-local.conf"
    if service.root != "/":
        return f"{port}, or a socket below {service.root}"
    return f"adduser {service.user} policyd, and restart the MTA; or {port}"


def _exposed(milter: Milter, service: Service, site: Site) -> Iterator[Finding]:
    if milter.exposed:
        text = f"{service.name}: {site.mta.name} does not start: others may write to {milter.exposed}, above the socket"
        yield Finding(Grade.BAD, text, f"chmod go-w {milter.exposed}")


def _action(milter: Milter, service: Service, site: Site) -> Iterator[Finding]:
    if milter.action == "accept":
        text = f"{service.name}: while policyd cannot be reached, mail is accepted without being judged"
        yield Finding(Grade.BAD, text, site.mta.say("action"))


def _protocol(milter: Milter, service: Service, site: Site) -> Iterator[Finding]:
    if milter.protocol < PROTOCOL:
        text = f"{service.name}: milter protocol {milter.protocol} is too old: no DATA phase, no macros on request"
        yield Finding(Grade.BAD, text, site.mta.say("protocol"))


def _timeouts(milter: Milter, service: Service, site: Site) -> Iterator[Finding]:
    longest = site.settings.phase_timeout
    for what, limit in (("command", milter.command_timeout), ("content", milter.content_timeout)):
        if limit <= longest:
            text = (
                f"{service.name}: it waits {limit:g}s for a milter, and policyd may take {longest:g}s (phase_timeout)"
            )
            yield Finding(Grade.BAD, text, site.mta.say(what, seconds=int(longest) + 5))


Check = Callable[[Milter, Service, Site], Iterable[Finding]]
CHECKS: tuple[Check, ...] = (_reachable, _exposed, _action, _protocol, _timeouts)


def _proxy(site: Site) -> Iterator[Finding]:
    """A balancer that one side knows of and the other does not."""
    proxied = [service.name for service in site.mta.services if service.proxied]
    expected = site.settings.hosts_proxy is not None
    if proxied and not expected:
        text = f"{', '.join(proxied)} expects a PROXY header, and hosts_proxy is not set: a balancer may be judged"
        yield Finding(Grade.BAD, text, "hosts_proxy = the addresses of the balancers")
    elif expected and not proxied and not site.settings.gateway_listen:
        text = f"hosts_proxy is set, but neither {site.mta.name} nor a gateway of policyd's reads PROXY headers"
        yield Finding(Grade.BAD, text, " or ".join(filter(None, (site.mta.say("proxy"), "gateway_listen in conf.d"))))


def _suspicion(site: Site) -> Iterator[Finding]:
    """What the running daemon thinks of where its connections come from."""
    if counted(site.settings.metrics_address, "policyd_balancers_suspected_total"):
        text = "nearly all connections come from one private address (policyd's log names it): who sends is unknown"
        yield Finding(Grade.BAD, text, "hosts_proxy if that is a balancer, hosts_trusted_relays if it is a relay")
