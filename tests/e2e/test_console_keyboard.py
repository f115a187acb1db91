"""The console without a mouse: everything is reached and done by keys, and the focus is never lost."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from conftest import MakeGateway
from harness.browser import Visit, chromium
from harness.gateway import ADMIN_KEY, PROVIDER_KEY, Gateway
from harness.simulator import Simulator

pytestmark = pytest.mark.sqlite_only

# A limit that only a failure reaches, also where the processor has much to do.
expect.set_options(timeout=20_000)

#: Of what has the focus: its label or text, and the text of the row that it is in.
FOCUSED = """() => {
  const it = document.activeElement;
  const label = it.labels?.[0]?.textContent ?? it.getAttribute("aria-label") ?? it.textContent;
  return [label.trim(), it.closest("tr")?.textContent ?? ""];
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(make_gateway: MakeGateway, browser: Browser) -> Iterator[Visit]:
    visit = Visit.begin(browser, make_gateway().url)
    visit.page.goto(f"{visit.origin}/")
    yield visit
    visit.end()


def tab_to(page: Page, label: str, row: str = "") -> None:
    """Presses Tab until what is called so has the focus."""
    for _ in range(120):
        page.keyboard.press("Tab")
        found, within = page.evaluate(FOCUSED)
        if found == label and row in within:
            return
    pytest.fail(f"{label} is not reached by Tab")


def sign_in(page: Page) -> None:
    expect(page.get_by_label("Admin key")).to_be_focused()
    page.keyboard.type(ADMIN_KEY)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Overview").wait_for()


def follow(page: Page, link: str) -> None:
    tab_to(page, link)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=link, level=1)).to_be_focused()


def assert_kept_inside(page: Page) -> None:
    """However often one goes on, one stays in the dialog, or in the browser's own controls."""
    for _ in range(25):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || document.activeElement.closest('dialog') !== null")


def test_a_provider_is_added_tested_and_deleted(visit: Visit, alpha: Simulator) -> None:
    page = visit.page
    sign_in(page)
    follow(page, "Providers")
    tab_to(page, "Add a provider")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    assert_kept_inside(page)
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    adds = page.locator(".head").get_by_role("button", name="Add a provider")
    expect(adds).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("first")
    tab_to(page, "Address")
    page.keyboard.type(alpha.base_url)
    tab_to(page, "API key")
    page.keyboard.type(PROVIDER_KEY)
    page.keyboard.press("Enter")
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.get_by_role("row", name="first")).to_be_visible()
    expect(adds).to_be_focused()
    tab_to(page, "Test", row="first")
    page.keyboard.press("Enter")
    expect(page.locator(".toasts")).to_contain_text("It answers")
    expect(page.get_by_role("button", name="Test", exact=True)).to_be_focused()
    tab_to(page, "Delete", row="first")
    page.keyboard.press("Enter")
    expect(page.locator("dialog").get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.get_by_role("row", name="first")).to_have_count(0)
    # The button that had the focus is gone with its row.
    expect(page.get_by_role("heading", name="Providers", level=1)).to_be_focused()


def test_a_key_is_created_and_revoked(visit: Visit) -> None:
    page = visit.page
    sign_in(page)
    follow(page, "Keys")
    tab_to(page, "Create a key")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("short-lived")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Copy")).to_be_focused()
    page.keyboard.press("Enter")
    # What is said while a dialog is open is said in it: all else is inert, to the eye and to screen readers.
    expect(page.locator("dialog .toasts")).to_contain_text("Copied.")
    tab_to(page, "I have it")
    page.keyboard.press("Enter")
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator(".head").get_by_role("button", name="Create a key")).to_be_focused()
    tab_to(page, "Revoke", row="short-lived")
    page.keyboard.press("Enter")
    expect(page.locator("dialog").get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row", name="short-lived")).to_have_count(0)
    expect(page.get_by_role("heading", name="Keys", level=1)).to_be_focused()


def test_a_request_is_opened_and_left(gateway: Gateway, browser: Browser, make_stack, alpha: Simulator) -> None:
    stack = make_stack(alpha)
    messages = [{"role": "user", "content": "Hello!"}]
    stack.gateway.openai().chat.completions.create(model=stack.name, messages=messages)
    stack.rows(1)
    visit = Visit.begin(browser, gateway.url)
    page = visit.page
    page.goto(f"{visit.origin}/")
    sign_in(page)
    visit.go(f"logs?model={stack.name}")
    row = page.locator("tbody tr.opens").first
    row.wait_for()
    tab_to(page, row.get_by_role("button").inner_text())
    page.keyboard.press("Enter")
    expect(page.locator("dialog")).to_contain_text(stack.rows(1)[0]["request_id"])
    assert_kept_inside(page)
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    expect(row.get_by_role("button")).to_be_focused()
    visit.end()


def test_who_signs_out_or_is_refused_goes_on_at_the_key(visit: Visit) -> None:
    page = visit.page
    key = page.get_by_label("Admin key")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(key).to_have_attribute("aria-invalid", "true")
    expect(key).to_be_focused()
    page.keyboard.press("ControlOrMeta+A")
    sign_in(page)
    tab_to(page, "Sign out")
    page.keyboard.press("Enter")
    expect(key).to_be_focused()


def test_it_is_copied_where_pages_have_no_clipboard(visit: Visit) -> None:
    """As over plain HTTP from another machine."""
    page = visit.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in(page)
    follow(page, "Quick start")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true })")
    tab_to(page, "Copy")
    page.keyboard.press("Enter")
    expect(page.locator(".toasts")).to_contain_text("Copied.")
    expect(page.get_by_role("button", name="Copy")).to_be_focused()
    page.evaluate("delete navigator.clipboard")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("pre").inner_text()
