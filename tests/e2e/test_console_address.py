"""What a page of the console shows is in its address: it outlives a reload and can be sent to somebody else."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from harness.browser import Visit, chromium
from harness.gateway import ADMIN_KEY, Gateway
from harness.simulator import Simulator

pytestmark = pytest.mark.sqlite_only

# A limit that only a failure reaches, also where the processor has much to do.
expect.set_options(timeout=20_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def inside(gateway: Gateway, browser: Browser) -> Iterator[Visit]:
    visit = Visit.begin(browser, gateway.url, timezone_id="Asia/Shanghai")
    visit.sign_in(ADMIN_KEY)
    yield visit
    visit.end()


def elsewhere(browser: Browser, visit: Visit, timezone: str) -> Visit:
    """Somebody else, in another time zone, who was sent the address."""
    other = Visit.begin(browser, visit.origin, timezone_id=timezone)
    other.sign_in(ADMIN_KEY)
    other.page.goto(visit.page.url)
    return other


def test_a_view_of_the_log_can_be_shared(inside: Visit, browser: Browser, make_stack, alpha: Simulator) -> None:
    stack = make_stack(alpha)
    messages = [{"role": "user", "content": "Hello!"}]
    stack.gateway.openai().chat.completions.create(model=stack.name, messages=messages)
    stack.rows(1)
    page = inside.page
    inside.go("logs")
    page.get_by_label("Model", exact=True).select_option(stack.name)
    page.get_by_label("Provider", exact=True).select_option(label=stack.providers[0]["name"])
    status = page.get_by_label("Status", exact=True)
    status.fill("200")
    status.press("Enter")
    page.get_by_label("Since", exact=True).fill("2026-01-02T08:30")
    rows = page.locator("tbody tr.opens")
    expect(rows).to_have_count(1)

    def assert_same(page: Page, since: str) -> None:
        expect(page.locator("tbody tr.opens")).to_have_count(1)
        expect(page.get_by_label("Model", exact=True)).to_have_value(stack.name)
        expect(page.get_by_label("Provider", exact=True)).to_have_value(str(stack.providers[0]["id"]))
        expect(page.get_by_label("Status", exact=True)).to_have_value("200")
        expect(page.get_by_label("Since", exact=True)).to_have_value(since)

    page.reload()
    assert_same(page, "2026-01-02T08:30")
    other = elsewhere(browser, inside, "UTC")
    assert_same(other.page, "2026-01-02T00:30")  # the same moment
    other.end()
    # One request in full has an address too, and closing it leaves the filters as they are.
    rows.first.click()
    identity = stack.rows(1)[0]["request_id"]
    expect(page.locator("dialog")).to_contain_text(identity)
    page.reload()
    expect(page.locator("dialog")).to_contain_text(identity)
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    assert_same(page, "2026-01-02T08:30")
    # The menu leads to the whole log.
    inside.click("Logs", role="link")
    expect(page.get_by_label("Status", exact=True)).to_have_value("")
    page.go_back()
    assert_same(page, "2026-01-02T08:30")


def test_an_address_that_is_no_time_is_told(inside: Visit) -> None:
    inside.go("logs?from=yesterday")
    expect(inside.page.get_by_role("alert")).to_contain_text("from")
    inside.click("Clear the filters")
    expect(inside.page.get_by_role("alert")).to_have_count(0)


def test_other_pages_keep_what_was_chosen_too(inside: Visit, make_stack, alpha: Simulator) -> None:
    stack = make_stack(alpha)
    page = inside.page
    chosen = page.locator("[aria-pressed=true]")
    for name, button in (("overview", "7 days"), ("spend", "Model"), ("prices", "List prices"), ("quickstart", "Claude Code")):
        inside.go(name)
        inside.click(button)
        page.reload()
        expect(chosen.filter(has_text=button)).to_have_count(1)
    inside.go("models")
    page.get_by_label("Search").fill(stack.name)
    page.reload()
    expect(page.get_by_label("Search")).to_have_value(stack.name)
    expect(page.locator("main section")).to_have_count(1)
    inside.go(f"route?model={stack.name}")
    page.get_by_label("has tools").check()
    page.reload()
    expect(page.get_by_label("has tools")).to_be_checked()
    expect(page.get_by_label("Model", exact=True)).to_have_value(stack.name)
