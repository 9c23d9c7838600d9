"""Throw bytes and trees at the wire for some time: python bench/fuzz_wire.py [SECONDS]

Guided by coverage where `atheris` can be imported, by random mutation else; ends with 1 at the first thing that is
neither read nor refused. `tests/test_wire.py` does the same for a few seconds.
"""

import itertools
import math
import random
import sys
import time

import msgpack
import numpy as np
import torch
from sklearn.utils import Bunch

try:
    import atheris
except ImportError:
    atheris = None
else:
    with atheris.instrument_imports(include=["medcourse.grading.sandbox"]):
        from medcourse.grading.sandbox import wire

from medcourse.grading.sandbox import wire

MOST = 1 << 24
SECONDS_FOR_ONE = 5.0
VALUES = [
    2**70, 1 - 2j, math.nan, "text", b"bytes", ..., [1, [2.5, None]], (1, "a"), {1, (2, 3)}, frozenset({"z"}),
    {"a": {1: True}},
    Bunch(image=np.zeros((2, 3)), spacing_mm=0.5), range(1, 9, 2), slice(None, 3, 2**66), np.float32(0.5),
    np.str_("x"),
    np.arange(6, dtype=">i4").reshape(2, 3), np.array(["a", "bc"]), np.array([True, False]),
    np.zeros((0, 4), np.complex64),
    torch.arange(4.0).reshape(2, 2), torch.zeros(3, dtype=torch.bfloat16), torch.ones(2, dtype=torch.bool),
    torch.float16, np.dtype("<U7"), np.dtype("uint8"), torch.device("cuda:1"),
]  # fmt: skip
FORMS = [
    "float32",
    "bfloat16",
    "bool",
    "<U3",
    ">U1",
    "|S4",
    "complex128",
    "0xff",
    "cpu",
    "int64",
    "uint16",
    *"iclstzdbrkenaTyYvhfo",
]


def refuse(form: list) -> None:
    raise wire.WireError(f"an object: {form[0]}")


def seeds() -> list[bytes]:
    return [wire.pack(["value", wire.encode(value, refuse)], MOST)[wire.HEAD_BYTES :] for value in VALUES]


def one(data: bytes) -> None:
    """Read bytes as a frame, and as the recipe of a tree; let pass what is read or refused, and nothing else."""
    started = time.monotonic()
    for tree in (*_forms_of_frame(data), _tree(bytearray(data), 0)):
        try:
            value = wire.decode(tree, refuse)
        except wire.WireError:
            continue
        wire.decode(wire.encode(value, refuse), refuse)  # what was read can be written and read again
    if time.monotonic() - started > SECONDS_FOR_ONE:
        raise AssertionError(f"took {time.monotonic() - started:.0f} s")


def _forms_of_frame(data: bytes) -> list:
    try:
        return wire.unpack(data)[1:]
    except wire.WireError:
        return []


def _tree(data: bytearray, depth: int) -> object:
    """Make a tree that looks like a value: eat bytes, the first of which says of what kind."""
    kind = data.pop() if data else 0
    if kind < 128 and depth < 40:
        inner = [_tree(data, depth + 1) for _ in range(kind % 6)]
        return inner if kind < 16 else [FORMS[kind % len(FORMS)], *inner]
    length = data.pop() if data else 0
    piece = bytes(data.pop() for _ in range(min(length, len(data))))
    number = int.from_bytes(piece[:8], "big")
    leaves = None, FORMS[length % len(FORMS)], number, -number // 2, length / 7, piece, bytes(length % 65), kind > 191
    return leaves[kind % 8]


def mutate(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        place = rng.randrange(len(out) + 1)
        match rng.randrange(5):
            case 0 if place < len(out):
                out[place] = rng.randrange(256)
            case 1:
                out[place:place] = rng.randbytes(rng.randint(1, 4))
            case 2:
                del out[place : place + rng.randint(1, 4)]
            case 3:
                out[place:place] = out[: rng.randint(0, 16)]
            case 4:
                out[place:place] = msgpack.packb(rng.choice([*FORMS, 2**63, -1, 2**32, 0.5, None, [], b""]))
    return bytes(out[:4096])


def at_random(seconds: float) -> None:
    rng, pool, end = random.Random(0), seeds(), time.monotonic() + seconds
    for count in itertools.count(1):
        data = mutate(rng.choice(pool), rng) if rng.random() < 0.8 else rng.randbytes(rng.randint(0, 64))
        try:
            one(data)
        except BaseException:
            print(f"after {count} executions: {data!r}", file=sys.stderr)
            raise
        if time.monotonic() > end:
            print(f"{count} executions, each read or refused")
            return


def by_coverage(seconds: float) -> None:
    import tempfile  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    corpus = Path(tempfile.mkdtemp())
    for number, data in enumerate(seeds()):
        (corpus / str(number)).write_bytes(data)
    atheris.Setup(
        [sys.argv[0], str(corpus), f"-max_total_time={seconds:.0f}", "-max_len=4096", "-rss_limit_mb=2048"], one
    )
    atheris.Fuzz()


if __name__ == "__main__":
    (at_random if atheris is None else by_coverage)(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
