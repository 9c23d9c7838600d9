"""The wire between tests and student code: what goes in comes out, and nothing that comes in does harm."""

import contextlib
import enum
import math
import re
import socket
import threading
import time
from collections import OrderedDict

import msgpack
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.utils import Bunch

from medcourse.grading.sandbox import wire
from medcourse.grading.sandbox.channel import Channel, ChannelClosedError

MOST = 1 << 26
TAGS = set(re.findall(r'\["(\w)"', wire.__doc__))
OTHERS = {"h", "f", "o"}
NUMPY_DTYPES = [
    "?", *("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"), *("f2", "f4", "f8"), *("c8", "c16"),
    *(">i2", ">i4", ">i8", ">u2", ">u8", ">f2", ">f4", ">f8", ">c8", ">c16"),
]  # fmt: skip
TORCH_DTYPES = [
    *(torch.bool, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.uint16, torch.uint32),
    *(torch.uint64, torch.float16, torch.float32, torch.float64, torch.bfloat16, torch.complex64, torch.complex128),
]


def no_other(value):
    raise wire.WireError(f"no form for {value!r}")


def through(value):
    """Send a value as a frame and read it again."""
    data = wire.pack(["value", wire.encode(value, no_other)], MOST)
    word, form = wire.unpack(data[wire.HEAD_BYTES :])
    assert word == "value"
    assert wire.unpack_head(data[: wire.HEAD_BYTES], MOST) == len(data) - wire.HEAD_BYTES
    return wire.decode(form, no_other)


def assert_same(got, expected):
    """Be of the same kind and hold the same, NaN included."""
    assert type(got) is type(expected)
    if isinstance(expected, float):
        assert got == expected or (math.isnan(got) and math.isnan(expected))
        assert math.copysign(1, got) == math.copysign(1, expected)
    elif isinstance(expected, complex):
        assert_same([got.real, got.imag], [expected.real, expected.imag])
    elif isinstance(expected, np.ndarray | np.generic):
        assert got.dtype == expected.dtype.newbyteorder("=")
        assert got.shape == expected.shape
        np.testing.assert_array_equal(got, expected)
    elif isinstance(expected, list | tuple):
        assert len(got) == len(expected)
        for mine, theirs in zip(got, expected, strict=True):
            assert_same(mine, theirs)
    elif isinstance(expected, dict):
        assert_same(list(got.items()), list(expected.items()))
    else:
        assert got == expected


# What goes in comes out.

bounds = st.none() | st.integers()
hashable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**300), 2**300)
    | st.floats(allow_nan=False)  # of which none equals another: it is among the leaves
    | st.complex_numbers(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.just(...),
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=8,
)
numbers = st.sampled_from(NUMPY_DTYPES).flatmap(
    lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)
leaves = (
    hashable
    | st.sampled_from([math.nan, complex(math.nan, 1)])
    | numbers
    | numbers.filter(lambda array: array.ndim == 0).map(lambda array: array[()])
    | arrays.arrays("<U5", 3)
    | arrays.arrays("S3", (2, 2))
    | st.builds(slice, bounds, bounds, bounds)
    | st.builds(range, st.integers(-1000, 1000), st.integers(-1000, 1000), st.integers(1, 9))
    | st.sampled_from([torch.device("cpu"), torch.device("cuda:1"), *TORCH_DTYPES])
    | st.sampled_from([np.dtype(kind) for kind in (*NUMPY_DTYPES, "<U7", "S2")]).map(
        lambda kind: kind.newbyteorder("=")
    )
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.sets(hashable, max_size=3)
        | st.dictionaries(hashable, inner, max_size=3)
        | st.dictionaries(st.sampled_from(["images", "labels", "copy"]), inner).map(lambda pairs: Bunch(**pairs))
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(values)
def test_plain_data_comes_out_as_it_went_in(value):
    assert_same(through(value), value)


@given(st.text())
def test_half_characters_become_question_marks(text):
    assert through(text) == text.encode("utf-8", "replace").decode()


@settings(max_examples=200, deadline=None)
@given(numbers, st.data())
def test_views_of_arrays_come_out_as_what_they_show(array, data):
    view = array.transpose() if data.draw(st.booleans()) else array
    for axis in range(view.ndim):
        if data.draw(st.booleans()):
            view = np.flip(view, axis)
    if view.ndim and data.draw(st.booleans()):
        view = view[::2]
    got = through(view)
    assert got.flags.writeable
    assert_same(got, np.asarray(view))


@pytest.mark.parametrize("kind", TORCH_DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)], ids=str)
def test_tensors_come_out_with_dtype_shape_and_values(kind, shape):
    count = math.prod(shape)
    tensor = torch.arange(1, count + 1, dtype=torch.float64).sub(0.25).reshape(shape).to(kind)
    for view in (tensor, tensor.T if tensor.ndim == 2 else tensor.transpose(0, -1) if tensor.ndim else tensor):
        got = through(view)
        assert got.dtype == kind
        assert got.shape == view.shape
        assert torch.equal(got, view)


