"""Why mail was refused, or thrown away: what every statement came to, and from what, kept for whoever asks later."""

from __future__ import annotations

from policyd.explanations.archive import Archive
from policyd.explanations.record import Explanation
from policyd.explanations.witness import Witness

__all__ = ["Archive", "Explanation", "Witness"]
