"""Reading certificates off a handshake: right for every way of cutting it into records, and total for any bytes."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from fleet.client.shown import certificates_in

HELLO = b"\x02\x00\x00\x04\x03\x03\x00\x00"


def sized(data: bytes, width: int = 3) -> bytes:
    return len(data).to_bytes(width, "big") + data


def records(messages: bytes, cuts: list[int]) -> bytes:
    """*messages* in records of the sizes *cuts*, again and again."""
    found, place, turn = b"", 0, 0
    while place < len(messages):
        part = messages[place : place + cuts[turn % len(cuts)]]
        found += b"\x16\x03\x03" + sized(part, 2)
        place, turn = place + len(part), turn + 1
    return found


@given(
    st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=4),
    st.lists(st.integers(1, 400), min_size=1, max_size=5),
    st.binary(max_size=40),
)
def test_certificates_are_found_however_they_are_cut_into_records(
    certificates: list[bytes], cuts: list[int], rest: bytes
) -> None:
    message = b"\x0b" + sized(sized(b"".join(map(sized, certificates))))
    data = records(HELLO + message, cuts)
    assert certificates_in(data + b"\x14\x03\x03\x00\x01\x01" + rest) == tuple(certificates)
    assert certificates_in(data[:-1]) is None, "not before the last byte is there"


@given(st.binary(max_size=600))
@example(b"\x16\x03\x03\xff\xff\x0b\xff\xff\xff")
@example(b"\x16\x03\x03\x00\x07\x0b\x00\x00\x03\x00\x00\x00")
def test_no_bytes_raise_anything(data: bytes) -> None:
    found = certificates_in(data)
    assert found is None or all(found)
