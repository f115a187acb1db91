"""The console in a browser: what operators do in it, from their first sign-in on."""

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta

import openai
import pytest
from playwright.sync_api import Browser, Page, expect

from conftest import MakeGateway
from harness.browser import Visit, chromium
from harness.gateway import ADMIN_KEY, PROVIDER_KEY, Gateway
from harness.process import REPOSITORY
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for

pytestmark = pytest.mark.sqlite_only

# A limit that only a failure reaches, also where the processor has much to do.
expect.set_options(timeout=20_000)

PAGES = {
    "overview": "Overview",
    "logs": "Logs",
    "spend": "Spend",
    "audit": "Audit log",
    "providers": "Providers",
    "models": "Models",
    "policies": "Policies",
    "route": "Route explorer",
    "prices": "Prices",
    "keys": "Keys",
    "playground": "Playground",
    "quickstart": "Quick start",
    "documents": "Import and export",
    "settings": "Settings",
}
AXE = REPOSITORY / "tests/e2e/js/node_modules/axe-core/axe.min.js"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def empty(make_gateway: MakeGateway, browser: Browser) -> Iterator[Visit]:
    """Somebody before a gateway that nobody has set up yet."""
    visit = Visit.begin(browser, make_gateway().url)
    yield visit
    visit.end()


@pytest.fixture
def inside(gateway: Gateway, browser: Browser) -> Iterator[Visit]:
    """An operator who has signed in to the shared gateway."""
    visit = Visit.begin(browser, gateway.url)
    visit.sign_in(ADMIN_KEY)
    yield visit
    visit.end()


def ask(stack: Stack, prompt: str = "Hello!") -> None:
    messages = [{"role": "user", "content": prompt}]
    stack.gateway.openai().chat.completions.create(model=stack.name, messages=messages)


def test_from_the_first_sign_in_to_the_first_answer_in_under_ten_clicks(empty: Visit, alpha: Simulator) -> None:
    page = empty.page
    empty.sign_in(ADMIN_KEY)
    empty.click("Add a provider", role="link")
    empty.click("Add a provider")
    page.get_by_label("Name", exact=True).fill("first")
    page.get_by_label("Address", exact=True).fill(alpha.base_url)
    page.get_by_label("API key", exact=True).fill(PROVIDER_KEY)
    empty.click("Save")
    empty.click("Import models")
    empty.click("Choose all shown")
    page.locator("dialog .end button.primary").click()
    page.get_by_text("models were added.").wait_for()
    page.keyboard.press("Escape")
    empty.click("Playground", role="link")
    empty.click("Make a key for this")
    page.get_by_label("Message").fill("Is anybody there?")
    expect(page.get_by_role("button", name="Send")).to_be_enabled()
    page.get_by_label("Message").press("Control+Enter")
    expect(page.locator("#route")).to_contain_text("first")
    expect(page.locator("#route")).to_contain_text("out")
    assert page.locator(".chat .assistant").inner_text().strip()
    clicks = empty.clicks + 1  # The dialog's button, whose name has a number in it, is not clicked by its name.
    assert clicks < 10
    asked = [seen for seen in alpha.seen() if seen.path.endswith("/chat/completions")]
    assert [seen.prompt for seen in asked] == ["Is anybody there?"]


def test_the_playground_shows_who_was_asked_in_vain(inside: Visit, make_stack, alpha: Simulator, beta: Simulator) -> None:
    stack = make_stack(max_retry=1)
    stack.add(alpha, priority=200)
    stack.add(beta, priority=100)
    alpha.always(status=500)
    page = inside.page
    inside.go(f"playground?model={stack.name}")
    inside.click("Make a key for this")
    page.get_by_label("Message").fill("Hello!")
    expect(page.get_by_role("button", name="Send")).to_be_enabled()
    page.get_by_label("Message").press("Control+Enter")
    attempts = page.locator(".attempt")
    expect(attempts).to_have_count(2)
    expect(attempts.first).to_contain_text(stack.providers[0]["name"])
    expect(attempts.first).to_contain_text("500 server_error")
    expect(attempts.last).to_contain_text(stack.providers[1]["name"])


