"""What is between the gateway and its clients: TLS, proxies before it, pages of other origins."""

import json
import shutil
import signal
import ssl
import subprocess
from pathlib import Path

import httpx
import openai
import pytest

from conftest import MakeDatabase, MakeGateway
from harness.admin import Admin
from harness.gateway import ADMIN_KEY, CLIENT_KEY, PROVIDER_KEY, SECRET_KEY, free_port, migrate
from harness.process import Process, run
from harness.simulator import Simulator
from harness.waiting import wait_for
from test_gateway_start import refused
from test_sdk import asking

pytestmark = pytest.mark.sqlite_only


def certify(folder: Path, name: str = "localhost") -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    assert shutil.which("openssl"), "the program openssl is needed to make certificates"
    certificate, key = folder / "cert.pem", folder / "key.pem"
    folder.mkdir(exist_ok=True)
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


def common_name(port: int) -> str:
    """The name in the certificate that the gateway shows now."""
    shown = ssl.get_server_certificate(("127.0.0.1", port))
    return subprocess.run(
        ["openssl", "x509", "-noout", "-subject", "-nameopt", "multiline"],
        input=shown, text=True, check=True, capture_output=True,
    ).stdout.strip().rpartition("= ")[2]  # fmt: skip


def test_tls_with_a_certificate_that_changes(
    make_database: MakeDatabase, tmp_path: Path, alpha: Simulator
) -> None:
    certificate, key = certify(tmp_path / "first", "one")
    database, port = make_database(), free_port()
    migrate(database)
    settings = {
        "DATABASE_URL": database.url, "GATEWAY_LISTEN": f"127.0.0.1:{port}", "GATEWAY_ADMIN_KEY": ADMIN_KEY,
        "GATEWAY_API_KEYS": CLIENT_KEY, "GATEWAY_SECRET_KEY": SECRET_KEY, "GATEWAY_SPOOL_DIR": str(tmp_path / "spool"),
        "HEALTH_CHECK_ENABLED": "false", "GATEWAY_TLS_CERT": str(certificate), "GATEWAY_TLS_KEY": str(key),
    }  # fmt: skip
    url = f"https://127.0.0.1:{port}"
    process = Process("gateway", **settings)
    try:
        wait_for(lambda: run("gateway", "healthcheck", **settings).returncode == 0, "a gateway that is ready")
        trust = ssl.create_default_context(cafile=str(certificate))
        admin = Admin(url, ADMIN_KEY)
        admin.http = httpx.Client(base_url=f"{url}/api", headers=admin.http.headers, verify=trust)
        provider = admin.provider("p", alpha.base_url, PROVIDER_KEY)
        admin.associate(admin.model("m"), provider, "m")
        for http2 in (False, True):
            held = httpx.Client(verify=trust, http1=not http2, http2=http2)
            client = openai.OpenAI(base_url=f"{url}/v1", api_key=CLIENT_KEY, http_client=held)
            events = client.chat.completions.create(model="m", messages=asking("Hello"), stream=True)
            assert [event for event in events]
            assert held.get(f"{url}/readyz").http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        plain = httpx.Client()
        with pytest.raises(httpx.TransportError):
            plain.get(f"http://127.0.0.1:{port}/readyz")

        # A pair that does not fit changes nothing, and is told.
        assert common_name(port) == "one"
        second = certify(tmp_path / "second", "two")
        shutil.copy(second[1], key)
        process.send(signal.SIGHUP)
        wait_for(lambda: "the old one stays" in process.output, "a word about the broken pair")
        assert common_name(port) == "one"
        shutil.copy(second[0], certificate)
        process.send(signal.SIGHUP)
        wait_for(lambda: common_name(port) == "two", "the new certificate")
        # Connections that are open go on.
        assert held.get(f"{url}/readyz").status_code == 200
        # Without a signal, too.
        third = certify(tmp_path / "third", "three")
        for new, old in zip(third, (certificate, key), strict=True):
            shutil.copy(new, old)
        wait_for(lambda: common_name(port) == "three", "the next certificate", seconds=30)
        assert process.exit_code is None, "SIGHUP does not end it"
    finally:
        assert process.end() == 0, process.output
    assert "PRIVATE KEY" not in process.output


def test_a_certificate_that_cannot_be_used_stops_the_start(make_database: MakeDatabase, tmp_path: Path) -> None:
    database = make_database()
    migrate(database)
    certificate, key = certify(tmp_path)
    files = {"GATEWAY_TLS_CERT": str(certificate), "GATEWAY_TLS_KEY": str(key)}
    line = refused(tmp_path, DATABASE_URL=database.url, **files | {"GATEWAY_TLS_CERT": "/no/such/file"})
    assert "GATEWAY_TLS_CERT" in line and "/no/such/file" in line
    line = refused(tmp_path, DATABASE_URL=database.url, **files | {"GATEWAY_TLS_KEY": str(certificate)})
    assert "GATEWAY_TLS_KEY" in line
    other = certify(tmp_path / "other")
    line = refused(tmp_path, DATABASE_URL=database.url, **files | {"GATEWAY_TLS_KEY": str(other[1])})
    assert "GATEWAY_TLS_KEY" in line and "does not fit" in line


