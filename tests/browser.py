"""Debian's Chromium for tests of pages; where there is none such tests are skipped, and may not be if so ordered."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import BrowserContext, async_playwright

__all__ = ["REQUIRED", "browser", "needs_chromium"]

CHROMIUM = shutil.which("chromium")
REQUIRED = bool(os.environ.get("FLEET_REQUIRE_BROWSER"))
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

needs_chromium = pytest.mark.skipif(CHROMIUM is None and not REQUIRED, reason="no Chromium: apt-get install chromium")


@asynccontextmanager
async def browser(*, scheme: str = "light", scripts: bool = False) -> AsyncIterator[BrowserContext]:
    """A browser with nothing in it that runs *scripts* of pages only if so told; *scheme* is `light` or `dark`."""
    assert CHROMIUM is not None, "FLEET_REQUIRE_BROWSER is set, and there is no chromium: apt-get install chromium"
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(FLAGS))
        try:
            context = await running.new_context(
                java_script_enabled=scripts, color_scheme="dark" if scheme == "dark" else "light"
            )
            context.set_default_timeout(15_000)
            yield context
        finally:
            await running.close()
