"""Values: dataclasses that do not change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def value_class(cls: type[T]) -> type[T]:
    """A dataclass whose fields are set once, for those that are made for every message.

    The type checker sees to it that nobody changes one; to have Python see to it, too (``frozen=True``), makes each
    cost three times as much.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
