"""URLs of Redis."""

from __future__ import annotations

import pytest

from policyd.links.places import Kind, Place, place

ONE, SENTINEL, CLUSTER = Kind.SERVER, Kind.SENTINEL, Kind.CLUSTER


@pytest.mark.parametrize(
    "url, want, shown",
    [
        ("redis://h", Place(ONE, (("h", 6379),)), "redis://h:6379"),
        ("redis://h/", Place(ONE, (("h", 6379),)), "redis://h:6379"),
        ("redis://h?db=2", Place(ONE, (("h", 6379),), database=2), "redis://h:6379/2"),
        ("redis://:pw@h:1/3", Place(ONE, (("h", 1),), database=3, password="pw"), "redis://h:1/3"),
        ("redis://u:p%40%2f%3a@h", Place(ONE, (("h", 6379),), user="u", password="p@/:"), "redis://h:6379"),
        ("redis://:p%ff@h", Place(ONE, (("h", 6379),), password="p\xff"), "redis://h:6379"),
        ("rediss://[2001:db8::1]:7", Place(ONE, (("2001:db8::1", 7),), tls=True), "rediss://[2001:db8::1]:7"),
        ("unix:///run/r.sock", Place(ONE, (("/run/r.sock", 0),)), "unix:///run/r.sock"),
        ("unix://u:p@/r?db=2", Place(ONE, (("/r", 0),), database=2, user="u", password="p"), "unix:///r"),
        (
            "redis+sentinel://:pw@a,b:7/main/2",
            Place(SENTINEL, (("a", 26379), ("b", 7)), service="main", database=2, password="pw"),
            "redis+sentinel://a:26379,b:7/main/2",
        ),
        (
            "rediss+cluster://a,b:2",
            Place(CLUSTER, (("a", 6379), ("b", 2)), tls=True),
            "rediss+cluster://a:6379,b:2",
        ),
    ],
)
def test_place(url, want, shown):
    assert (place(url), str(place(url))) == (want, shown)


@pytest.mark.parametrize(
    "url, want",
    [
        ("h:6379", "not the URL of a Redis"),
        ("http://h", "not the URL of a Redis"),
        ("redis://h#x", '"h#x" is not a host with a port'),
        ("redis://", '"" is not a host with a port'),
        ("redis://h:0", '"h:0" is not a host with a port'),
        ("redis://h:65536", '"h:65536" is not a host with a port'),
        ("redis://::1", '"::1" is not a host with a port'),
        ("redis://h/x", '"x" is not the number of a database'),
        ("redis://a,b", "several hosts are a cluster, redis+cluster://, or Sentinels, redis+sentinel://"),
        ("redis+sentinel://h", "the name of the service is missing: redis+sentinel://HOST/SERVICE"),
        ("redis+sentinel://h/main/x", '"x" is not the number of a database'),
        ("redis+cluster://h/1", "a cluster has no databases with numbers"),
        ("redis+cluster://a,,b", '"" is not a host with a port'),
        ("unix://", "the path of the socket is missing"),
        ("unix://h/path", "the path of the socket is missing"),
        ("unix+cluster:///path", "not the URL of a Redis"),
        ("redis://:se@cret@h", "not the URL of a Redis"),
    ],
)
def test_what_is_none(url, want):
    with pytest.raises(ValueError) as caught:
        place(url)
    assert str(caught.value) == want


def test_the_password_is_not_shown():
    assert "secret" not in repr(place("redis://user:secret@h"))