def test_a_wrong_admin_key_is_told_where_it_was_entered(empty: Visit) -> None:
    page = empty.page
    page.goto(empty.origin)
    page.get_by_label("Admin key").fill("wrong")
    empty.click("Sign in")
    expect(page.get_by_label("Admin key")).to_have_attribute("aria-invalid", "true")
    assert page.evaluate("sessionStorage.length") == 0


def test_who_signs_out_leaves_nothing_behind(inside: Visit) -> None:
    page = inside.page
    assert page.evaluate("sessionStorage.getItem('admin-key')") == ADMIN_KEY
    inside.click("Sign out")
    page.get_by_label("Admin key").wait_for()
    assert ADMIN_KEY not in page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")


def test_a_provider_that_goes_down_is_seen_within_two_seconds(gateway: Gateway, browser: Browser, make_stack, alpha: Simulator) -> None:
    """By the page's own clock, which stands still but for those two seconds, so that a busy processor does not matter."""
    stack = make_stack(alpha)
    visit = Visit.begin(browser, gateway.url)
    page = visit.page
    page.clock.install()
    visit.sign_in(ADMIN_KEY)
    row = page.locator("tr", has_text=stack.providers[0]["name"])
    expect(row).to_contain_text("healthy")
    page.clock.pause_at(datetime.now() + timedelta(minutes=1))
    with page.expect_response("**/api/health"):
        page.clock.run_for(2000)
    expect(row.get_by_text("healthy", exact=True)).to_be_visible()
    alpha.always(status=401)
    with pytest.raises(Exception, match="502|401"):
        ask(stack)
    page.clock.run_for(2000)
    expect(row.get_by_text("unhealthy", exact=True)).to_be_visible()
    visit.end()


def test_a_chart_tells_its_latest_values(inside: Visit, make_stack, alpha: Simulator) -> None:
    ask(make_stack(alpha))
    legend = inside.page.locator(".u-legend").first
    expect(legend).to_contain_text("answered")
    expect(legend.locator(".u-value").first).not_to_have_text("–")


def test_outcomes_are_asked_for_where_one_looks(empty: Visit, alpha: Simulator) -> None:
    page = empty.page
    asked = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/status") else None)
    empty.sign_in(ADMIN_KEY)
    send = "([path, body]) => fetch(`../api/${path}`, { method: 'POST', headers: { authorization: `Bearer ${sessionStorage.getItem('admin-key')}`, 'content-type': 'application/json' }, body: JSON.stringify(body) }).then(it => it.json())"
    provider = page.evaluate(send, ["providers", {"name": "p", "type": "openai", "config": {"base_url": alpha.base_url, "api_key": PROVIDER_KEY}}])
    for number in range(30):
        model = page.evaluate(send, ["models", {"name": f"m{number:02}"}])
        page.evaluate(send, ["model-providers", {"model_id": model["id"], "provider_id": provider["id"], "provider_model": "up"}])
    empty.go("models")
    last = page.get_by_role("region", name="m29")
    expect(last).to_be_attached()

    def all_have_asked_who_do() -> bool:
        before = len(set(asked))
        page.wait_for_timeout(500)
        return 0 < before == len(set(asked))

    wait_for(all_have_asked_who_do, "outcomes of what is on the screen")
    seen = set(asked)
    assert len(seen) < 20
    with page.expect_request(lambda request: request.url.endswith("/status") and request.url not in seen):
        last.scroll_into_view_if_needed()


def test_a_route_is_explained(inside: Visit, make_stack, alpha: Simulator, beta: Simulator) -> None:
    stack = make_stack(alpha)
    stack.add(beta, {"tool_call": False})
    able, unable = (provider["name"] for provider in stack.providers)
    inside.go(f"route?model={stack.name}")
    tried, left_out = (inside.page.locator("section", has=inside.page.get_by_role("heading", name=name)) for name in ("Tried, in this order", "Left out"))
    expect(tried).to_contain_text(able)
    expect(tried).to_contain_text(unable)
    inside.page.get_by_label("has tools").check()
    expect(left_out).to_contain_text(unable)
    expect(left_out).to_contain_text("tool")
    expect(tried).not_to_contain_text(unable)