def test_tensors_come_out_detached_resolved_and_writable():
    weights = torch.nn.Parameter(torch.tensor([1.0, math.nan, -math.inf]))
    got = through(weights)
    assert type(got) is torch.Tensor
    assert not got.requires_grad
    assert torch.equal(got.nan_to_num(7), weights.detach().nan_to_num(7))
    got[0] = 5.0
    assert weights[0] == 1.0
    numbers = torch.tensor([1 + 2j, 3 - 4j])
    assert torch.equal(through(numbers.conj()), torch.tensor([1 - 2j, 3 + 4j]))
    assert torch.equal(through(numbers.conj().imag), torch.tensor([-2.0, 4.0]))
    assert torch.equal(through(torch.arange(8.0).reshape(1, 8)[:, 3]), torch.tensor([3.0]))  # one item, stride of 8
    assert torch.equal(through((weights * 2)[:1]), torch.tensor([2.0]))
    assert torch.equal(through(torch.ones(1, 3).expand(2, 3)), torch.ones(2, 3))


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (lambda: torch.eye(2).to_sparse(), "of layout torch.sparse_coo"),
        (lambda: torch.empty(2, device="meta"), "without values"),
        (lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8), "quantized"),
        (lambda: torch.zeros(2).to(torch.float8_e5m2), "float8_e5m2"),
    ],
    ids=["sparse", "meta", "quantized", "float8"],
)
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")  # which is deprecated
def test_tensors_that_are_no_block_of_numbers_are_refused(tensor, said):
    with pytest.raises(wire.WireError, match=said):
        through(tensor())


def test_subclasses_come_out_as_what_they_hold():
    class Colour(str, enum.Enum):  # noqa: UP042  (its str() is its name)
        RED = "red"

    class Level(enum.IntEnum):
        LOW = 3

    for value, plain in [
        (Colour.RED, "red"),
        (Level.LOW, 3),
        (OrderedDict(a=1), {"a": 1}),
        (bytearray(b"ab"), b"ab"),
        (np.ones((1, 2)).view(np.recarray), np.ones((1, 2))),
        (np.array("").item(), ""),
        (np.str_(""), np.str_("")),
        (np.array(["", "ab"]), np.array(["", "ab"])),
    ]:
        assert_same(through(value), plain)


def test_what_is_no_plain_data_is_asked_about():
    value = {"f": [len]}
    form = wire.encode(value, lambda found: ["f", 7, found.__name__])
    assert form == ["d", ["f", ["l", ["f", 7, "len"]]]]
    assert wire.decode(form, lambda found: found[1:]) == {"f": [[7, "len"]]}
    for value in (object(), np.datetime64("2026-01-01"), np.zeros(2, "i4,f8"), np.dtype("i4,f8")):
        with pytest.raises(wire.WireError, match="no form for"):
            through(value)


def test_what_is_nested_too_deeply_or_in_itself_is_refused():
    value = []
    value.append(value)
    with pytest.raises(wire.WireError, match="nested deeper than 32"):
        through(value)
    form = None
    for _ in range(wire.DEEPEST + 1):
        form = ["l", form]
    with pytest.raises(wire.WireError, match="nested deeper than 32"):
        wire.decode(form, no_other)
    assert wire.decode(form[1], no_other) is not None


# The table in the documentation is the wire.

EXAMPLES = {
    "i": 2**64,
    "c": 1 - 2j,
    "l": [1, 2.5],
    "t": ("a", b"b"),
    "s": {1, 2},
    "z": frozenset({3}),
    "d": {"a": None, 2: True},
    "b": Bunch(image=np.zeros(2)),
    "r": range(1, 9, 2),
    "k": slice(None, 3, None),
    "e": ...,
    "n": np.float32(0.5),
    "a": np.arange(6.0).reshape(2, 3),
    "T": torch.arange(3),
    "y": torch.float16,
    "Y": np.dtype("int16"),
    "v": torch.device("cpu"),
}


def test_the_table_names_each_tag_that_there_is():
    assert set(EXAMPLES) | OTHERS == TAGS
    assert set(wire._READERS) | OTHERS == TAGS


@pytest.mark.parametrize("tag", sorted(EXAMPLES))
def test_each_tag_is_written_as_the_table_says(tag):
    row = re.search(rf'\["{tag}"(.*?)\](?:  |\n)', wire.__doc__).group(1)
    form = wire.encode(EXAMPLES[tag], no_other)
    assert form[0] == tag
    if "..." not in row:
        assert len(form) - 1 == len(re.sub(r"\[.*?\]", "", row).split(",")) - 1
    if isinstance(EXAMPLES[tag], torch.Tensor):
        assert torch.equal(through(EXAMPLES[tag]), EXAMPLES[tag])
    else:
        assert_same(through(EXAMPLES[tag]), EXAMPLES[tag])