def test_only_a_trusted_proxy_names_the_client(make_gateway: MakeGateway) -> None:
    spoofed = {"x-forwarded-for": "203.0.113.7, 198.51.100.4, 10.9.9.9"}
    for proxies, expected in ((None, "127.0.0.1"), ("127.0.0.0/8, 10.0.0.0/8", "198.51.100.4")):
        gateway = make_gateway(GATEWAY_TRUSTED_PROXIES=proxies)
        assert gateway.admin.http.post("/models", json={"name": "m"}, headers=spoofed).status_code == 201
        assert gateway.admin.get("/audit")["data"][0]["ip_address"] == expected
        body = {"model": "nothing", "messages": asking("Hello")}
        headers = {"authorization": f"Bearer {CLIENT_KEY}", **spoofed}
        assert gateway.http.post("/v1/chat/completions", json=body, headers=headers).status_code == 404
        wait_for(lambda: gateway.database.request_logs(), "a row")
        assert gateway.database.request_logs()[0]["ip_address"] == expected
        # Each client behind the proxy waits for itself; without a proxy they are one.
        guess = lambda client: gateway.http.get(  # noqa: E731
            "/api/me", headers={"authorization": "Bearer guess", "x-forwarded-for": client}
        ).status_code
        assert [guess("192.0.2.1") for _ in range(7)] == [401] * 6 + [429]
        assert guess("192.0.2.2") == (401 if proxies else 429)


def test_pages_of_other_origins_are_let_in_only_where_they_are_named(make_gateway: MakeGateway) -> None:
    page = "https://app.example"
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,x-stainless-os"}
    closed = make_gateway()
    for path in ("/v1/chat/completions", "/api/models"):
        answer = closed.http.options(path, headers={"origin": page, **asked})
        assert answer.status_code >= 400
        assert not [name for name in answer.headers if name.startswith("access-control-")]
    gateway = make_gateway(GATEWAY_CORS_ORIGINS=page)
    for path in ("/v1/chat/completions", "/api/models"):
        answer = gateway.http.options(path, headers={"origin": page, **asked})
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == page
        assert answer.headers["access-control-allow-headers"] == asked["access-control-request-headers"]
        assert "access-control-allow-credentials" not in answer.headers
        other = gateway.http.options(path, headers={"origin": "https://evil.example", **asked})
        assert "access-control-allow-origin" not in other.headers
    # Errors too, or the page sees none of them.
    refused = gateway.http.post("/v1/chat/completions", json={}, headers={"origin": page})
    assert refused.status_code == 401 and refused.headers["access-control-allow-origin"] == page
    assert "x-request-id" in refused.headers["access-control-expose-headers"]


def test_browsers_are_told_to_be_careful(make_gateway: MakeGateway) -> None:
    gateway = make_gateway()
    for path in ("/docs", "/openapi.json", "/api/models", "/readyz", "/metrics"):
        headers = gateway.http.get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
    assert "script-src 'self'" in gateway.http.get("/docs").headers["content-security-policy"]


def test_the_secret_key_is_changed(make_gateway: MakeGateway, alpha: Simulator, tmp_path: Path) -> None:
    new = "another-secret-key-of-more-than-16-characters"
    gateway = make_gateway()
    provider = gateway.admin.provider("p", alpha.base_url, PROVIDER_KEY, headers={"x-token": "token-0123456789"})
    gateway.admin.associate(gateway.admin.model("m"), provider, "m")
    gateway.stop()
    keys = {"GATEWAY_SECRET_KEY": new, "GATEWAY_SECRET_KEY_PREVIOUS": SECRET_KEY}
    after = make_gateway(gateway.database, **keys)
    after.openai().chat.completions.create(model="m", messages=asking("Hello"))
    resealed = run("gateway", "reseal", DATABASE_URL=gateway.database.url, **keys)
    assert resealed.returncode == 0 and "1 providers" in resealed.stdout, resealed.stderr
    after.openai().chat.completions.create(model="m", messages=asking("Hello"))
    assert alpha.seen()[-1].headers["x-token"] == "token-0123456789"
    after.stop()
    line = refused(tmp_path, DATABASE_URL=gateway.database.url, GATEWAY_SECRET_KEY=SECRET_KEY)
    assert "GATEWAY_SECRET_KEY" in line and "'p'" in line
    last = make_gateway(gateway.database, GATEWAY_SECRET_KEY=new)
    last.openai().chat.completions.create(model="m", messages=asking("Hello"))
    stored = json.dumps(gateway.database.execute("SELECT config FROM providers"), default=str)
    assert "token-0123456789" not in stored and PROVIDER_KEY not in stored
