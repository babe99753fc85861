"""What a balancer hears that owes us a PROXY header: a banner, and then Exim's refusals."""

from __future__ import annotations

REFUSED = "503 Command refused, required Proxy negotiation failed"
LONGEST = 16384  # octets of a command line, as in Exim


class Refusal:
    """One session, pure: lines in, replies out."""

    def __init__(self, hostname: str) -> None:
        self._hostname = hostname
        self._rest = b""
        self.over = False

    def banner(self) -> str:
        """The greeting."""
        return f"220 {self._hostname} ESMTP policyd"

    def hear(self, octets: bytes) -> list[str]:
        """The replies to what has come in, cut anywhere. After QUIT it is `over`."""
        *lines, self._rest = (self._rest + octets).split(b"\n")
        replies: list[str] = []
        for line in lines:
            if not self.over:
                replies += self._answers(line)
        while len(self._rest) >= LONGEST:
            self._rest = self._rest[LONGEST:]
            replies.append("500 unrecognized command")
        return replies

    def _answers(self, line: bytes) -> list[str]:
        """Each `LONGEST` octets that have no end are a command of their own."""
        pieces = max(len(line) - 1, 0) // LONGEST
        return ["500 unrecognized command"] * pieces + [self._answer(line[pieces * LONGEST :])]

    def _answer(self, line: bytes) -> str:
        if b"\0" in line:
            return "501 NUL characters are not allowed in SMTP commands"
        word, _, argument = line.partition(b" ")
        if word.strip().upper() != b"QUIT" or line[:1].isspace():
            return REFUSED
        if argument.strip():
            return "501 unexpected argument data"
        self.over = True
        return f"221 {self._hostname} closing connection"
