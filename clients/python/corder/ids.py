"""Ids that sort by the time they were made, in the form that Corder generates itself."""

from __future__ import annotations

import os
import secrets
import socket
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id() -> str:
    """26 characters: ten of milliseconds, sixteen random ones."""
    number = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -5, -5))


def worker_name() -> str:
    """Host and process, with only the characters that a worker's name may have."""
    host = "".join(c if (c.isascii() and c.isalnum()) or c in "_-" else "-" for c in socket.gethostname())
    return f"{host[:40]}-{os.getpid()}-{secrets.token_hex(2)}"
