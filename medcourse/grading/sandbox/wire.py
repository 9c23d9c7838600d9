"""What goes between the tests and a student's code, and how it is written down. Never pickle from the student's side.

A **frame** is a length (4 bytes, big end first) and so many bytes of MessagePack: a list whose first item says what the
frame asks or answers, see `student`. A **value** in a frame is one of

    null, true, a number that fits 64 bits, text, bytes     as MessagePack has them
    ["i", text]                                             a larger integer, in hexadecimal
    ["c", real, imaginary]                                  a complex number
    ["l", ...]  ["t", ...]  ["s", ...]  ["z", ...]          a list, tuple, set, frozen set of values
    ["d", [key, value], ...]  ["b", [key, value], ...]      a dictionary, a Bunch
    ["r", start, stop, step]  ["k", start, stop, step]      a range, a slice
    ["e"]                                                   the ellipsis
    ["n", dtype, bytes]                                     a number of numpy's
    ["a", dtype, [side, ...], bytes]                        an array, in C order
    ["T", dtype, [side, ...], bytes]                        a tensor, detached, on the processor
    ["y", name]  ["Y", name]  ["v", name]                   a dtype of torch's, of numpy's, a device
    ["h", number, type, callable]                           an object that stays with the student: its number
    ["f", number, name]                                     a function that stays with the tests: its number
    ["o", bytes]                                            an object of a library, pickled: only to the student

Sender and receiver each give `encode` and `decode` what to do about the last three, so that the side that trusts nobody
takes only what it expects. `decode` raises WireError for whatever is not of this form, and nothing else: it believes no
claim of a size, goes only so deep, and knows only dtypes of plain numbers and text.
"""

import math
import re
import struct
import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgpack
import numpy as np

Encoder = Callable[[Any], list[Any]]
Decoder = Callable[[list[Any]], Any]

DEEPEST = 32
"""How deep values may be nested."""

_HEAD = struct.Struct(">I")
_NUMPY = {
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64", "complex128",
}  # fmt: skip
_TORCH = _NUMPY | {"bfloat16"}
_TEXT = re.compile(r"([<>]U|\|S)[1-9][0-9]{0,4}")
_LONGEST_TEXT_ITEM = 4096  # characters of an item of an array of text
_LAST_CHARACTER = sys.maxunicode
_LONGEST = 10**8  # items of a range, or of an empty array whose sides of 0 were 1: a test may walk through them


class WireError(Exception):
    """Something that is not of the wire's form, or that it has no form for."""


def pack(frame: list[Any], most: int) -> bytes:
    """Return a frame as it is sent.

    Raises
    ------
    WireError
        It is longer than `most` bytes, or holds what MessagePack has no form for.
    """
    try:
        body = msgpack.packb(frame, use_bin_type=True, unicode_errors="replace")  # half characters become "?"
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise WireError(f"cannot be sent: {error}") from None
    if len(body) > most:
        raise WireError(f"{len(body) / 2**20:.0f} MiB, more than the {most / 2**20:.0f} that a result may have")
    return _HEAD.pack(len(body)) + bytes(body)


def unpack_head(head: bytes, most: int) -> int:
    """Return the length of the body that follows."""
    (length,) = _HEAD.unpack(head)
    if length > most:
        raise WireError(f"a frame of more than {most} bytes")  # not of how many: it could be a message
    return int(length)


HEAD_BYTES = _HEAD.size


def unpack(body: bytes) -> list[Any]:
    """Return the list that a frame's body holds, its values not yet decoded."""
    try:
        frame = msgpack.unpackb(body, raw=False, strict_map_key=True, ext_hook=_no_extension)
    except Exception as error:  # msgpack raises a dozen kinds for what is malformed
        raise WireError(f"not MessagePack: {type(error).__name__}") from None
    if not isinstance(frame, list) or not frame or not isinstance(frame[0], str):
        raise WireError("expected a list that begins with a word")
    return frame


def _no_extension(code: int, _: bytes) -> Any:
    raise ValueError(f"extension {code}")


def encode(value: Any, other: Encoder, depth: int = 0) -> Any:
    """Return a value in the wire's form.

    Parameters
    ----------
    value
        Anything.
    other
        What makes a tagged list of an object that is no plain data; may raise WireError.
    depth
        How deep the value lies in another.
    """
    if depth > DEEPEST:
        raise WireError(f"nested deeper than {DEEPEST}")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, np.generic):
        return _encode_numpy(np.asarray(value), "n", other)
    for kinds, form in _FORMS:
        if isinstance(value, kinds):
            return form(value, other, depth)
    torch = sys.modules.get("torch")
    if torch is not None:
        if isinstance(value, torch.Tensor):
            return _encode_tensor(value, torch)
        for tag, kind in (("y", torch.dtype), ("v", torch.device)):
            if isinstance(value, kind):
                return [tag, str(value).removeprefix("torch.")]
    return other(value)


