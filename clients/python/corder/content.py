"""What a request can carry, looked at before it is sent: one bad result fails its own try, and nothing else."""

from __future__ import annotations

import json
from typing import Any

NESTED_MOST = 61
"""Corder reads 64 levels of lists and objects; a request takes three of them."""
MESSAGE_CHARS = 4096
NUMBER_MOST = 1.7976931348623157e308


def clean(said: object) -> str:
    """A message that can be sent, whatever it was made of."""
    text = said if isinstance(said, str) else str(said)
    text = text[:MESSAGE_CHARS].replace("\0", "\ufffd")
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("two members of an object have the same name")
    return members


def _look(value: Any, depth: int) -> None:
    if depth > NESTED_MOST:
        raise ValueError(f"more than {NESTED_MOST} nested lists and objects")
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("a text with a NUL in it")
        value.encode()
    elif isinstance(value, int) and abs(value) > NUMBER_MOST:
        raise ValueError("a number that no double can hold")
    elif isinstance(value, list):
        for each in value:
            _look(each, depth + 1)
    elif isinstance(value, dict):
        for name, each in value.items():
            _look(name, depth + 1)
            _look(each, depth + 1)


def sized(value: Any) -> int:
    """How many bytes of JSON it makes. Raises TypeError or ValueError where Corder would refuse it."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    _look(json.loads(text, object_pairs_hook=_unique), 0)
    return len(text.encode())
