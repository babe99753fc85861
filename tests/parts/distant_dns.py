"""A name server that is far away: it answers from a zone, each question so many seconds after it was asked.

A stand-in, because distance is what a test cannot have otherwise: nsd answers at
once, and to slow the loopback device down takes root, and slows down everybody.
"""

from __future__ import annotations

import heapq
import select
import socket
import threading
import time
from typing import Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.zone

SOA = "ns.test. hostmaster.test. 1 3600 600 86400 60"


class DistantDns:
    """Answers *zone* (all names absolute) over UDP while the ``with`` block runs. *asked*: ``TYPE name``, in order.

    While *silent*, it answers nothing. *delay* in seconds.
    """

    def __init__(self, zone: str, delay: float) -> None:
        self.asked: list[str] = []
        self.silent = False
        self.delay = delay
        self._zone = dns.zone.from_text(zone, origin=".", relativize=False, check_origin=False)
        self._names = {name.split(depth)[1] for name in self._zone.nodes for depth in range(1, len(name.labels) + 1)}
        self._waiting: list[tuple[float, int, bytes, tuple[str, int]]] = []
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            due = self._waiting[0][0] if self._waiting else time.monotonic() + 60
            if select.select([self._socket], [], [], max(due - time.monotonic(), 0))[0]:
                query, client = self._socket.recvfrom(65535)
                if not query:
                    return
                self._take(query, client)
            while self._waiting and self._waiting[0][0] <= time.monotonic():
                _, _, reply, client = heapq.heappop(self._waiting)
                self._socket.sendto(reply, client)

    def _take(self, query: bytes, client: tuple[str, int]) -> None:
        due = time.monotonic() + self.delay
        question = dns.message.from_wire(query)
        name, rdtype = question.question[0].name, question.question[0].rdtype
        self.asked.append(f"{dns.rdatatype.to_text(rdtype)} {name.to_text(omit_final_dot=True)}")
        if not self.silent:
            heapq.heappush(self._waiting, (due, len(self.asked), self._reply(question, name, rdtype), client))

    def _reply(self, query: dns.message.Message, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> bytes:
        reply = dns.message.make_response(query)
        found = self._zone.get_rrset(name, rdtype)
        if found is not None:
            reply.answer.append(found)
        else:
            reply.set_rcode(dns.rcode.NOERROR if name in self._names else dns.rcode.NXDOMAIN)
            reply.authority.append(dns.rrset.from_text("test.", 60, "IN", "SOA", SOA))
        return reply.to_wire()