def test_a_request_is_opened_with_its_attempts(inside: Visit, make_stack, alpha: Simulator, beta: Simulator) -> None:
    stack = make_stack(max_retry=1)
    stack.add(alpha, priority=200)
    stack.add(beta, priority=100)
    alpha.always(status=500)
    inside.go(f"logs?model={stack.name}")
    expect(inside.page.get_by_text("No request is like that")).to_be_visible()
    ask(stack)
    # It comes by itself.
    inside.page.locator("tbody tr.opens").first.click()
    attempts = inside.page.locator("dialog .attempt")
    expect(attempts).to_have_count(2)
    expect(attempts.first).to_contain_text("500 server_error")
    expect(attempts.last).to_contain_text(stack.providers[1]["name"])
    expect(inside.page.locator("dialog")).to_contain_text(stack.rows(1)[0]["request_id"])


def test_the_log_is_live_unless_it_is_paused_and_finds_texts(inside: Visit, make_stack, alpha: Simulator) -> None:
    stack = make_stack(alpha)
    inside.go(f"logs?model={stack.name}")
    rows = inside.page.locator("tbody tr.opens")
    expect(inside.page.get_by_text("No request is like that")).to_be_visible()
    ask(stack)
    expect(rows).to_have_count(1)
    inside.click("Paused")
    ask(stack)
    stack.rows(2)
    expect(rows).to_have_count(1)
    inside.click("Live")
    expect(rows).to_have_count(2)
    text = inside.page.get_by_label("Text", exact=True)
    text.fill("nowhere at all")
    text.blur()
    expect(inside.page.get_by_text("No request is like that")).to_be_visible()
    text.fill(stack.providers[0]["name"].upper())
    text.blur()
    expect(rows).to_have_count(2)


def test_a_provider_tells_how_its_state_changed(inside: Visit, make_stack, alpha: Simulator) -> None:
    stack = make_stack(alpha)
    alpha.always(status=401)
    with contextlib.suppress(openai.APIStatusError):
        ask(stack)
    name = stack.providers[0]["name"]
    inside.go("providers")
    inside.page.get_by_role("button", name=name, exact=True).first.click()
    change = inside.page.locator("dialog .transitions li").first
    expect(change).to_contain_text("healthy")
    expect(change).to_contain_text("misconfigured")


def test_a_key_is_made_shown_once_and_revoked(inside: Visit, gateway: Gateway) -> None:
    page = inside.page
    inside.go("keys")
    inside.click("Create a key")
    page.get_by_label("Name", exact=True).fill("short-lived")
    page.get_by_role("button", name="Create", exact=True).click()
    key = page.locator("#new-key").inner_text()
    assert gateway.openai(key).models.list() is not None
    inside.click("I have it")
    row = page.locator("tr", has_text="short-lived")
    expect(row).to_contain_text(key[:12])
    assert key not in page.content()
    row.get_by_role("button", name="Revoke").click()
    expect(page.locator("dialog")).to_contain_text("short-lived")
    page.locator("dialog").get_by_role("button", name="Revoke").click()
    expect(row).to_have_count(0)
    assert gateway.http.get("/v1/models", headers={"authorization": f"Bearer {key}"}).status_code == 401


