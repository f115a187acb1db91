"""A Chromium without a window, which takes note of what a page must not do."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

from .process import REPOSITORY

def _documented() -> list[tuple[str, re.Pattern]]:
    """Every operation of the API by its method and what its path matches."""
    paths = json.loads((REPOSITORY / "crates/admin/openapi.json").read_text())["paths"]
    return [(method.upper(), re.compile(re.sub(r"\{\w+\}", "[^/]+", path))) for path, item in paths.items() for method in item if method != "parameters"]


DOCUMENTED = _documented()

#: It talks to nobody but the page's server.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's browser, as `tests/chromium` finds or installs it."""
    found = subprocess.run([REPOSITORY / "tests/chromium"], stdout=subprocess.PIPE, text=True, check=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found.stdout.strip(), args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class Visit:
    """A viewer's page, and what went wrong in it."""

    page: Page
    origin: str
    #: What the page's console says as an error, refused contents among it, and errors that nothing caught.
    errors: list[str] = field(default_factory=list)
    #: Requests to anywhere else.
    strays: list[str] = field(default_factory=list)
    #: Requests to the API that its document does not have.
    undocumented: list[str] = field(default_factory=list)
    #: How often something was clicked.
    clicks: int = 0

    @classmethod
    def begin(cls, browser: Browser, origin: str, **context: object) -> "Visit":
        """A new viewer with nothing remembered."""
        page = browser.new_context(**{"locale": "en-GB", "viewport": {"width": 1280, "height": 900}} | context).new_page()
        page.set_default_timeout(10_000)
        visit = cls(page, origin)
        page.on("console", visit._said)
        page.on("pageerror", lambda error: visit.errors.append(str(error)))
        page.on("request", visit._asked)
        return visit

    def _said(self, message) -> None:
        # That an answer has an error's status is told here too; whether it may have one is the test's to say.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    def _asked(self, request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and f"{address.scheme}://{address.netloc}" != self.origin:
            self.strays.append(request.url)
        elif not address.path.startswith(("/console", "/v1/")) and address.path != "/" and address.scheme not in ("data", "blob"):
            if not any(request.method == method and path.fullmatch(address.path) for method, path in DOCUMENTED):
                self.undocumented.append(f"{request.method} {address.path}")

    def go(self, page: str) -> None:
        """To a page of the console, by its address."""
        self.page.goto(f"{self.origin}/console/#/{page}")

    def sign_in(self, key: str) -> None:
        self.page.goto(f"{self.origin}/")
        self.page.get_by_label("Admin key").fill(key)
        self.click("Sign in")
        self.page.get_by_role("heading", name="Overview").wait_for()

    def click(self, name: str, role: str = "button") -> None:
        self.clicks += 1
        self.page.get_by_role(role, name=name, exact=True).first.click()

    def end(self) -> None:
        """Closes it; it must have been without fault."""
        self.page.context.close()
        assert not self.errors, self.errors
        assert not self.strays, self.strays
        assert not self.undocumented, self.undocumented
