"""The Administrator Directory: what a simulated site shows a browser, or whoever asks without `f=json`."""

from fleet.simulator.directory.pages import foreign_form, page, wants_page
from fleet.simulator.directory.sessions import own_token

__all__ = ["foreign_form", "own_token", "page", "wants_page"]