def _int(value: int, *_: Any) -> Any:
    value = int(value)
    return value if -(2**63) <= value < 2**64 else ["i", hex(value)]


def _items(tag: str) -> Callable[..., list[Any]]:
    return lambda value, other, depth: [tag, *(encode(item, other, depth + 1) for item in value)]


def _mapping(value: Mapping[Any, Any], other: Encoder, depth: int) -> list[Any]:
    pairs = [[encode(k, other, depth + 1), encode(v, other, depth + 1)] for k, v in value.items()]
    is_bunch = type(value).__name__ == "Bunch" and all(isinstance(key, str) for key in value)
    return ["b" if is_bunch else "d", *pairs]


def _bounds(tag: str) -> Callable[..., list[Any]]:
    def form(value: Any, other: Encoder, depth: int) -> list[Any]:
        return [tag, *(encode(bound, other, depth + 1) for bound in (value.start, value.stop, value.step))]

    return form


def _encode_numpy(value: Any, tag: str, other: Encoder) -> list[Any]:
    array = np.asarray(value)  # without the subclass
    if array.dtype.kind in "US" and not array.dtype.itemsize:  # an empty text
        array = array.astype(f"{array.dtype.kind}1")
    if (name := _numpy_name(array.dtype)) is None:
        return other(value)
    data = np.ascontiguousarray(array, name).tobytes()
    return [tag, name, data] if tag == "n" else [tag, name, list(array.shape), data]


def _numpy_name(dtype: Any) -> str | None:
    """Return how a dtype is written, its bytes in this machine's order; None if the wire has no form for it."""
    if dtype.name in _NUMPY:
        return str(dtype.name)
    return str(dtype.newbyteorder("=").str) if dtype.kind in "US" and dtype.itemsize else None


def _encode_dtype(value: Any, other: Encoder, _: int) -> list[Any]:
    name = _numpy_name(value)
    return other(value) if name is None else ["Y", name]


def _encode_tensor(value: Any, torch: Any) -> list[Any]:
    if value.layout != torch.strided or value.is_quantized or value.is_meta or value.is_nested:
        kind = "quantized" if value.is_quantized else "nested" if value.is_nested else f"of layout {value.layout}"
        raise WireError(f"a tensor {'without values' if value.is_meta else kind}: expected a dense one of numbers")
    data = value.detach().resolve_conj().resolve_neg().cpu()
    name = str(data.dtype).removeprefix("torch.")
    if name not in _TORCH:
        raise WireError(f"a tensor of {name}: expected numbers of a usual kind")
    shape = list(data.shape)
    plain = torch.empty(shape, dtype=data.dtype).copy_(data).reshape(-1)  # `contiguous` keeps odd strides of one item
    return ["T", name, shape, plain.view(torch.uint8).numpy().tobytes() if data.numel() else b""]


_FORMS: tuple[tuple[Any, Callable[..., Any]], ...] = (
    (int, _int),
    (float, lambda value, *_: float(value)),
    (complex, lambda value, *_: ["c", value.real, value.imag]),
    (str, lambda value, *_: str.__str__(value)),  # the text of an enumeration's member, not its name
    ((bytes, bytearray), lambda value, *_: bytes(value)),
    (list, _items("l")),
    (tuple, _items("t")),
    (frozenset, _items("z")),
    (set, _items("s")),
    (dict, _mapping),
    (range, _bounds("r")),
    (slice, _bounds("k")),
    (type(...), lambda *_: ["e"]),
    (np.ndarray, lambda value, other, _: _encode_numpy(value, "a", other)),
    (np.dtype, _encode_dtype),
)


def decode(form: Any, other: Decoder, depth: int = 0) -> Any:
    """Return the value that a form stands for.

    Parameters
    ----------
    form
        From a frame.
    other
        What makes an object of a tagged list ["h" | "f" | "o", ...]; raises WireError for what it does not expect.
    depth
        How deep the form lies in another.

    Raises
    ------
    WireError
        It is of no known form.
    """
    if depth > DEEPEST:
        raise WireError(f"nested deeper than {DEEPEST}")
    if form is None or isinstance(form, bool | int | float | str | bytes):
        return form
    if not isinstance(form, list) or not form or not isinstance(form[0], str):
        raise WireError("expected a value")
    tag, *parts = form
    if tag in {"h", "f", "o"}:
        return other(form)
    if (reader := _READERS.get(tag)) is None:
        raise WireError("unknown tag")
    try:
        return reader(parts, lambda part: decode(part, other, depth + 1))
    except WireError:
        raise
    except Exception as error:  # whatever numpy, torch and hash() say of what somebody made up
        raise WireError(f"malformed {tag!r}: {type(error).__name__}") from None


