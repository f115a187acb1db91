"""The files in docs/deploy, checked as far as that goes without a container engine; the entrypoint is run as it is."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import kubernetes_validate
import pytest
import yaml

from harness.gateway import ADMIN_KEY, SECRET_KEY, free_port
from harness.process import REPOSITORY, binary, clean_environment, run
from harness.waiting import wait_for

pytestmark = pytest.mark.sqlite_only

DEPLOY = REPOSITORY / "docs" / "deploy"
MANIFESTS = sorted(set((DEPLOY / "kubernetes").glob("*.yaml")) - {DEPLOY / "kubernetes" / "kustomization.yaml"})
#: Versions of Kubernetes whose schemas the manifests are held against.
KUBERNETES = ("1.30", "1.35")
#: Read by the entrypoint, not by the gateway.
ENTRYPOINT_VARIABLES = {"MIGRATE"}


def documents() -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in MANIFESTS:
        for document in yaml.safe_load_all(path.read_text()):
            yield path, document


def of_kind(kind: str) -> dict[str, Any]:
    [found] = [document for _, document in documents() if document["kind"] == kind]
    return found


def tool(name: str) -> str:
    """A program that stands beside the interpreter, as pip installs it."""
    path = REPOSITORY / ".venv" / "bin" / name
    assert path.is_file(), f"{path} is missing: `make .venv/ready` installs it"
    return str(path)


def check(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile_and_the_scripts_have_no_findings() -> None:
    # The versions of Debian's packages are the base image's.
    check(tool("hadolint"), "--ignore", "DL3008", str(DEPLOY / "Dockerfile"))
    check(tool("shellcheck"), str(DEPLOY / "entrypoint.sh"))
    rules = "{extends: default, rules: {line-length: {max: 140}, document-start: disable, braces: disable, comments: disable}}"
    check(tool("yamllint"), "--strict", "--config-data", rules, str(DEPLOY))


def test_all_that_the_build_needs_is_sent_to_it(tmp_path: Path) -> None:
    sent = re.findall(r"^!(.*)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.MULTILINE)
    for name in sent:
        source, target = REPOSITORY / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    check("cargo", "metadata", "--no-deps", "--locked", "--format-version", "1", "--manifest-path", str(tmp_path / "Cargo.toml"))
    copied = re.findall(r"^COPY (?:--chmod=\d+ )?(?!--from)(\S+) ", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert all((tmp_path / name).exists() for name in copied)


@pytest.mark.parametrize("version", KUBERNETES)
def test_the_manifests_keep_to_the_schemas_of_kubernetes(version: str) -> None:
    for path, document in documents():
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            pytest.fail(f"{path.name}: {error}")


def test_the_manifests_belong_together() -> None:
    listed = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == [path.name for path in MANIFESTS]
    workload = of_kind("StatefulSet")
    pod = workload["spec"]["template"]
    labels = pod["metadata"]["labels"]
    redis = of_kind("Deployment")
    services = {document["metadata"]["name"]: document for _, document in documents() if document["kind"] == "Service"}
    assert services["redis"]["spec"]["selector"].items() <= redis["spec"]["template"]["metadata"]["labels"].items()
    assert of_kind("ConfigMap")["data"]["REDIS_URL"] == "redis://redis:6379"
    policy = of_kind("NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"] == redis["spec"]["selector"]["matchLabels"]
    [source] = policy["ingress"][0]["from"]
    selectors = [source["podSelector"]["matchLabels"]]
    selectors += [service["spec"]["selector"] for name, service in services.items() if name != "redis"]
    selectors += [of_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"], workload["spec"]["selector"]["matchLabels"]]
    assert all(selector.items() <= labels.items() for selector in selectors)
    assert of_kind("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == workload["metadata"]["name"]
    assert workload["spec"]["serviceName"] in services
    [gateway] = pod["spec"]["containers"]
    pause = int(gateway["lifecycle"]["preStop"]["exec"]["command"][1])
    drain = int(of_kind("ConfigMap")["data"]["GATEWAY_DRAIN_TIMEOUT"])
    assert pod["spec"]["terminationGracePeriodSeconds"] > pause + drain


def probes() -> dict[str, dict[str, Any]]:
    """What asks the gateway under Kubernetes whether it is there, by what the asking is called."""
    pod = of_kind("StatefulSet")["spec"]["template"]
    [gateway] = pod["spec"]["containers"]
    asked = {name: gateway[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    notes = pod["metadata"]["annotations"]
    [port] = [port["name"] for port in gateway["ports"] if str(port["containerPort"]) == notes["prometheus.io/port"]]
    [job] = yaml.safe_load((DEPLOY / "prometheus.yaml").read_text())["scrape_configs"]
    return asked | {
        "annotations": {"path": notes["prometheus.io/path"], "port": port},
        "prometheus.yaml": {"path": job["metrics_path"], "port": port},
    }


def test_everybody_asks_at_the_port_that_the_gateway_listens_on() -> None:
    settings = of_kind("ConfigMap")["data"]
    port = int(settings["GATEWAY_LISTEN"].rpartition(":")[2])
    [gateway] = of_kind("StatefulSet")["spec"]["template"]["spec"]["containers"]
    [declared] = gateway["ports"]
    assert declared["containerPort"] == port
    assert {asked["port"] for asked in probes().values()} == {declared["name"]}
    for _, document in documents():
        if document["kind"] == "Service" and document["metadata"]["name"] != "redis":
            assert {one["targetPort"] for one in document["spec"]["ports"]} == {declared["name"]}
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    assert re.findall(r"^EXPOSE (\d+)$", dockerfile, re.MULTILINE) == [str(port)]
    assert f'GATEWAY_LISTEN="0.0.0.0:{port}"' in dockerfile
    balancer = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["configs"]["balancer"]["content"]
    assert re.findall(r"server (\S+);", balancer) == [f"gateway-1:{port}", f"gateway-2:{port}"]


def test_what_has_to_last_lies_on_a_volume() -> None:
    [gateway] = of_kind("StatefulSet")["spec"]["template"]["spec"]["containers"]
    [mount] = gateway["volumeMounts"]
    [claim] = of_kind("StatefulSet")["spec"]["volumeClaimTemplates"]
    assert mount["name"] == claim["metadata"]["name"]
    settings = of_kind("ConfigMap")["data"]
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    [volume] = re.findall(r"^VOLUME (\S+)$", dockerfile, re.MULTILINE)
    image = dict(re.findall(r'(\w+)="([^"]+)"', dockerfile))
    assert mount["mountPath"] == volume
    places = [settings["GATEWAY_SPOOL_DIR"], settings["GATEWAY_SNAPSHOT_FILE"], image["GATEWAY_SPOOL_DIR"]]
    places.append(image["DATABASE_URL"].removeprefix("sqlite://").partition("?")[0])
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    gateways = [one for name, one in compose["services"].items() if name.startswith("gateway-")]
    places += [one["environment"]["GATEWAY_SNAPSHOT_FILE"] for one in gateways]
    assert all(Path(place).is_relative_to(volume) for place in places), places
    volumes = [one["volumes"][0].partition(":") for one in gateways]
    assert len({name for name, _, _ in volumes}) == len(gateways), "a spool is one gateway's own"
    assert all(name in compose["volumes"] and path == volume for name, _, path in volumes)


def test_the_compose_file_keeps_to_its_specification() -> None:
    check(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(DEPLOY / "compose.yaml"))


def test_the_parts_of_compose_belong_together() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    compose = yaml.safe_load(text)
    services = compose["services"]
    for name, service in services.items():
        needed = service.get("depends_on", {})
        for other in needed:
            assert other in services, f"{name} needs {other}"
            condition = needed[other]["condition"] if isinstance(needed, dict) else "service_started"
            assert condition != "service_healthy" or "healthcheck" in services[other], f"{name} waits for {other}"
            ends = "command" in services[other] and services[other].get("restart") == "on-failure"
            assert (condition == "service_completed_successfully") == ends, f"{name} waits for {other}"
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in compose["volumes"], f"{name}: {volume}"
        for config in service.get("configs", []):
            assert config["source"] in compose["configs"], f"{name}: {config}"
        # The address of each other service is its name.
        for url in service.get("environment", {}).values():
            for host in re.findall(r"^\w+://(?:[^@/]+@)?([\w-]+)", str(url)):
                assert host in services, f"{name}: {url}"
    [network] = compose["networks"]["default"]["ipam"]["config"]
    for name, service in services.items():
        if name.startswith("gateway-"):
            assert service["environment"]["GATEWAY_TRUSTED_PROXIES"] == network["subnet"], f"{name} believes the balancer"
    asked = set(re.findall(r"\$\{(\w+):\?\}", text))
    told = set(re.findall(r"(?:'|\\n)(\w+)=%s", text))
    assert asked == told, "the command at its head gives each value that has to be given"


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_the_drain_ends_before_the_process_is_killed() -> None:
    for service in yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"].values():
        if service["image"] == "llm-orchestrator" and "command" not in service:
            assert seconds(service["stop_grace_period"]) > int(service["environment"]["GATEWAY_DRAIN_TIMEOUT"])
    unit = (DEPLOY / "systemd.service").read_text()
    default = re.search(r"SIGTERM \[default: (\d+)\]", run("gateway", "--help").stdout)
    assert default and int(re.search(r"TimeoutStopSec=(\d+)", unit)[1]) > int(default[1])


def variables_set() -> dict[str, set[str]]:
    """The variables that the files give the gateway, by file."""
    dockerfile = re.search(r"ENV (.*?)\nVOLUME", (DEPLOY / "Dockerfile").read_text(), re.DOTALL)
    assert dockerfile
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    [gateway] = of_kind("StatefulSet")["spec"]["template"]["spec"]["containers"]
    return {
        "Dockerfile": set(re.findall(r"(\w+)=", dockerfile[1].replace("?mode=", ""))),
        "compose": set(compose["gateway-1"]["environment"]),
        "systemd": set(re.findall(r"^Environment=(\w+)=", (DEPLOY / "systemd.service").read_text(), re.MULTILINE)),
        "kubernetes": set(of_kind("ConfigMap")["data"]) | {variable["name"] for variable in gateway["env"]},
    }


def test_every_variable_is_one_that_somebody_reads() -> None:
    documented = set(re.findall(r"\[env: (\w+)", run("gateway", "--help").stdout)) | ENTRYPOINT_VARIABLES
    for file, names in variables_set().items():
        assert names and names <= documented, f"{file}: {names - documented}"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="a machine without systemd has nothing that reads the unit")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    # The programs need not be installed here.
    unit = (DEPLOY / "systemd.service").read_text().replace("/usr/local/bin/", f"{binary('gateway').parent}/")
    path = tmp_path / "llm-orchestrator.service"
    path.write_text(unit)
    done = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, timeout=60)
    findings = [line for line in done.stderr.splitlines() if "llm-orchestrator" in line]
    assert not findings, findings


class Container:
    """What the entrypoint needs of a container: the programs on the path, and a folder for the data."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.data = folder / "app" / "data"
        self.data.mkdir(parents=True)
        self.environment = clean_environment(
            PATH=f"{binary('gateway').parent}:{os.environ['PATH']}",
            DATABASE_URL=f"sqlite://{self.data}/orchestrator.db?mode=rwc",
            GATEWAY_LISTEN=f"0.0.0.0:{self.port}",
            GATEWAY_SPOOL_DIR=f"{self.data}/spool",
            GATEWAY_ADMIN_KEY=ADMIN_KEY,
            GATEWAY_SECRET_KEY=SECRET_KEY,
        )

    def start(self, *command: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [DEPLOY / "entrypoint.sh", *command],
            env=self.environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str, **variables: str) -> tuple[int, str]:
        process = self.start(*command, **variables)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output


