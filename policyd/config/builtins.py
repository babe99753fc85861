"""The macros that are there before the first line: they tell a configuration what it may use.

``.ifdef _HAVE_SPF`` and its like guard the parts of a policy that need a
feature; here the vocabulary and the table of options decide what is defined.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from policyd.language.registry import Kind, Vocabulary
from policyd.settings import OPTIONS

PREFIXES = {
    Kind.CONDITION: "_ACL_COND_",
    Kind.MODIFIER: "_ACL_MOD_",
    Kind.ITEM: "_EXP_ITEM_",
    Kind.OPERATOR: "_EXP_OP_",
    Kind.TEST: "_EXP_COND_",
    Kind.VARIABLE: "_EXP_VAR_",
    Kind.LOOKUP: "_HAVE_LOOKUP_",
}
FEATURES = {
    "_HAVE_ARC": (Kind.VARIABLE, "arc_state"),
    "_HAVE_CONTENT_SCANNING": (Kind.CONDITION, "regex"),
    "_HAVE_CRYPTEQ": (Kind.TEST, "crypteq"),
    "_HAVE_DKIM": (Kind.CONDITION, "dkim_status"),
    "_HAVE_DMARC": (Kind.CONDITION, "dmarc_status"),
    "_HAVE_I18N": (Kind.OPERATOR, "utf8_domain_to_alabel"),
    "_HAVE_PROXY": (Kind.VARIABLE, "proxy_session"),
    "_HAVE_SPF": (Kind.CONDITION, "spf"),
    "_HAVE_SRS": (Kind.ITEM, "srs_encode"),
    "_HAVE_TLS": (Kind.CONDITION, "encrypted"),
}
"""What Exim calls a feature, and the word that shows that policyd has it."""
NAME = re.compile(r"[A-Za-z0-9_]+")


def builtin_macros(words: Vocabulary) -> Iterator[str]:
    """Their names, in Exim's spelling. Each is worth ``y``."""
    yield "_HAVE_IPV6"
    for name, (kind, word) in FEATURES.items():
        if words.find(kind, word):
            yield name
    for kind, prefix in PREFIXES.items():
        for name in words.names(kind):
            if NAME.fullmatch(name):
                yield prefix + name.upper()
    for name in OPTIONS:
        yield "_OPT_MAIN_" + name.upper()
