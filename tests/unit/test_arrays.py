"""Arrays as bytes, read by many threads at once."""

import subprocess
import sys
from contextlib import suppress
from io import BytesIO
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from services.storage import arrays
from services.storage.arrays import BadArray, Opened

ROOT = Path(__file__).parents[2]
KINDS = ["f4", "f8", "u1", "u2", "i4", "i8", "?"]
MEANWHILE = """
import gc, sys, threading
import numpy as np
from io import BytesIO
from services.storage import arrays

data = arrays.packed(np.zeros((64, 64), np.float32))
read = {"ours": arrays.unpacked, "numpy": lambda data: np.load(BytesIO(data))}[sys.argv[1]]
failed = between = 0

def collected(phase, info):
    global between
    if phase == "start" and threading.current_thread() is threading.main_thread():
        between += 1
        other = threading.Thread(target=read, args=[data])
        other.start()
        other.join()

gc.callbacks.append(collected)
gc.set_threshold(1)
for _ in range(20):
    try:
        read(data)
    except SystemError:
        failed += 1
gc.callbacks.clear()
assert between
print(failed)
"""


def failures(reader: str) -> int:
    """Of 20 readings, when another thread reads an array whenever memory is tidied up during them.

    That happens in the middle of things, and lets others go on where a destructor is written in Python.
    """
    code = [sys.executable, "-c", MEANWHILE, reader]
    return int(subprocess.run(code, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (0,), (7,), (0, 3), (3, 4), (2, 3, 4)])
def test_an_array_comes_back_as_it_went(kind: str, shape: tuple[int, ...]) -> None:
    array = (np.arange(np.prod(shape, dtype=int)).reshape(shape) % 2).astype(kind)
    for each in (array, np.asarray(array, order="F"), array[..., ::-1] if shape else array):
        found = arrays.unpacked(arrays.packed(each))
        assert (found.dtype, found.shape) == (array.dtype, shape)
        np.testing.assert_array_equal(found, each)


def test_what_is_read_can_be_written_to_and_keeps_nothing_alive() -> None:
    """R153: a view of a tile's bytes kept the whole file in memory."""
    found = arrays.unpacked(arrays.packed(np.zeros((3, 4), np.float32)))
    found[0, 0] = 1
    assert found.base is None


@pytest.mark.parametrize("small", [False, True])
def test_several_arrays_have_names(small: bool) -> None:
    named = {"cell": 30.0, "codes": np.arange(6, dtype=np.uint8).reshape(2, 3)}
    data = arrays.together(named, small=small)
    assert data == arrays.together(named, small=small)
    found = Opened(data)
    assert list(found) == ["cell", "codes"]
    assert len(found) == 2
    assert found["cell"] == 30.0
    np.testing.assert_array_equal(found["codes"], named["codes"])
    with pytest.raises(KeyError):
        found["rows"]


def test_small_is_for_what_is_kept_long() -> None:
    named = {"codes": np.zeros((100, 100), np.uint8)}
    assert len(arrays.together(named, small=True)) < 1000 < len(arrays.together(named))


def test_numpy_reads_what_is_written_here() -> None:
    codes = np.arange(6, dtype=np.int16)
    np.testing.assert_array_equal(np.load(BytesIO(arrays.packed(codes))), codes)
    with np.load(BytesIO(arrays.together({"codes": codes}))) as found:
        np.testing.assert_array_equal(found["codes"], codes)


def test_a_broken_array_is_told_from_a_whole_one() -> None:
    whole = arrays.packed(np.zeros(40, np.float32))
    objects = BytesIO()
    np.save(objects, np.array([{}]), allow_pickle=True)
    broken = [b"", whole[:9], whole[:60], whole[:-1], whole + b"0", b"x" + whole[1:]]
    for data in [*broken, objects.getvalue()]:
        with pytest.raises(BadArray):
            arrays.unpacked(data)


@pytest.mark.parametrize("value", [0, 1, 8, 14, 127, 255])
def test_whatever_byte_is_wrong_nothing_but_a_broken_array_is_told(value: int) -> None:
    """Of a tile of the cache, what is broken is made anew; another error would stop it for good."""
    named = {"hours": np.arange(9), "means": np.zeros(5, np.float32)}
    for whole in (arrays.together(named, small=True), arrays.together(named)):
        told = 0
        for at in range(len(whole)):
            try:
                found = Opened(whole[:at] + bytes([value]) + whole[at + 1 :])
                assert [len(found[name]) for name in named] == [9, 5]
            except (BadArray, KeyError):
                told += 1
        assert told > len(whole) / 4
        with pytest.raises(BadArray, match="opened"):
            Opened(whole[: len(whole) // 2])


def test_whatever_byte_of_one_array_is_wrong_it_is_told_or_read() -> None:
    whole = arrays.packed(np.zeros((3, 4), np.float32))
    for at, value in product(range(len(whole) - 48), range(256)):
        with suppress(BadArray):
            assert arrays.unpacked(whole[:at] + bytes([value]) + whole[at + 1 :]).nbytes == 48


def test_threads_read_arrays_beside_each_other() -> None:
    """`np.load` parses every header as Python, which fails here and there where several threads do so at once."""
    assert failures("ours") == 0


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python 3.12 mended it")
def test_threads_cannot_do_so_with_numpy() -> None:
    """Otherwise the test above proves nothing."""
    assert failures("numpy") > 0