def test_the_entrypoint_prepares_the_database_and_becomes_the_gateway(tmp_path: Path) -> None:
    container = Container(tmp_path)
    status, output = container.run("gateway", "healthcheck")
    assert status == 1 and "no answer" in output, "asking prepares nothing"
    assert not (container.data / "orchestrator.db").exists()
    status, output = container.run("gateway", MIGRATE="false")
    assert status == 1 and "migrator" in output, "a gateway does not prepare it"

    for _ in ("on an empty folder", "on what is there"):
        process = container.start("gateway")
        try:
            wait_for(lambda: container.run("gateway", "healthcheck")[0] == 0, "a healthy gateway")
            # It is the very process that the platform started, so that its signals arrive.
            assert Path(f"/proc/{process.pid}/exe").resolve() == binary("gateway").resolve()
            assert httpx.get(f"http://127.0.0.1:{container.port}/readyz").json()["status"] == "ready"
            for name, asked in probes().items():
                answer = httpx.get(f"http://127.0.0.1:{container.port}{asked['path']}")
                assert answer.status_code == 200, f"{name}: {answer.text}"
                is_metrics = answer.headers["content-type"].startswith(("text/plain", "application/openmetrics-text"))
                assert is_metrics == (asked["path"] == "/metrics"), f"{name}: {answer.headers}"
            metrics = of_kind("HorizontalPodAutoscaler")["spec"]["metrics"]
            [scales_by] = [metric["pods"]["metric"]["name"] for metric in metrics if metric["type"] == "Pods"]
            assert f"\n{scales_by} " in httpx.get(f"http://127.0.0.1:{container.port}/metrics").text
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
        assert process.returncode == 0
    assert container.run("migrator", "check")[0] == 0
    assert container.run("gateway", "healthcheck")[0] == 1


def test_the_entrypoint_starts_from_the_kept_configuration_while_the_database_is_away(tmp_path: Path) -> None:
    container = Container(tmp_path)
    away = {
        "DATABASE_URL": f"postgres://nobody@127.0.0.1:{free_port()}/nothing",
        "GATEWAY_DATABASE_WAIT": "1",
        "GATEWAY_SNAPSHOT_FILE": f"{container.data}/snapshot.json",
    }
    status, output = container.run("gateway", **away)
    assert status == 1 and "migrator" in output, "there is nothing to start from"
    for variables, word in (({"GATEWAY_SNAPSHOT_FILE": away["GATEWAY_SNAPSHOT_FILE"]}, "ready"), (away, "degraded")):
        process = container.start("gateway", **variables)
        try:
            wait_for(lambda: container.run("gateway", "healthcheck")[0] == 0, "a healthy gateway", seconds=60)
            assert httpx.get(f"http://127.0.0.1:{container.port}/readyz").json()["status"] == word
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
    assert container.run("prepare", **away)[0] == 0
