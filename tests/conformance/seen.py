"""What every client's script needs: to ask whether what it did is so, and to see that a wrong password is refused."""

import json
import sys
from collections.abc import Callable


def seen(url: str, **wanted: object) -> None:
    """Fail unless the service at *url*, of the admin API, now has the states and properties that are *wanted*.

    The simulator's own side answers, by way of tools/conformance.py.
    """
    print(json.dumps({"url": url, "wanted": wanted}), flush=True)
    answer = sys.stdin.readline().strip()
    assert answer == "so", answer


def refused(login: Callable[[], object], words: str) -> None:
    """Fail unless *login* ends in an error that says *words*."""
    try:
        login()
    except Exception as error:
        assert words in str(error), error
    else:
        raise AssertionError("a wrong password was taken")
