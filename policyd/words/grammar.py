"""The words of the grammar itself: verbs, and the items that only the engine understands.

`policyd.language` does what they say; here is the manual of it, and in which
ACLs they may stand.
"""

from __future__ import annotations

from typing import Any

from policyd.language.expand import expanded
from policyd.language.registry import VOCABULARY, Kind, Word
from policyd.policy import CAN_DISCARD, Phase


def _document(kind: Kind, name: str, meaning: str, phases: Phase | None = None, needs: str = "") -> None:
    def run(*_: Any) -> None:
        raise NotImplementedError(f'"{name}" is a word of the grammar')

    run.__doc__ = meaning
    VOCABULARY.add(Word(kind, name, run, phases=phases, argument=expanded, traits={"needs": needs}))


_document(
    Kind.VERB,
    "accept",
    """Accept the command, if all conditions are true; otherwise go on with the next statement.

    After ``endpass``, a condition that is false refuses the command. ``message``
    is what the client is told: of the acceptance where there is no ``endpass``
    (an MTA shows it only in ``policyd session``), of the refusal where there is.
    """,
)
_document(
    Kind.VERB,
    "discard",
    """Accept the command, if all conditions are true, and throw away what it is about: one recipient (RCPT) or the
    message (MAIL, DATA). Otherwise go on with the next statement, or refuse after ``endpass``.
    """,
    CAN_DISCARD,
    needs="delete",
)
_document(
    Kind.VERB,
    "deny",
    """Refuse the command for good (550), if all conditions are true; otherwise go on with the next statement.""",
)
_document(
    Kind.VERB,
    "drop",
    """Like ``deny``, and close the connection. An MTA closes it only with a 421: that is what the client sees.""",
)
_document(
    Kind.VERB,
    "defer",
    """Refuse the command for now (451), if all conditions are true; otherwise go on with the next statement.""",
)
_document(
    Kind.VERB,
    "require",
    """Refuse the command for good (550), unless all conditions are true; then go on with the next statement.

    ``message`` and ``log_message`` count only when they stand before the
    condition that is false.
    """,
)
_document(
    Kind.VERB,
    "warn",
    """Go on with the next statement, whatever the conditions say. If all are true, ``log_message`` is logged (once per
    message) and ``message`` adds a header line; what stands between the conditions is done as far as they are true.

    A condition that defers skips the statement, and is logged.
    """,
)
_document(
    Kind.CONDITION,
    "acl",
    """``acl = NAME argument …``: run another ACL; true when it accepts, false when it denies.

    NAME is the name of an ACL, or a path of a file with statements. In it, up to
    nine arguments, each expanded, are ``$acl_arg1`` …, and ``$acl_narg`` says how
    many there are. Its message and log message become those of this condition.
    A ``drop`` in it drops only where a ``require`` or an ``endpass`` passes it on.
    """,
)
_document(
    Kind.MODIFIER,
    "message",
    """What the client is told, if this statement decides: text, or a reply code, perhaps an enhanced one (RFC 3463),
    and text. The code's first digit has to be that of the verb. Long lines are broken; ``\\n`` breaks one where it
    stands.

    Expanded when the outcome of the statement is known. In ``warn``: header
    lines to add (``add_header`` is the newer form). Of several, the last one met
    before the statement's outcome was known counts.
    """,
    needs="add",
)
_document(
    Kind.MODIFIER,
    "log_message",
    """What the log says, if this statement decides; ``message`` where there is none.

    What a condition had to say stands behind it. In ``warn``: a line of its own.
    """,
)
_document(
    Kind.MODIFIER,
    "set",
    """``set acl_m_NAME = text``, ``set acl_c_NAME = text``: give a value to a variable of the message or connection.

    A name is ``acl_m`` or ``acl_c`` with a digit or an underscore and more
    letters, digits and underscores behind it. Variables of the message are
    forgotten at its end, at RSET and HELO.
    """,
)
_document(
    Kind.MODIFIER,
    "endpass",
    """In ``accept`` and ``discard``: conditions before it say whether the statement is meant, conditions behind it
    have to be true, or the command is refused.
    """,
)
