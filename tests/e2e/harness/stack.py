"""A model of its own with providers of its own, so that tests that share a gateway do not share health."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .admin import Json
from .database import Row
from .gateway import PROVIDER_KEY, Gateway
from .simulator import Simulator
from .waiting import wait_for

_numbers = itertools.count(1)


@dataclass
class Stack:
    """One model, and its providers in the order they were added."""

    gateway: Gateway
    model: Json
    providers: list[Json] = field(default_factory=list)
    associations: list[Json] = field(default_factory=list)

    @classmethod
    def make(cls, gateway: Gateway, simulators: Iterable[Simulator] = (), **model: Any) -> "Stack":
        """A new model; each simulator is a provider of the same rank and weight."""
        stack = cls(gateway, gateway.admin.model(f"model-{next(_numbers)}", **model))
        for simulator in simulators:
            stack.add(simulator)
        return stack

    @property
    def name(self) -> str:
        return self.model["name"]

    def add(
        self,
        simulator: Simulator,
        association: Json | None = None,
        api_key: str = PROVIDER_KEY,
        kind: str = "openai",
        provider_model: str | None = None,
        **config: Any,
    ) -> Json:
        """Makes a provider of the simulator, of this type, and gives it the model."""
        admin = self.gateway.admin
        name = f"{simulator.name}-{next(_numbers)}"
        # What the vendor's own SDK takes: OpenAI's ends in the version, the others' before it.
        address = simulator.base_url if kind == "openai" else simulator.base_url.removesuffix("/v1")
        provider = admin.provider(name, address, api_key, kind=kind, **config)
        self.providers.append(provider)
        provider_model = provider_model or f"{self.name}-at-{simulator.name}"
        self.associations.append(admin.associate(self.model, provider, provider_model, **association or {}))
        return provider

    def rows(self, count: int) -> list[Row]:
        """The model's request rows, when there are `count`; more are an error."""
        where = f"model = '{self.name}'"

        def written() -> bool:
            return len(self.gateway.database.request_logs(where)) >= count

        wait_for(written, f"{count} rows of {self.name}")
        rows = self.gateway.database.request_logs(where)
        assert len(rows) == count
        return rows
