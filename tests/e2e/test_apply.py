"""Objects that a file declares: the diff, its application, what is protected from then on, and the way out."""

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from conftest import MakeDatabase, MakeGateway
from harness.database import Database
from harness.gateway import ADMIN_KEY, CLIENT_KEY, PROVIDER_KEY, SECRET_KEY, Gateway, free_port, migrate
from harness.process import run
from harness.simulator import Simulator
from harness.waiting import wait_for

#: A client key that only the file and its holder know.
DECLARED_KEY = "sk-declared-by-a-file-0123456789"


def document(simulator: Simulator, models: int = 2, timeout: int = 30) -> str:
    """A provider, so many models on it, a policy, a price and a key."""
    text = f"""version = 1

[[providers]]
name = "declared"
type = "openai"
[providers.config]
base_url = "{simulator.base_url}"
api_key = "env:DECLARED_PROVIDER_KEY"

[[policies]]
model = "declared-0"
strategy = "round_robin"

[[prices]]
provider = "declared"
model_pattern = "declared-*"
input = "1"
output = "2"

[[keys]]
name = "declared"
key = "env:DECLARED_CLIENT_KEY"
"""
    for number in range(models):
        text += f"""
[[models]]
name = "declared-{number}"
timeout = {timeout}

[[associations]]
model = "declared-{number}"
provider = "declared"
provider_model = "declared-{number}"
"""
    return text