def _pairs(parts: list[Any], inner: Decoder) -> dict[Any, Any]:
    return {inner(key): inner(value) for key, value in parts}


def _bunch(parts: list[Any], inner: Decoder) -> Any:
    from sklearn.utils import Bunch  # noqa: PLC0415

    pairs = _pairs(parts, inner)
    if not all(isinstance(key, str) for key in pairs):
        raise WireError("expected names in a Bunch")
    return Bunch(**pairs)


def _read_numpy(name: Any, shape: Any, data: Any) -> Any:
    dtype = _numpy_dtype(name)
    if not isinstance(data, bytes) or not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise WireError("expected a shape and bytes")
    if len(shape) > DEEPEST or math.prod(shape) * dtype.itemsize != len(data):
        raise WireError("a shape that does not fit the bytes")
    if not data and math.prod(max(n, 1) for n in shape) > _LONGEST:
        raise WireError("sides too long for an array of nothing")
    if dtype == np.bool_:
        return (np.frombuffer(data, np.uint8) != 0).reshape(shape)  # a byte of 2 is neither True nor False
    if dtype.kind == "U" and (np.frombuffer(data, f"{dtype.str[0]}u4") > _LAST_CHARACTER).any():
        raise WireError("expected characters")
    return np.frombuffer(bytearray(data), dtype).reshape(shape)  # of a bytearray, so that it can be written to


def _numpy_dtype(name: Any) -> Any:
    if isinstance(name, str) and name in _NUMPY:
        return np.dtype(name)
    if isinstance(name, str) and _TEXT.fullmatch(name) and int(name[2:]) <= _LONGEST_TEXT_ITEM:
        return np.dtype(name)
    raise WireError("expected the dtype of an array")


def _tensor(parts: list[Any], _: Decoder) -> Any:
    import torch  # noqa: PLC0415

    name, shape, data = parts
    if not isinstance(name, str) or name not in _TORCH:
        raise WireError("expected the dtype of a tensor")
    if name == "bfloat16":
        return torch.from_numpy(_read_numpy("int16", shape, data)).view(torch.bfloat16)
    return torch.from_numpy(_read_numpy(name, shape, data))


def _torch_dtype(parts: list[Any], _: Decoder) -> Any:
    import torch  # noqa: PLC0415

    (name,) = parts
    if name not in _TORCH:
        raise WireError("expected a dtype")
    return getattr(torch, name)


def _device(parts: list[Any], _: Decoder) -> Any:
    import torch  # noqa: PLC0415

    (name,) = parts
    if not isinstance(name, str):
        raise WireError("expected the name of a device")
    return torch.device(name)


def _complex(parts: list[Any], _: Decoder) -> complex:
    real, imaginary = parts
    if not isinstance(real, float) or not isinstance(imaginary, float):
        raise WireError("expected two numbers")
    return complex(real, imaginary)


def _big_int(parts: list[Any], _: Decoder) -> int:
    (text,) = parts
    if not isinstance(text, str) or len(text) > 4096:
        raise WireError("expected a number of at most 4096 digits")
    return int(text, 16)


def _range(parts: list[Any], inner: Decoder) -> range:
    start, stop, step = map(inner, parts)
    if len(numbers := range(start, stop, step)) > _LONGEST:
        raise WireError("a range too long")
    return numbers


def _slice(parts: list[Any], inner: Decoder) -> slice:
    start, stop, step = parts
    return slice(inner(start), inner(stop), inner(step))


def _ellipsis(parts: list[Any], _: Decoder) -> Any:
    if parts:
        raise WireError("expected nothing")
    return ...


def _numpy_scalar(parts: list[Any], _: Decoder) -> Any:
    name, data = parts
    return _read_numpy(name, [], data)[()]


_READERS: dict[str, Callable[[list[Any], Decoder], Any]] = {
    "i": _big_int,
    "c": _complex,
    "l": lambda parts, inner: [inner(part) for part in parts],
    "t": lambda parts, inner: tuple(inner(part) for part in parts),
    "s": lambda parts, inner: {inner(part) for part in parts},
    "z": lambda parts, inner: frozenset(inner(part) for part in parts),
    "d": _pairs,
    "b": _bunch,
    "r": _range,
    "k": _slice,
    "e": _ellipsis,
    "n": _numpy_scalar,
    "a": lambda parts, _: _read_numpy(*parts),
    "T": _tensor,
    "y": _torch_dtype,
    "Y": lambda parts, _: _numpy_dtype(*parts),
    "v": _device,
}
