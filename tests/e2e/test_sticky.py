"""Sessions under the strategy `sticky` keep to one provider on every gateway, which need not tell each other of them."""

from conftest import MakeDatabase, MakeGateway
from harness.gateway import Gateway, migrate
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for
from test_sdk import asking

SESSIONS = [f"session-{number}" for number in range(24)]


def provider(gateway: Gateway, stack: Stack, session: str) -> str:
    answer = gateway.openai().chat.completions.with_raw_response.create(
        model=stack.name, messages=asking("Hello"), extra_headers={"x-gateway-session": session}
    )
    return answer.headers["x-gateway-provider"]


def test_a_session_meets_the_same_provider_through_any_gateway(
    make_gateway: MakeGateway, make_database: MakeDatabase, alpha: Simulator, beta: Simulator
) -> None:
    database = make_database()
    migrate(database)
    here, there = make_gateway(database), make_gateway(database)
    stack = Stack.make(here, [alpha, beta])
    here.admin.policy(stack.model, strategy="sticky")
    met = {session: provider(here, stack, session) for session in SESSIONS}
    assert len(set(met.values())) == 2, "sessions are shared out"
    read = lambda: there.admin.http.get("/route", params={"model": stack.name}).json().get("strategy") == "sticky"  # noqa: E731
    wait_for(read, "the policy, there")
    assert {session: provider(there, stack, session) for session in SESSIONS} == met
    there.stop()
    there.restart()
    assert {session: provider(there, stack, session) for session in SESSIONS} == met