def test_limits_of_keys_and_providers_are_set_shown_and_taken_away(inside: Visit, gateway: Gateway, make_stack, alpha: Simulator) -> None:
    page = inside.page
    dialog = page.locator("dialog")
    name = gateway.admin.key("limited", limits={"tpm": 9000, "models": {"gpt-*": {"rpm": 60}, "o3": {"rpm": 5}}})["name"]
    row = page.locator("tr", has_text=name)

    def limits() -> dict | None:
        return next(one for one in gateway.admin.get("/keys", limit=1000)["data"] if one["name"] == name)["limits"]

    def save() -> None:
        inside.click("Save")
        expect(dialog).to_have_count(0)

    inside.go("keys")
    expect(row).to_contain_text("9,000 tokens a minute")
    expect(row).to_contain_text("gpt-*: 60 requests a minute")
    row.get_by_role("button", name="Edit").click()
    dialog.get_by_label("Requests a minute").first.fill("600")
    dialog.get_by_label("Tokens a minute").first.fill("")
    dialog.get_by_role("button", name="Remove these limits").last.click()
    save()
    expect(row).to_contain_text("600 requests a minute")
    assert limits()["rpm"] == 600
    assert limits().get("tpm") is None
    assert list(limits()["models"]) == ["gpt-*"]
    row.get_by_role("button", name="Edit").click()
    dialog.get_by_label("Requests a minute").first.fill("")
    dialog.get_by_role("button", name="Remove these limits").click()
    save()
    expect(row).not_to_contain_text("a minute")
    assert limits() is None
    provider = make_stack(alpha).providers[0]
    inside.go("providers")
    row = page.locator("tr", has_text=provider["name"])
    row.get_by_role("button", name="Edit").click()
    dialog.get_by_label("Tokens a minute").fill("0")
    inside.click("Save")
    expect(dialog.get_by_label("Tokens a minute")).to_have_attribute("aria-invalid", "true")
    dialog.get_by_label("Tokens a minute").fill("70000")
    save()
    assert gateway.admin.get(f"/providers/{provider['id']}")["config"]["tpm"] == 70000


def test_a_key_whose_budget_is_spent_is_told_from_others(inside: Visit, gateway: Gateway) -> None:
    gateway.admin.key("spent", budgets={"month": "0"})
    gateway.admin.key("unspent", budgets={"month": "1"})
    inside.go("keys")
    expect(inside.page.get_by_role("row", name="Choose spent")).to_contain_text("budget spent")
    expect(inside.page.get_by_role("row", name="Choose unspent")).to_contain_text("in use")


