"""From where on two policies are no longer asked about the same."""

from __future__ import annotations

OF_CONNECTION = ("connect", "helo")
BEGINNINGS = ("helo", "mail")
ENDINGS = ("abort", "close")


class Parting:
    """Two conversations, one of which is only imagined, until they differ.

    After a difference at connect or HELO nothing more is to be said about the
    connection; after one at a recipient all the rest is; else nothing more about the message.
    """

    def __init__(self) -> None:
        self._event = ""  # at which they came to differ

    def concerns(self, event: str) -> bool:
        """Whether the imagined one still hears of *event*."""
        if event in BEGINNINGS and self._event not in OF_CONNECTION:
            self._event = ""
        return not self._event or event in ENDINGS

    def happened(self, event: str) -> None:
        """They differ."""
        self._event = event if event != "rcpt" else ""

    def for_good(self) -> None:
        """There is nothing to compare any more."""
        self._event = OF_CONNECTION[0]
