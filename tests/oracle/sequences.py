"""Generated policies with rate limits and sights, and sessions at odd times to try them: the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from oracle.timed import CONTENT, QUIT, START, Session

PHASES = ("connect", "helo", "mail", "rcpt", "predata", "data", "quit")
OPTIONS = "".join(f"acl_smtp_{phase} = {phase}_${{extract{{3}}{{.}}{{$sender_host_address}}}}\n" for phase in PHASES)

COUNTS = ("", "", "", " / count=2", " / count=0.5", " / count=0", " / count=7")
UNIQUE = ("", "", "", " / unique=$local_part", " / unique=$sender_address", " / unique=z", " / unique=")
UPDATES = (" / strict", " / leaky", "", " / strict", " / leaky", " / readonly", " / noupdate", " / strict / noupdate")
PER = ("", " / per_mail", " / per_rcpt", " / per_addr", " / per_conn", " / per_cmd", " / PER_CONN")
KEYS = ("", "", " / $sender_address-{}", " / k{}", " / $sender_helo_name/{}", " / $sender_host_address//24")
LIMITS = (0, 0.3, 1.3, 2.3, 2.3, 3.3, 3.3, 4.3, 5.3, 8.3)  # no sum of counts: Exim's arithmetic is not exact
FORWARD = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 1, 2.5, 5, 7, 30, 61, 600, 3601)
BACK = (0, 0, -0.5, -3, -30)
SIGHTS = ("3s", "-3s", "-3s / write", "2m / readonly", "-1m / refresh=10m", "1h", "-0s", "-5m / refresh=0s")


class Sequence:
    """A policy for clients in 127.0.*number*.0/24, and the sessions that try it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._random = Random(number)
        self._clock_may_turn = self._random.random() < 0.4
        self._periods = ("5s", "1m", "1m30s") if self._clock_may_turn else ("5s", "1m", "1h", "1h", "1d", "2w")
        self._now = START
        self._statements = 0

    def acls(self) -> str:
        """One for each phase; some phases have nothing to ask."""
        busy = set(self._random.sample(PHASES, 3)) | {self._random.choice(("mail", "rcpt"))}
        return "".join(
            f"{phase}_{self.number}:\n{''.join(self._asking(phase) if phase in busy else ())}"
            f"{'  deny' if phase == 'data' else '  accept'}\n"
            for phase in PHASES
        )

    def sessions(self) -> Iterator[Session]:
        """Two to four connections of two clients, one after another."""
        for _ in range(self._random.randint(2, 4)):
            client = f"127.0.{self.number}.{self._random.choice((1, 1, 2))}"
            yield Session(client, [(self._later(), text) for text in ("", *self._dialogue(), QUIT)])

    def _asking(self, phase: str) -> Iterator[str]:
        for _ in range(self._random.randint(1, 3)):
            self._statements += 1
            place = f"@{self.number}.{self._statements}"
            verb = "warn" if phase in ("connect", "quit") else self._random.choice(("warn", "warn", "defer"))
            conditions = [self._condition(phase) for _ in range(self._random.choice((1, 1, 2)))]
            yield f"  {verb} {'       '.join(conditions)}       log_message = {place} over\n"
            yield f"  warn logwrite = {place} <$sender_rate> <$sender_rate_limit> <$sender_rate_period>\n"

    def _condition(self, phase: str) -> str:
        if self._random.random() < 0.2:
            key = self._random.choice(("", f" / key=s{self.number}", f" / key={self.number}-$sender_address"))
            return f"{self._random.choice(('', '! '))}seen = {self._random.choice(SIGHTS)}{key}\n"
        return f"{self._random.choice(('', '', '', '! '))}ratelimit = {self._limit(phase)}\n"

    def _limit(self, phase: str) -> str:
        choose = self._random.choice
        per = choose((*PER, " / per_byte") if phase in ("mail", "rcpt", "predata") else PER)
        options = [per, choose(UPDATES), choose(COUNTS), choose(UNIQUE), choose(KEYS).format(self.number)]
        self._random.shuffle(options)
        limit = choose((0.9, 1200.3)) if per == " / per_byte" else choose(LIMITS)
        return f"{limit} / {choose(self._periods)}{''.join(options)}"

    def _dialogue(self) -> Iterator[str]:
        greeting = self._random.choice(("EHLO", "HELO"))
        yield f"{greeting} h{self.number}\r\n"
        for _ in range(self._random.randint(1, 3)):
            size = self._random.choice(("", " SIZE=1000", " SIZE=300")) if greeting == "EHLO" else ""
            yield f"MAIL FROM:<{self._random.choice('ab')}{self.number}@x>{size}\r\n"
            for _ in range(self._random.randint(1, 3)):
                yield f"RCPT TO:<{self._random.choice('pqR')}@{self._random.choice(('y', 'Y'))}>\r\n"
            yield from self._random.choice((("RSET\r\n",), ("DATA\r\n", CONTENT, "RSET\r\n"), ("DATA\r\n", CONTENT)))

    def _later(self) -> float:
        steps = FORWARD + BACK * self._clock_may_turn
        self._now = max(START - 1000, self._now + self._random.choice(steps))
        return round(self._now, 3)
