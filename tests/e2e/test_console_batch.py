"""Many rows at once in the console: chosen, named before they go, and all or none."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from conftest import MakeGateway
from harness.browser import Visit, chromium
from harness.gateway import ADMIN_KEY, PROVIDER_KEY, Gateway
from harness.simulator import Simulator

pytestmark = pytest.mark.sqlite_only

# A limit that only a failure reaches, also where the processor has much to do.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def gateway(make_gateway: MakeGateway, alpha: Simulator) -> Gateway:
    gateway = make_gateway()
    admin = gateway.admin
    model = admin.model("m")
    for name in ("one", "two", "three"):
        admin.associate(model, admin.provider(name, alpha.base_url, PROVIDER_KEY), f"up-{name}")
        admin.key(f"key-{name}")
    admin.model("spare")
    return gateway


@pytest.fixture
def inside(gateway: Gateway, browser: Browser) -> Iterator[Visit]:
    visit = Visit.begin(browser, gateway.url)
    visit.page.set_default_timeout(30_000)
    visit.sign_in(ADMIN_KEY)
    yield visit
    visit.end()


def enabled(gateway: Gateway, path: str) -> dict[str, bool]:
    return {row["name"]: row["enabled"] for row in gateway.admin.get(path)["data"]}


def test_providers_are_disabled_weighted_and_deleted_together(inside: Visit, gateway: Gateway) -> None:
    page = inside.page
    inside.go("providers")
    bar = page.get_by_role("group", name="What is chosen")
    for name in ("one", "three"):
        page.get_by_label(f"Choose {name}", exact=True).check()
    expect(bar).to_contain_text("2 chosen")
    bar.get_by_role("button", name="Disable").click()
    expect(bar).to_have_count(0)
    assert enabled(gateway, "/providers") == {"one": False, "two": True, "three": False}
    page.get_by_label("Choose all").check()
    expect(bar).to_contain_text("3 chosen")
    bar.get_by_role("button", name="Set the weight").click()
    page.locator("dialog").get_by_label("Weight").fill("2000000")
    inside.click("Set")
    expect(page.locator("dialog [role=alert]")).to_contain_text("weight")
    page.locator("dialog").get_by_label("Weight").fill("7")
    inside.click("Set")
    expect(page.locator("dialog")).to_have_count(0)
    assert {row["config"]["weight"] for row in gateway.admin.get("/providers")["data"]} == {7}
    page.get_by_label("Choose two", exact=True).check()
    bar.get_by_role("button", name="Delete").click()
    dialog = page.locator("dialog")
    expect(dialog.locator("strong")).to_have_text("two")
    expect(dialog).to_contain_text("associations")
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog).to_have_count(0)
    assert enabled(gateway, "/providers").keys() == {"one", "three"}
    assert len(gateway.admin.get("/model-providers")["data"]) == 2


def test_associations_models_and_keys_have_it_too(inside: Visit, gateway: Gateway) -> None:
    page = inside.page
    bar, dialog = page.get_by_role("group", name="What is chosen"), page.locator("dialog")
    inside.go("models")
    for name in ("one/up-one", "two/up-two"):
        page.get_by_label(f"Choose {name}", exact=True).check()
    bar.get_by_role("button", name="Remove").click()
    expect(dialog.locator("strong")).to_contain_text("two/up-two")
    dialog.get_by_role("button", name="Remove").click()
    expect(dialog).to_have_count(0)
    assert [row["provider_model"] for row in gateway.admin.get("/model-providers")["data"]] == ["up-three"]
    for name in ("m", "spare"):
        page.get_by_label(f"Choose {name}", exact=True).check()
    bar.get_by_role("button", name="Disable").click()
    expect(bar).to_have_count(0)
    assert enabled(gateway, "/models") == {"m": False, "spare": False}
    inside.go("keys")
    for name in ("key-one", "key-three"):
        page.get_by_label(f"Choose {name}", exact=True).check()
    bar.get_by_role("button", name="Revoke").click()
    expect(dialog.locator("strong")).to_have_text("key-three, key-one")
    dialog.get_by_role("button", name="Revoke").click()
    expect(dialog).to_have_count(0)
    assert enabled(gateway, "/keys").keys() == {"key-two"}


def test_none_goes_where_one_is_gone_already(inside: Visit, gateway: Gateway) -> None:
    page = inside.page
    inside.go("keys")
    for name in ("key-one", "key-two"):
        page.get_by_label(f"Choose {name}", exact=True).check()
    # What is shown stays as it is: the list is not read anew.
    page.route("**/api/keys?*", lambda route: route.abort())
    gone = next(row for row in gateway.admin.get("/keys")["data"] if row["name"] == "key-two")
    gateway.admin.delete(f"/keys/{gone['id']}")
    page.get_by_role("group", name="What is chosen").get_by_role("button", name="Disable").click()
    expect(page.locator(".toasts .bad")).to_contain_text(f"id {gone['id']}")
    assert enabled(gateway, "/keys") == {"key-one": True, "key-three": True}
