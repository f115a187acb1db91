"""Bodies of requests and answers: recorded only where that is asked for, without secrets, and not for long."""

import json

import httpx
import openai
import pytest

from conftest import MakeGateway
from harness.gateway import Gateway
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for

PLANTED = "the planted sentence 5f0c2a"
SECRET = "sk-proj-abcdefghijklmnopqrstuvwx"


def ask(gateway: Gateway, model: str, prompt: str, key: str | None = None, **more) -> str:
    """Answers with the request's id."""
    client = gateway.openai(key) if key else gateway.openai()
    messages = [{"role": "user", "content": prompt}]
    raw = client.chat.completions.with_raw_response.create(model=model, messages=messages, **more)
    answer = raw.parse()
    if more.get("stream"):
        for _ in answer:
            pass
    return raw.headers["x-request-id"]


def bodies(gateway: Gateway, request_id: str) -> dict:
    def recorded() -> dict | None:
        answer = gateway.admin.http.get(f"/logs/{request_id}/bodies")
        return answer.json() if answer.status_code == 200 else None

    return wait_for(recorded, f"bodies of {request_id}")


def table(gateway: Gateway) -> list:
    return gateway.database.execute("SELECT request_id FROM recorded_bodies")


def test_bodies_are_recorded_for_a_model_without_secrets(make_gateway: MakeGateway, alpha: Simulator) -> None:
    gateway = make_gateway(BODY_REDACT="(?i)swordfish")
    stack = Stack.make(gateway, [alpha])
    gateway.admin.policy(stack.model, record_bodies=True)
    alpha.always(text=f"Your key is {SECRET}; the password is Swordfish.")
    prompt = f"{PLANTED}, {SECRET}, swordfish"
    whole = bodies(gateway, ask(gateway, stack.name, prompt))
    asked = json.loads(whole["request"])
    assert asked["messages"][0]["content"] == f"{PLANTED}, [redacted], [redacted]"
    told = json.loads(whole["response"])
    assert told["choices"][0]["message"]["content"] == "Your key is [redacted]; the password is [redacted]."
    # Of a stream it is what was said; a secret that was cut into events is seen too.
    streamed = bodies(gateway, ask(gateway, stack.name, prompt, stream=True))
    assert streamed["response"] == "Your key is [redacted]; the password is [redacted]."
    wait_for(lambda: gateway.metrics()["gateway_bodies_written_total"] == 2, "both counted")
    [_, row] = stack.rows(2)
    assert gateway.admin.get(f"/logs/{row['id']}/bodies") == streamed
    dump = str(gateway.database.execute("SELECT * FROM recorded_bodies"))
    assert SECRET not in dump and "swordfish" not in dump.lower()


def test_bodies_are_recorded_for_a_key_and_bounded(make_gateway: MakeGateway, alpha: Simulator) -> None:
    gateway = make_gateway(BODY_MAX_BYTES="200")
    stack = Stack.make(gateway, [alpha])
    key = gateway.admin.key("recorded", record_bodies=True)["key"]
    alpha.always(text="word " * 1000)
    for stream in (False, True):
        recorded = bodies(gateway, ask(gateway, stack.name, f"{PLANTED} {'long ' * 1000}", key, stream=stream))
        for body in (recorded["request"], recorded["response"]):
            assert body.endswith("\n[cut]") and len(body) == 206
    ask(gateway, stack.name, "another key")
    stack.rows(3)
    assert len(table(gateway)) == 2


def test_what_a_guard_redacts_is_not_recorded(make_gateway: MakeGateway, alpha: Simulator) -> None:
    gateway = make_gateway()
    stack = Stack.make(gateway, [alpha])
    rule = {"name": "planted", "pattern": "planted", "action": "redact"}
    gateway.admin.policy(stack.model, record_bodies=True, guards={"rules": [rule]})
    alpha.always(text=PLANTED)
    for stream in (False, True):
        recorded = bodies(gateway, ask(gateway, stack.name, PLANTED, stream=stream))
        assert "planted" not in str(recorded)
        assert "the [redacted] sentence" in recorded["request"] and "the [redacted] sentence" in recorded["response"]


def test_only_operators_see_bodies(make_gateway: MakeGateway, alpha: Simulator) -> None:
    gateway = make_gateway()
    stack = Stack.make(gateway, [alpha])
    gateway.admin.policy(stack.model, record_bodies=True)
    request_id = ask(gateway, stack.name, PLANTED)
    bodies(gateway, request_id)
    for role, status in (("read-only", 403), ("operator", 200)):
        key = gateway.admin.post("/admin-keys", {"name": role, "role": role})["key"]
        headers = {"authorization": f"Bearer {key}"}
        answer = httpx.get(f"{gateway.url}/api/logs/{request_id}/bodies", headers=headers, timeout=30)
        assert answer.status_code == status, answer.text
    assert gateway.admin.http.get("/logs/no-such-request/bodies").status_code == 404


@pytest.mark.sqlite_only
def test_nothing_is_recorded_unless_asked_for(make_gateway: MakeGateway, alpha: Simulator) -> None:
    gateway = make_gateway()
    stack = Stack.make(gateway, [alpha])
    alpha.always(text=PLANTED)
    ask(gateway, stack.name, PLANTED)
    ask(gateway, stack.name, PLANTED, stream=True)
    stack.rows(2)
    gateway.stop()
    folder = gateway.database.path.parent
    kept = [file for file in folder.rglob("*") if file.is_file()]
    assert kept and all(PLANTED.encode() not in file.read_bytes() for file in kept)
    gateway.restart()
    assert table(gateway) == []
    # And the scan would find it.
    gateway.admin.policy(stack.model, record_bodies=True)
    bodies(gateway, ask(gateway, stack.name, PLANTED))
    gateway.stop()
    assert any(PLANTED.encode() in file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_bodies_go_with_their_retention_and_with_their_rows(make_gateway: MakeGateway, alpha: Simulator) -> None:
    gateway = make_gateway(BODY_RETENTION_DAYS="2")
    stack = Stack.make(gateway, [alpha])
    gateway.admin.policy(stack.model, record_bodies=True)
    old, new = (ask(gateway, stack.name, PLANTED) for _ in range(2))
    bodies(gateway, old)
    bodies(gateway, new)
    stack.rows(2)
    gateway.database.execute(
        f"UPDATE recorded_bodies SET created_at = '2020-01-01 00:00:00' WHERE request_id = '{old}'"
    )
    gateway.stop()
    gateway.restart()
    wait_for(lambda: len(table(gateway)) == 1, "the old bodies gone")
    bodies(gateway, new)
    assert len(gateway.admin.get("/logs")["data"]) == 2, "rows are kept longer"
    gateway.admin.delete("/logs", before="2100-01-01")
    assert table(gateway) == []


def test_a_request_that_is_refused_is_recorded_without_an_answer(make_gateway: MakeGateway, alpha: Simulator) -> None:
    gateway = make_gateway()
    stack = Stack.make(gateway, [alpha], max_retry=0)
    gateway.admin.policy(stack.model, record_bodies=True)
    alpha.always(status=500)
    with pytest.raises(openai.InternalServerError) as failed:
        ask(gateway, stack.name, PLANTED)
    recorded = bodies(gateway, failed.value.response.headers["x-request-id"])
    assert PLANTED in recorded["request"] and recorded["response"] is None