class Repository:
    """A folder with the file, and the command that applies it."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.file = folder / "models.toml"
        self._variables = {
            "DATABASE_URL": database.url,
            "GATEWAY_SECRET_KEY": SECRET_KEY,
            "GATEWAY_SPOOL_DIR": str(folder / "spool"),
            "DECLARED_PROVIDER_KEY": PROVIDER_KEY,
            "DECLARED_CLIENT_KEY": DECLARED_KEY,
        }

    def apply(self, text: str, *flags: str) -> CompletedProcess[str]:
        self.file.write_text(text)
        done = run("gateway", "apply", str(self.file), *flags, **self._variables)
        for secret in (PROVIDER_KEY, DECLARED_KEY, SECRET_KEY):
            assert secret not in done.stdout + done.stderr
        return done

    def applied(self, text: str, *flags: str) -> str:
        done = self.apply(text, *flags)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    database = make_database()
    migrate(database)
    return database


@pytest.fixture
def gateway(make_gateway: MakeGateway, database: Database) -> Gateway:
    return make_gateway(database, DECLARED_PROVIDER_KEY=PROVIDER_KEY)


@pytest.fixture
def repository(tmp_path: Path, database: Database) -> Repository:
    return Repository(tmp_path, database)


def names(gateway: Gateway, path: str) -> set[str]:
    return {one["name"] for one in gateway.admin.get(path)["data"]}


def test_a_file_is_shown_as_a_diff_then_applied_and_live(
    gateway: Gateway, database: Database, repository: Repository, alpha: Simulator
) -> None:
    text = document(alpha)
    shown = repository.apply(text, "--dry-run", "--detailed-exitcode")
    assert shown.returncode == 2
    assert "+ model declared-0\n" in shown.stdout and "+ association declared-1 -> declared/declared-1" in shown.stdout
    assert shown.stdout.rstrip().endswith("8 to create, 0 to change, 0 to delete, 0 unchanged")
    assert database.count("models") == database.count("declared_objects") == 0

    assert "8 created" in repository.applied(text)
    again = repository.apply(text, "--detailed-exitcode")
    assert (again.returncode, again.stdout) == (0, "0 created, 0 changed, 0 deleted, 8 unchanged\n")
    client = gateway.openai(DECLARED_KEY)
    wait_for(lambda: "declared-1" in {model.id for model in gateway.openai().models.list()}, "the models, live")
    for model in ("declared-0", "declared-1"):
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hello"}])
    asked = "model LIKE 'declared-%'"
    rows = wait_for(lambda: len(database.request_logs(asked)) == 2 and database.request_logs(asked), "two rows")
    assert {row["user_id"] for row in rows} == {"declared"} and all(row["cost"] for row in rows)

    changed = repository.applied(document(alpha, timeout=45))
    assert "~ model declared-0\n    ~ timeout: 30 -> 45\n" in changed
    assert {model["timeout"] for model in gateway.admin.get("/models")["data"]} == {45}
    audited = gateway.admin.get("/audit", action="apply")["data"]
    assert [entry["object_name"] for entry in audited] == ["models.toml", "models.toml"]
    assert PROVIDER_KEY not in json.dumps(audited)


def test_what_is_declared_is_changed_in_its_file_only(
    gateway: Gateway, repository: Repository, alpha: Simulator
) -> None:
    admin = gateway.admin
    repository.applied(document(alpha))
    by_path = {
        path: admin.get(path)["data"][0] for path in ("/providers", "/models", "/model-providers", "/prices", "/keys")
    }
    for path, one in by_path.items():
        assert one["declared_by"] == "models.toml", path
        for refused in (
            admin.http.patch(f"{path}/{one['id']}", json={"enabled": False} if path != "/prices" else {"input": "9"}),
            admin.http.delete(f"{path}/{one['id']}", params={"force": "true"} if path == "/providers" else None),
        ):
            assert refused.status_code == 409, (path, refused.text)
            assert "declared by models.toml" in refused.json()["error"]["message"]
    first = min(model["id"] for model in admin.get("/models")["data"])
    assert admin.get(f"/policies/{first}")["declared_by"] == "models.toml"
    refusals = [
        admin.http.put(f"/policies/{first}", json={"strategy": "sticky"}),
        admin.http.delete(f"/policies/{first}"),
        admin.http.post(f"/keys/{by_path['/keys']['id']}/rotate", json={}),
    ]
    assert [refused.status_code for refused in refusals] == [409, 409, 409]

    # Imports keep to it as well, and what would take a declared object with it does not go.
    imported = admin.http.post("/import", json={"models": [{"name": "declared-0", "timeout": 99}]})
    assert imported.status_code == 422 and "declared by models.toml" in imported.text
    pruned = admin.http.post("/import?prune=true", json={"keys": []})
    assert pruned.status_code == 422 and "declared by models.toml" in pruned.text
    export = admin.http.get("/export").json()
    assert admin.http.post("/import", json=export).json()["summary"]["unchanged"] == 8

    # What is not declared is anybody's, also on what is.
    other = admin.model("by-hand")
    admin.associate(other, by_path["/providers"], "by-hand")
    assert admin.patch(f"/models/{other['id']}", {"timeout": 5})["declared_by"] is None


def test_what_a_file_names_no_more_stays_goes_or_is_let_go(
    gateway: Gateway, repository: Repository, alpha: Simulator
) -> None:
    by_hand = gateway.admin.model("by-hand")
    repository.applied(document(alpha))
    kept = repository.applied(document(alpha, models=1))
    assert "! models: model 'declared-1' is not declared here any more, and stays" in kept
    assert names(gateway, "/models") == {"by-hand", "declared-0", "declared-1"}

    shown = repository.apply(document(alpha, models=1), "--prune", "--dry-run", "--detailed-exitcode")
    assert shown.returncode == 2 and "- model declared-1\n" in shown.stdout
    assert "2 to delete" in shown.stdout and "by-hand" not in shown.stdout
    assert names(gateway, "/models") == {"by-hand", "declared-0", "declared-1"}, "it was only shown"

    pruned = repository.applied(document(alpha, models=1), "--prune")
    assert "- model declared-1\n" in pruned and "- association declared-1 -> declared/declared-1" in pruned
    assert names(gateway, "/models") == {"by-hand", "declared-0"}, "what was made by hand is not the file's to delete"

    released = repository.applied("version = 1\n", "--release")
    assert '    - declared_by: "models.toml"' in released
    model = next(one for one in gateway.admin.get("/models")["data"] if one["id"] != by_hand["id"])
    assert model["declared_by"] is None
    gateway.admin.patch(f"/models/{model['id']}", {"timeout": 7})

    adopted = repository.applied(document(alpha, models=1))
    assert '    + declared_by: "models.toml"' in adopted and "~ timeout: 7 -> 30" in adopted


def test_a_wrong_file_changes_nothing_and_tells_all_that_is_wrong(
    gateway: Gateway, database: Database, repository: Repository, alpha: Simulator
) -> None:
    wrong = document(alpha) + '\n[[models]]\nname = "late"\ntimeout = -1\n\n[[keys]]\nname = "bad"\nkey = "env:NOT_SET_HERE"\n'
    done = repository.apply(wrong)
    assert done.returncode == 1 and "NOT_SET_HERE" in done.stderr, done.stderr
    done = repository.apply(document(alpha) + '\n[[models]]\nname = "late"\ntimeout = -1\n\n[[associations]]\nmodel = "none"\nprovider = "declared"\nprovider_model = "x"\n')
    assert done.returncode == 1
    assert "models[2].timeout" in done.stderr and "there is no model 'none'" in done.stderr, done.stderr
    assert "unknown" in repository.apply("[[model]]\nname = 'x'\n").stderr
    assert database.count("models") == database.count("declared_objects") == 0

    # Two files do not fight over an object.
    repository.applied(document(alpha))
    fought = repository.apply(document(alpha, timeout=60), "--owner", "another")
    assert fought.returncode == 1 and "is declared by models.toml" in fought.stderr
    assert {model["timeout"] for model in gateway.admin.get("/models")["data"]} == {30}


def test_the_settings_file_may_declare_objects(
    make_gateway: MakeGateway, database: Database, tmp_path: Path, alpha: Simulator
) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text("log_retention_days = 7\n" + document(alpha))
    variables = {"DECLARED_PROVIDER_KEY": PROVIDER_KEY, "DECLARED_CLIENT_KEY": DECLARED_KEY}
    first = make_gateway(database, GATEWAY_CONFIG=str(config), **variables)
    assert {model["declared_by"] for model in first.admin.get("/models")["data"]} == {"gateway.toml"}
    message = [{"role": "user", "content": "hello"}]
    first.openai(DECLARED_KEY).chat.completions.create(model="declared-0", messages=message)
    make_gateway(database, GATEWAY_CONFIG=str(config), **variables)
    assert len(first.admin.get("/audit", action="apply")["data"]) == 1, "a start that changes nothing tells of nothing"

    config.write_text(document(alpha, timeout=0))
    refused = run("gateway", DATABASE_URL=database.url, GATEWAY_CONFIG=str(config), GATEWAY_ADMIN_KEY=ADMIN_KEY,
                  GATEWAY_API_KEYS=CLIENT_KEY, GATEWAY_SECRET_KEY=SECRET_KEY, GATEWAY_SPOOL_DIR=str(tmp_path / "spool"),
                  GATEWAY_LISTEN=f"127.0.0.1:{free_port()}", **variables)  # fmt: skip
    assert refused.returncode == 1 and "models[0].timeout" in refused.stderr, refused.stderr