@pytest.mark.parametrize("tag", sorted(OTHERS))
def test_tags_of_objects_are_handed_to_who_knows_them(tag):
    assert wire.decode([tag, 1, "x"], lambda form: form) == [tag, 1, "x"]


# What comes in does no harm.

SLACK = 4.0  # seconds, for a machine that is busy


def read(body):
    """Read what somebody made up; return whether it was a frame of good values."""
    try:
        frame = wire.unpack(body)
        for form in frame[1:]:
            wire.decode(form, no_other)
    except wire.WireError:
        return False
    return True


trees = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=6)
    | st.binary(max_size=20)
    | st.sampled_from([*sorted(TAGS), "float32", "bfloat16", "bool", "<U3", ">U1", "|S4", "0xff", "cpu", "cuda:0"]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.builds(lambda tag, parts: [tag, *parts], st.sampled_from(sorted(TAGS)), st.lists(inner, max_size=5))
    ),
    max_leaves=20,
)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_a_frame_or_refused(body):
    read(body)


@settings(max_examples=1000, deadline=None)
@given(trees)
def test_random_trees_are_values_or_refused(tree):
    with contextlib.suppress(wire.WireError):
        wire.decode(tree, no_other)
    read(msgpack.packb(["value", tree], unicode_errors="replace"))


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(sorted(EXAMPLES)), st.data())
def test_frames_with_a_flaw_are_read_or_refused(tag, data):
    body = bytearray(wire.pack(["value", wire.encode(EXAMPLES[tag], no_other)], MOST)[wire.HEAD_BYTES :])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        match data.draw(st.integers(0, 2)):
            case 0:
                body[place] = data.draw(st.integers(0, 255))
            case 1:
                body[place:place] = data.draw(st.binary(max_size=4))
            case 2 if len(body) > 1:
                del body[place]
    read(bytes(body))


@pytest.mark.parametrize(
    "form",
    [
        ["a", "float64", [2**62, 4], b""],
        ["a", "float64", [2**62, 0], b""],
        ["a", "float64", [-1], b""],
        ["a", "float64", [True], bytes(8)],
        ["a", "float64", [1.0], bytes(8)],
        ["a", "float64", [1], bytes(7)],
        ["a", "float64", [1] * 65, bytes(8)],
        ["a", "object", [1], bytes(8)],
        ["a", "O", [1], bytes(8)],
        ["a", "V8", [1], bytes(8)],
        ["a", "M8[s]", [1], bytes(8)],
        ["a", "<U99999", [0], b""],
        ["a", "<U0", [1], b""],
        ["a", "<U1", [1], b"\xff\xff\xff\xff"],
        ["a", ">U1", [1], b"\xff\xff\xff\xff"],
        ["a", ["float64"], [1], bytes(8)],
        ["n", "<U1", b"\xff\xff\xff\xff"],
        ["n", "float64", b""],
        ["T", "float64", [3], bytes(8)],
        ["T", "<U1", [1], bytes(4)],
        ["T", "qint8", [1], bytes(1)],
        ["r", 0, 2**62, 1],
        ["r", 0, ["i", hex(2**80)], 1],
        ["r", 0, 1, 0],
        ["r", 0.0, 1, 1],
        ["i", "0x" + "f" * 5000],
        ["i", "ten"],
        ["i", 3],
        ["c", 1, 2],
        ["s", ["l"]],
        ["d", [["l"], 1]],
        ["d", [1]],
        ["d", 1],
        ["b", [1, 2]],
        ["b", ["self", 2]],
        ["e", 1],
        ["y", "Tensor"],
        ["y", "load"],
        ["y", ["float32"]],
        ["Y", "object"],
        ["v", 0],
        ["v", "moon"],
        ["v", "cpu", "cpu"],
        ["q", 1],
        ["", 1],
        [],
        [1],
        [None],
        {"a": 1},
        {},
    ],
    ids=str,
)
def test_a_form_that_claims_what_it_has_not_is_refused(form):
    started = time.monotonic()
    with pytest.raises(wire.WireError):
        wire.decode(form, no_other)
    assert time.monotonic() - started < SLACK


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\xdd\xff\xff\xff\xff",  # a list of 2**32 items, none of which comes
        b"\xc6\xff\xff\xff\xff",  # as many bytes
        b"\xdf\xff\xff\xff\xff",  # as many pairs
        b"\x91" * 100_000,  # lists in lists
        b"\x81\xa1a" * 100_000,
        b"\x92\xa5value\xd6\xff\x00\x00\x00\x00",  # a time
        b"\x92\xa5value\xd4\x05\x00",  # an extension
        b"\x92\xa5value\xa1\xff",  # text that is not UTF-8
        b"\x91\xa5value\x00",  # something after the end
        b"\x90",
        b"\x91\x01",
        b"\x01",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_bytes_that_claim_what_they_have_not_are_refused(body):
    started = time.monotonic()
    assert not read(body)
    assert time.monotonic() - started < SLACK


