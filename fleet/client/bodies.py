"""The body of a POST: a form, or with files a multipart one that is read from the disk while it is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote_plus

import aiohttp

from fleet.errors import ConfigFailed, TooLarge
from fleet.protocol.message import FILE_CAP, Request

__all__ = ["body_of", "encoded"]

FORM = "application/x-www-form-urlencoded"


def encoded(fields: Mapping[str, str]) -> str:
    """*fields* as a form or a query. Most values are plain words, and the library takes its time to find that out."""
    return "&".join(
        f"{name if name.isalnum() and name.isascii() else quote_plus(name)}="
        f"{value if value.isalnum() and value.isascii() else quote_plus(value)}"
        for name, value in fields.items()
    )


@contextmanager
def body_of(request: Request) -> Iterator[tuple[bytes | aiohttp.FormData | None, dict[str, str]]]:
    """What goes into the body of *request* (nothing, for a GET), and the headers that say so.

    Its files are open as long as this lasts.

    Raises `ConfigFailed` for a file that can't be read and `TooLarge` for more than 4 GiB, before anything is sent.
    """
    if request.method == "GET":
        yield None, {}
        return
    if not request.files:
        yield encoded(request.form).encode("ascii"), {"Content-Type": FORM}
        return
    data = aiohttp.FormData(quote_fields=False)
    for name, value in request.form.items():
        data.add_field(name, value)
    size = 0
    with ExitStack() as opened:
        for name, content in request.files.items():
            if isinstance(content, bytes):
                size += len(content)
                data.add_field(name, content, filename=name, content_type="application/octet-stream")
                continue
            try:
                file = opened.enter_context(content.open("rb"))
                size += content.stat().st_size
            except OSError as error:
                raise ConfigFailed(f"the file {content} can't be read: {error.strerror}") from None
            data.add_field(name, file, filename=_file_name(content), content_type="application/octet-stream")
        if size > FILE_CAP:
            raise TooLarge(f"the file passes {FILE_CAP >> 30} GiB", hint="send it in parts", may_have_arrived=False)
        yield data, {}


def _file_name(path: Path) -> str:
    """The name of *path* as a part of the body tells it: nothing in it can end the line."""
    return "".join(letter if letter.isprintable() else "_" for letter in path.name)
