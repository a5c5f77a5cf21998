"""Pages that are watched: nothing may be complained of in the console, no policy be broken, no evil text have run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Download, Page

PATIENCE_MS = 20_000
"""Not a promise: the machine may be busy."""
HEIGHT = 900

TELL_OF_VIOLATIONS = """
addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) => {
    console.error("violation of", effectiveDirective, blockedURI);
});
"""
REFUSED = "Failed to load resource"
"""What Chromium writes into the console for every answer that is not good: some tests ask for such."""


@dataclass
class Viewer:
    """Someone with a browser. ``faults`` is all that the console complained of, but for ``expected`` texts."""

    context: BrowserContext
    faults: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()

    async def open(self, url: str) -> Page:
        """A new page that shows ``url``."""
        page = await self.context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.faults.append(f"{error.name}: {error.message} {error.stack}"))
        await page.goto(url)
        return page

    async def leave(self) -> None:
        """Close the browser's window; fails when there was a fault."""
        harmed = [await page.evaluate("window.harmed") for page in self.context.pages]
        await self.context.close()

        assert not self.faults, "\n".join(self.faults)
        assert [each for each in harmed if each is not None] == []

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not any(each in message.text for each in self.expected):
            self.faults.append(f"{message.type}: {message.text} ({message.location.get('url')})")


async def arrive(browser: Browser, width: int = 1024, theme: str = "light") -> Viewer:
    """A viewer with a window of this width in px, and nothing kept from others."""
    context = await browser.new_context(
        viewport={"width": width, "height": HEIGHT},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )
    await context.add_init_script(TELL_OF_VIOLATIONS)
    return Viewer(context)


async def read(download: Download) -> str:
    """What was saved."""
    path: Path = await download.path()
    return path.read_text()  # noqa: ASYNC240 - a small file of this machine
