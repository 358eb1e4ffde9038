"""Files that somebody names: read whole, never without end, and what is wrong with one is said in its name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fleet.errors import UsageError
from fleet.given_files import bytes_of, text_of

MIB = 1024 * 1024


def test_a_file_may_have_just_as_much_as_it_may_have(tmp_path: Path) -> None:
    file = tmp_path / "given"
    file.write_bytes(b"x" * MIB)
    assert bytes_of(file, MIB) == b"x" * MIB
    file.write_bytes(b"x" * (MIB + 1))
    with pytest.raises(UsageError, match="is larger than 1 MiB"):
        bytes_of(file, MIB)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no file without an end")
def test_a_file_without_an_end_is_not_read_to_its_end() -> None:
    with pytest.raises(UsageError, match=r"^/dev/zero is larger than 1 MiB$"):
        bytes_of(Path("/dev/zero"), MIB)


def test_a_text_may_begin_with_a_mark_and_must_be_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "given"
    file.write_bytes(b"\xef\xbb\xbfselect \xc3\xa9\r\n")
    assert text_of(file, MIB) == "select é\r\n"
    file.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="is no UTF-8 text"):
        text_of(file, MIB)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none can't be read: No such file"):
        text_of(tmp_path / "none", MIB)


@pytest.mark.parametrize(
    ("given", "told"),
    [(b"Roads", "Roads"), (b"\xff", "standard input is no UTF-8 text"), (b"x" * 2048, "standard input is larger")],
)
def test_standard_input_is_read_in_the_same_way(given: bytes, told: str) -> None:
    code = (
        "from fleet.errors import UsageError\nfrom fleet.given_files import text_of\n"
        "try:\n    print(text_of(None, 1024))\nexcept UsageError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=given, capture_output=True, check=True)
    assert done.stdout.decode().startswith(told)


def test_a_query_that_is_too_long_is_refused_and_not_cut_short(tmp_path: Path) -> None:
    file = tmp_path / "long.sql"
    file.write_text("select count(*) from services where type = 'MapServer'" + " " * MIB + "and folderName = 'Roads'")
    done = subprocess.run(
        [sys.executable, "-m", "fleet", "sql", f"@{file}"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr.strip()) == (2, f"{file} is larger than 1 MiB")
