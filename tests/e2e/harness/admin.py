"""The admin API, as far as the tests configure through it."""

from typing import Any

import httpx

Json = dict[str, Any]


class Admin:
    """Calls that must succeed answer their JSON; `http` is for those that must not."""

    def __init__(self, url: str, key: str | None) -> None:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self.http = httpx.Client(base_url=f"{url}/api", headers=headers, timeout=30)

    def get(self, path: str, **parameters: Any) -> Any:
        return self._checked(self.http.get(path, params=parameters), 200)

    def post(self, path: str, body: Json) -> Json:
        return self._checked(self.http.post(path, json=body), 201)

    def patch(self, path: str, body: Json) -> Json:
        return self._checked(self.http.patch(path, json=body), 200)

    def delete(self, path: str, **parameters: Any) -> None:
        self._checked(self.http.delete(path, params=parameters), 204)

    def provider(
        self, name: str, base_url: str, api_key: str, enabled: bool = True, kind: str = "openai", **config: Any
    ) -> Json:
        whole = {"base_url": base_url, "api_key": api_key, **config}
        return self.post("/providers", {"name": name, "type": kind, "config": whole, "enabled": enabled})

    def model(self, name: str, **fields: Any) -> Json:
        return self.post("/models", {"name": name, **fields})

    def associate(self, model: Json, provider: Json, provider_model: str, **fields: Any) -> Json:
        ids = {"model_id": model["id"], "provider_id": provider["id"]}
        return self.post("/model-providers", {**ids, "provider_model": provider_model, **fields})

    def policy(self, model: Json, **fields: Any) -> Json:
        return self._checked(self.http.put(f"/policies/{model['id']}", json=fields), 200)

    def key(self, name: str, **fields: Any) -> Json:
        """A client key; its secret is under `key`."""
        return self.post("/keys", {"name": name, **fields})

    def close(self) -> None:
        self.http.close()

    @staticmethod
    def _checked(response: httpx.Response, status: int) -> Any:
        request = response.request
        assert response.status_code == status, f"{request.method} {request.url}: {response.status_code} {response.text}"
        return response.json() if response.content else None
