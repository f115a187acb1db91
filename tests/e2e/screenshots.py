"""Takes pictures of every page of the console into docs/screenshots: `make screenshots`, or `make screenshots ONLY="keys logs"`.

Those in Chinese need a font that has the characters, such as Debian's fonts-noto-cjk: without one none are taken.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import openai
from PIL import Image
from playwright.sync_api import Page

from harness.browser import Visit, chromium
from harness.database import create
from harness.gateway import ADMIN_KEY, Gateway, migrate
from harness.process import REPOSITORY
from harness.showcase import PROVIDERS, configure, remember
from harness.simulator import Simulator

FOLDER = REPOSITORY / "docs/screenshots"
PAGES = ("overview", "logs", "spend", "audit", "providers", "models", "policies", "route", "prices", "keys", "playground", "quickstart", "documents", "settings")
#: What pictures are taken of: colours, width, height, language.
LOOKS = {"light": ("light", 1440, 900, "en-GB"), "dark": ("dark", 1440, 900, "en-GB"), "narrow": ("light", 390, 844, "en-GB"), "chinese": ("light", 1440, 900, "zh-CN")}


def playground(page: Page) -> None:
    page.get_by_label("Message").fill("Why is the sky blue?")
    page.get_by_role("button", name="Send", exact=True).click()
    page.locator("#route dd").nth(5).filter(has_text="out").wait_for()
    page.locator(".attempt").first.wait_for()


def one_log(page: Page) -> None:
    page.locator("tbody tr.opens", has_text="2").first.wait_for()
    page.locator("tbody tr.opens button").nth(4).click()
    page.locator("dialog .timeline").wait_for()


def new_provider(page: Page) -> None:
    page.get_by_role("button", name="Add a provider").click()
    page.get_by_label("Name", exact=True).fill("openai-main")
    page.get_by_role("button", name="Save").click()
    page.locator("dialog [role=alert]").wait_for()


def import_report(page: Page) -> None:
    document = {
        "providers": [{"name": "vllm-onprem", "config": {"priority": 80, "rpm": 600}}, {"name": "mistral", "type": "openai", "config": {"base_url": "https://api.mistral.ai/v1", "api_key": "****"}}],
        "models": [{"name": "fast", "timeout": 20}],
        "associations": [{"model": "fast", "provider": "mistral", "provider_model": "mistral-small-latest"}],
    }
    chosen = {"name": "gateway.json", "mimeType": "application/json", "buffer": json.dumps(document).encode()}
    page.get_by_label("File", exact=True).set_input_files(chosen)
    page.get_by_role("button", name="See what would change").click()
    page.get_by_role("table", name="Changes").wait_for()


#: Pages that are shown after something was done in them: the picture's name, the page, and what is done.
DONE: dict[str, tuple[str, Callable[[Page], None]]] = {
    "log-entry": ("logs", one_log),
    "provider-form": ("providers", new_provider),
    "import": ("documents", import_report),
}


def take(page: Page, name: str) -> None:
    page.wait_for_timeout(900)
    path = FOLDER / f"{name}.png"
    page.screenshot(path=path)
    # A palette is a third of the size, and pages have few colours.
    Image.open(path).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


def has_chinese() -> bool:
    """Whether a font has the characters; else there would be pictures of empty boxes."""
    listed = subprocess.run(["fc-list", ":lang=zh-cn"], capture_output=True, text=True, check=True)
    return listed.stdout.strip() != ""


def main(only: list[str]) -> None:
    if not has_chinese():
        sys.exit("A font for Chinese is needed: on Debian and Ubuntu install fonts-noto-cjk")

    def is_wanted(name: str) -> bool:
        return not only or name in only

    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        database = create("sqlite", Path(folder))
        migrate(database)
        simulators = {name: Simulator(name) for name, *_ in PROVIDERS}
        gateway = Gateway(database, Path(folder))
        try:
            configure(gateway, simulators)
            remember(gateway)
            client_key = gateway.admin.key("playground")["key"]
            client = gateway.openai(client_key)
            simulators["azure-westeurope"].script({"rate": 0.3, "do": {"status": 500}})
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda number: ask(client, number), range(36)))
            simulators["azure-westeurope"].always(status=500)
            simulators["vllm-onprem"].always(status=401)
            ask(client, 3)
            with chromium() as browser:
                for look, (colours, width, height, locale) in LOOKS.items():
                    visit = Visit.begin(browser, gateway.url, locale=locale, color_scheme=colours, viewport={"width": width, "height": height})
                    page = visit.page
                    page.goto(f"{gateway.url}/console/")
                    page.locator("input[type=password]").wait_for()
                    if is_wanted("signin"):
                        take(page, f"signin-{look}")
                    page.evaluate("key => { sessionStorage.setItem('admin-key', key[0]); sessionStorage.setItem('client-key', key[1]) }", [ADMIN_KEY, client_key])
                    page.reload()
                    for name in PAGES if look != "chinese" else ("overview", "models"):
                        if not is_wanted(name):
                            continue
                        visit.go(name)
                        page.wait_for_timeout(300)
                        if name == "overview":
                            page.locator(".head .segments button").nth(2).click()
                        if name == "playground":
                            playground(page)
                        take(page, f"{name}-{look}")
                    if look in ("light", "dark"):
                        for name, (at, do) in DONE.items():
                            if not is_wanted(name):
                                continue
                            visit.go("overview")
                            visit.go(at)
                            do(page)
                            take(page, f"{name}-{look}")
                            page.keyboard.press("Escape")
                    visit.end()
        finally:
            gateway.close()
            for simulator in simulators.values():
                simulator.close()


def ask(client: openai.OpenAI, number: int) -> None:
    model = ("gpt-5", "fast", "claude-sonnet-4-5", "qwen3")[number % 4]
    messages = [{"role": "user", "content": f"Question {number}"}]
    with suppress(openai.APIError):
        for _ in client.chat.completions.create(model=model, messages=messages, stream=True):
            pass


if __name__ == "__main__":
    main(sys.argv[1:])