def test_a_form_shows_what_the_api_says_at_its_field(inside: Visit, make_stack, alpha: Simulator) -> None:
    page = inside.page
    name = make_stack(alpha).providers[0]["name"]
    inside.go("providers")
    inside.click("Add a provider")
    page.get_by_label("Name", exact=True).fill("new")
    page.get_by_label("Address", exact=True).fill("http://169.254.169.254/v1")
    inside.click("Save")
    expect(page.get_by_label("Address", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Address", exact=True)).to_be_focused()
    page.get_by_label("Address", exact=True).fill(alpha.base_url)
    page.get_by_label("Name", exact=True).fill(name)
    inside.click("Save")
    expect(page.locator("dialog [role=alert]")).to_contain_text("exists already")


def test_it_speaks_chinese_to_who_reads_it(gateway: Gateway, browser: Browser) -> None:
    visit = Visit.begin(browser, gateway.url, locale="zh-CN")
    page = visit.page
    page.goto(visit.origin)
    page.locator("input[type=password]").fill(ADMIN_KEY)
    page.locator("button[type=submit]").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.get_by_role("heading", level=1)).to_have_text("总览")
    page.get_by_label("语言").select_option("en")
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    visit.end()


@pytest.fixture(scope="module")
def full(browser: Browser, gateway: Gateway) -> Visit:
    """An operator who looks at a gateway with something of everything, and stays signed in."""
    simulator = Simulator("gamma")
    stack = Stack.make(gateway, [simulator])
    ask(stack)
    simulator.always(status=500)
    with pytest.raises(Exception, match="502|500"):
        ask(stack)
    gateway.admin.key("reader")
    gateway.admin.post("/prices", {"model_pattern": "gamma*", "input": "1"})
    visit = Visit.begin(browser, gateway.url)
    visit.sign_in(ADMIN_KEY)
    yield visit
    visit.end()
    simulator.close()


def assert_accessible(page: Page) -> None:
    """By axe's rules: nothing is serious or critical."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert not serious, [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in serious]


#: A page, and the button that opens a dialog in it.
DIALOGS = [
    ("providers", "Add a provider"),
    ("providers", "Edit"),
    ("providers", "Import models"),
    ("providers", "Delete"),
    ("models", "Add a model"),
    ("models", "Add a provider"),
    ("models", "Policy"),
    ("models", "Remove"),
    ("policies", "Edit"),
    ("prices", "Add a price"),
    ("keys", "Create a key"),
    ("keys", "Rotate"),
    ("keys", "Revoke"),
]


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_everybody_can_use_its_dialogs(full: Visit, colours: str) -> None:
    page = full.page
    page.emulate_media(color_scheme=colours)
    page.set_viewport_size({"width": 390, "height": 900})
    dialog = page.locator("dialog")
    for name, button in DIALOGS:
        full.go("overview")
        full.go(name)
        page.locator("main").get_by_role("button", name=button, exact=True).first.click()
        expect(dialog).to_be_visible()
        expect(page.locator(".loading")).to_have_count(0)
        assert_accessible(page)
        assert dialog.evaluate("it => it.scrollWidth <= it.clientWidth"), (name, button)
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
    for name in ("logs", "audit"):
        full.go(name)
        page.locator("tbody tr.opens").first.click()
        expect(dialog).to_be_visible()
        expect(page.locator(".loading")).to_have_count(0)
        assert_accessible(page)
        page.keyboard.press("Escape")


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_everybody_can_sign_in(empty: Visit, colours: str) -> None:
    empty.page.emulate_media(color_scheme=colours)
    empty.page.goto(f"{empty.origin}/console/")
    empty.page.get_by_label("Admin key").wait_for()
    assert_accessible(empty.page)


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_everybody_can_use_it(full: Visit, name: str, colours: str) -> None:
    """By axe's rules; what is amiss in what a page asks of other origins or of its policy fails when the visit ends."""
    page = full.page
    page.emulate_media(color_scheme=colours)
    full.go(name)
    page.get_by_role("heading", name=PAGES[name], level=1).wait_for()
    expect(page.locator(".loading")).to_have_count(0)
    assert_accessible(page)
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page is wider than the screen"


def test_the_first_load_is_small(gateway: Gateway, browser: Browser) -> None:
    visit = Visit.begin(browser, gateway.url)
    page = visit.page
    page.goto(visit.origin)
    page.get_by_label("Admin key").wait_for()
    # The pages come after the form.
    page.wait_for_load_state("networkidle")
    sizes = page.evaluate("performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation')).map(it => it.encodedBodySize)")
    assert len(sizes) > 25 and min(sizes) > 0
    assert sum(sizes) < 150_000
    visit.end()


def test_the_form_to_sign_in_waits_for_no_page(empty: Visit) -> None:
    page = empty.page
    held = []
    page.route("**/console/js/frame.js", lambda route: held.append(route))
    page.goto(f"{empty.origin}/console/", wait_until="commit")
    page.get_by_label("Admin key").fill(ADMIN_KEY)
    empty.click("Sign in")
    expect(page.get_by_role("status").filter(has_text="Loading…")).to_be_visible()
    assert held
    for route in held:
        route.continue_()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_pages_that_cannot_be_loaded_are_told(empty: Visit) -> None:
    page = empty.page
    page.route("**/console/js/frame.js", lambda route: route.abort())
    page.goto(f"{empty.origin}/")
    page.get_by_label("Admin key").fill(ADMIN_KEY)
    empty.click("Sign in")
    expect(page.get_by_role("alert")).to_contain_text("could not be loaded")
    page.unroute_all()
    empty.click("Try again")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_filters_of_the_log_are_cleared_together(inside: Visit, make_stack, alpha: Simulator) -> None:
    stack = make_stack(alpha)
    ask(stack)
    stack.rows(1)
    inside.go(f"logs?model={stack.name}")
    rows, status = inside.page.locator("tbody tr").filter(has_text=stack.name), inside.page.get_by_label("Status", exact=True)
    status.press_sequentially("40")
    ask(stack)
    expect(rows).to_have_count(2)
    expect(status).to_have_value("40")  # what is half typed stays, though a row has come
    status.press_sequentially("4")
    status.press("Enter")
    expect(inside.page.get_by_text("No request is like that")).to_be_visible()
    inside.click("Clear the filters")
    expect(status).to_have_value("")
    expect(rows).to_have_count(2)
    expect(inside.page.get_by_role("button", name="Clear the filters")).to_have_count(0)