def test_a_byte_of_two_is_true():
    got = wire.decode(["a", "bool", [3], b"\x00\x01\x02"], no_other)
    assert got.view(np.uint8).tolist() == [0, 1, 1]
    assert wire.decode(["T", "bool", [1], b"\x02"], no_other).view(torch.uint8).tolist() == [1]


def test_a_frame_is_sent_whole_or_not_at_all():
    with pytest.raises(wire.WireError, match="3 MiB, more than the 1 that a result may have"):
        wire.pack(["value", bytes(3 * 2**20)], 2**20)
    for frame in (["value", object()], ["value", 2**70], ["value", {1, 2}]):
        with pytest.raises(wire.WireError, match="cannot be sent"):
            wire.pack(frame, MOST)
    with pytest.raises(wire.WireError, match="a frame of more than 67108864 bytes"):
        wire.unpack_head(b"\xff\xff\xff\xff", MOST)


# The channel.


@pytest.fixture
def line():
    mine, theirs = socket.socketpair()
    with mine, theirs:
        yield Channel(mine, 4 * 2**20), theirs


def soon(seconds=10.0):
    return time.monotonic() + seconds


def in_background(function, *args):
    thread = threading.Thread(target=function, args=args, daemon=True)
    thread.start()
    return thread


def test_a_frame_comes_through_in_pieces(line):
    channel, theirs = line
    data = wire.pack(["value", bytes(range(256)) * 8], MOST)

    def dribble():
        for start in range(0, len(data), 100):
            theirs.sendall(data[start : start + 100])
            time.sleep(0.001)

    thread = in_background(dribble)
    assert channel.receive(soon()) == ["value", bytes(range(256)) * 8]
    thread.join()


def test_frames_that_come_together_are_read_one_by_one(line):
    channel, theirs = line
    theirs.sendall(wire.pack(["value", 1], MOST) + wire.pack(["stop"], MOST))
    assert channel.receive(soon()) == ["value", 1]
    assert channel.receive(soon()) == ["stop"]
    with pytest.raises(TimeoutError):
        channel.receive(soon(0.05))


def test_a_frame_larger_than_what_a_socket_holds_goes_through(line):
    channel, theirs = line
    other = Channel(theirs, 4 * 2**20)
    frame = ["value", bytes(3 * 2**20)]
    thread = in_background(channel.send, frame, soon())
    assert other.receive() == frame
    thread.join()


def test_a_deadline_holds_for_all_of_a_frame_together(line):
    channel, theirs = line
    going_on = threading.Event()

    def dribble():
        theirs.sendall(b"\x00\x00\xff\xff")
        while not going_on.wait(0.01):
            theirs.sendall(b"\x00")

    thread = in_background(dribble)
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        channel.receive(soon(0.3))
    assert 0.25 < time.monotonic() - started < SLACK
    going_on.set()
    thread.join()


def test_a_deadline_that_is_past_and_one_for_sending(line):
    channel, _ = line
    with pytest.raises(TimeoutError):
        channel.receive(time.monotonic() - 1)
    with pytest.raises(TimeoutError):
        channel.send(["value", bytes(3 * 2**20)], soon(0.1))  # nobody reads


@pytest.mark.parametrize("said", [b"", b"\x00\x00", b"\x00\x00\x00\x05\x91"], ids=["nothing", "half a head", "half"])
def test_who_hangs_up_is_gone(line, said):
    channel, theirs = line
    theirs.sendall(said)
    theirs.close()
    with pytest.raises(ChannelClosedError):
        channel.receive(soon())
    with pytest.raises(ChannelClosedError):
        channel.send(["value", 1], soon())


def test_a_frame_that_is_too_large_is_refused_before_it_is_read(line):
    channel, theirs = line
    theirs.sendall((4 * 2**20 + 1).to_bytes(4, "big"))
    with pytest.raises(wire.WireError, match="a frame of more than 4194304 bytes"):
        channel.receive(soon())
    with pytest.raises(wire.WireError, match="5 MiB, more than the 4"):
        channel.send(["value", bytes(5 * 2**20)], soon())
    theirs.setblocking(False)  # nothing of it was sent
    with pytest.raises(BlockingIOError):
        theirs.recv(1)
