"""Import and export in the console: what would change is seen before it is, and faults are found again in the file."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from conftest import MakeGateway
from harness.browser import Visit, chromium
from harness.gateway import ADMIN_KEY, PROVIDER_KEY, Gateway
from harness.process import REPOSITORY
from harness.simulator import Simulator
from test_documents import HEADERS, PASSPHRASE, configure, export, workbook

pytestmark = pytest.mark.sqlite_only

# A limit that only a failure reaches, also where the processor has much to do.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def gateway(make_gateway: MakeGateway) -> Gateway:
    """One of its own, since documents speak of all that there is."""
    return make_gateway()


@pytest.fixture
def inside(gateway: Gateway, browser: Browser) -> Iterator[Visit]:
    visit = Visit.begin(browser, gateway.url)
    visit.page.set_default_timeout(30_000)
    visit.sign_in(ADMIN_KEY)
    visit.go("documents")
    visit.page.get_by_role("heading", name="Import and export", level=1).wait_for()
    yield visit
    visit.end()


def part(visit: Visit, name: str) -> Locator:
    return visit.page.get_by_role("region", name=name, exact=True)


def look(visit: Visit, name: str, content: bytes) -> None:
    """Chooses a file and asks what it would change."""
    chosen = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    part(visit, "Import").get_by_label("File", exact=True).set_input_files(chosen)
    visit.click("See what would change")


def test_a_workbook_with_an_error_in_row_3_is_mended_and_imported(inside: Visit, gateway: Gateway, alpha: Simulator) -> None:
    headers = HEADERS["original"]

    def book(weight: int | str) -> bytes:
        return workbook(
            Providers=[
                headers["Providers"],
                ["first", "openai", PROVIDER_KEY, alpha.base_url, 100, 100, True],
                ["second", "openai", PROVIDER_KEY, alpha.base_url, 100, weight, True],
            ],
            Models=[headers["Models"], ["m", "what clients ask for", 3, 30]],
            Associations=[headers["Associations"], ["m", "second", "up", True, False, 1, True]],
        )

    page = inside.page
    look(inside, "providers.xlsx", book("a lot"))
    faults = page.get_by_role("table", name="Faults")
    expect(faults.locator("tbody tr")).to_have_count(1)
    expect(faults).to_contain_text("Providers, row 3, column weight")
    expect(faults).to_contain_text("a lot")
    expect(page.get_by_role("button", name="Import it")).to_have_count(0)
    assert gateway.admin.get("/providers")["data"] == []
    look(inside, "providers.xlsx", book(40))
    expect(faults).to_have_count(0)
    changes = page.get_by_role("table", name="Changes")
    expect(changes.locator("tbody tr")).to_have_count(4)
    expect(changes.locator("tr", has_text="second").first).to_contain_text("config.weight 40")
    assert PROVIDER_KEY not in page.content()
    assert gateway.admin.get("/providers")["data"] == [], "so far it was only looked at"
    inside.click("Import it")
    expect(page.get_by_role("heading", name="This was changed")).to_be_visible()
    assert [one["name"] for one in gateway.admin.get("/providers")["data"]] == ["second", "first"]
    answer = gateway.openai().chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello"}])
    assert answer.choices
    look(inside, "providers.xlsx", book(40))
    expect(part(inside, "Import")).to_contain_text("Nothing changes")
    expect(page.get_by_role("button", name="Import it")).to_have_count(0)


def test_the_configuration_of_another_gateway_comes_with_what_it_lacks(inside: Visit, gateway: Gateway) -> None:
    page = inside.page
    config = (REPOSITORY / "crates/admin/fixtures/foreign/litellm.yaml").read_bytes()
    look(inside, "config.yaml", config)
    notes = page.get_by_role("table", name="What to know")
    expect(notes.locator("tr", has_text="model_list[8]")).to_contain_text("cohere/command-r-plus")
    expect(page.get_by_role("table", name="Changes")).to_contain_text("gpt-4o-mini")
    # Of a file whose name does not tell, it is said whose it is.
    part(inside, "Import").get_by_label("Written by").select_option("litellm")
    look(inside, "backup.txt", config)
    inside.click("Import it")
    expect(page.get_by_role("heading", name="This was changed")).to_be_visible()
    names = {one["name"] for one in gateway.admin.get("/models")["data"]}
    assert {"gpt-4o", "gpt-4", "claude", "local"} <= names


def test_what_an_import_deletes_is_named_before_it_goes(inside: Visit, gateway: Gateway, alpha: Simulator) -> None:
    page = inside.page
    gateway.admin.provider("kept", alpha.base_url, PROVIDER_KEY)
    gateway.admin.provider("forgotten", alpha.base_url, PROVIDER_KEY)
    document = {"providers": [{"name": "kept", "config": {"priority": 7}}]}
    page.get_by_label("Delete what the document's sections do not name").check()
    look(inside, "gateway.json", json.dumps(document).encode())
    row = page.get_by_role("table", name="Changes").locator("tr", has_text="kept")
    expect(row).to_contain_text("config.priority 100 → 7")
    inside.click("Import it")
    dialog = page.locator("dialog")
    expect(dialog).to_contain_text("Provider forgotten")
    dialog.get_by_role("button", name="Cancel").click()
    assert len(gateway.admin.get("/providers")["data"]) == 2
    inside.click("Import it")
    dialog.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("heading", name="This was changed")).to_be_visible()
    (kept,) = gateway.admin.get("/providers")["data"]
    assert (kept["name"], kept["config"]["priority"]) == ("kept", 7)


def test_exports_are_downloaded_plain_and_sealed(inside: Visit, gateway: Gateway, alpha: Simulator) -> None:
    page = inside.page
    configure(gateway, alpha)
    section = part(inside, "Export")

    def save(button: str = "Download") -> tuple[str, bytes]:
        with page.expect_download() as download:
            section.get_by_role("button", name=button, exact=True).click()
        return download.value.suggested_filename, Path(download.value.path()).read_bytes()

    assert save() == ("gateway.json", export(gateway))
    section.get_by_role("button", name="TOML").click()
    assert save() == ("gateway.toml", export(gateway, "toml"))
    name, template = save("Workbook to fill in")
    assert (name, template[:2]) == ("template.xlsx", b"PK")
    section.get_by_role("button", name="JSON").click()
    section.get_by_label("With provider keys, sealed under a passphrase").check()
    expect(section.get_by_role("button", name="Download")).to_be_disabled()
    section.get_by_label("Passphrase", exact=True).fill("口令".ljust(12, "x"))
    name, sealed = save()
    assert (name, sealed.count(b"passphrase:v1:")) == ("gateway.json", 3)
    assert PROVIDER_KEY.encode() not in sealed
    # The page opens what it has sealed, and nobody without the passphrase does.
    look(inside, "gateway.json", sealed)
    expect(page.get_by_role("table", name="Faults")).to_contain_text("providers[0].config.api_key")
    part(inside, "Import").get_by_label("Passphrase", exact=True).fill(PASSPHRASE)
    inside.click("See what would change")
    expect(page.get_by_role("table", name="Faults")).to_contain_text("another passphrase")
    part(inside, "Import").get_by_label("Passphrase", exact=True).fill("口令".ljust(12, "x"))
    inside.click("See what would change")
    expect(part(inside, "Import")).to_contain_text("Nothing changes")


def test_a_report_is_readable_by_everybody(inside: Visit) -> None:
    """By axe's rules, with a diff on the page, in both colours and on a narrow screen."""
    page = inside.page
    look(inside, "gateway.json", json.dumps({"models": [{"name": "m"}], "providers": [{"name": "p", "type": "openai", "config": {"api_key": "****"}}]}).encode())
    expect(page.get_by_role("table", name="What to know")).to_contain_text("providers[0].config.api_key")
    axe = (REPOSITORY / "tests/e2e/js/node_modules/axe-core/axe.min.js").read_text()
    for colours in ("light", "dark"):
        page.emulate_media(color_scheme=colours)
        page.evaluate(axe)
        found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
        assert not [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
    page.set_viewport_size({"width": 390, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "the page is wider than the screen"
