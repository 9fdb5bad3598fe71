"""`docker-compose.yml` gives each service what its settings need, and no secret to any other.

Its structure was validated once against the published schema of the Compose Specification; here
it is compared with our own code. `docker compose config` is asked too where that command exists.
"""

import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.keys import fresh_environment
from deploy.local.containers import POSTGRES_IMAGE, RABBITMQ_IMAGE
from deploy.local.paths import PROJECT
from deploy.migrate import MigrateSettings
from tests.unit.deploy.service_settings import is_secret, settings_of_services, variables

TEXT = (PROJECT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVERS = {"postgres", "rabbitmq"}
MODELS = settings_of_services()
OURS = {**MODELS, "migrate": MigrateSettings}

DOCKERFILE = (PROJECT / "deploy/Dockerfile").read_text()
IGNORE = (PROJECT / ".dockerignore").read_text().splitlines()
RUNTIME_LOCK = (PROJECT / "requirements-runtime.lock").read_text()
FULL_LOCK = (PROJECT / "requirements.lock").read_text()

ADDRESSES = {"DATABASE_URL", "AMQP_URL"}
SECRETS = {
    "api": {*ADDRESSES, "SEALING_PUBLIC_KEY"},
    "submitter": {*ADDRESSES, "ENCRYPTION_KEY"},
    "poller": {*ADDRESSES, "ENCRYPTION_KEY"},
    "downloader": {*ADDRESSES, "ENCRYPTION_KEY"},
    "token_refresher": {
        *ADDRESSES,
        "ENCRYPTION_KEY",
        "REFRESH_TOKEN_KEY",
        "SEALING_PRIVATE_KEY",
        "AMAZON_CLIENT_SECRET",
    },
    "scheduler": ADDRESSES,
    "simulator": set(),
    "migrate": ADDRESSES,
}


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==([^ ;\\]+)", lock, re.MULTILINE))


def test_there_is_one_service_for_each_of_ours_and_the_servers_they_need() -> None:
    assert set(SERVICES) == set(OURS) | SERVERS


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_command_is_the_service_itself(name: str) -> None:
    assert SERVICES[name]["command"] == [f"services.{name}"]
    assert find_spec(f"services.{name}.__main__") is not None


def test_the_migration_runs_before_every_service_that_verifies_its_work() -> None:
    assert SERVICES["migrate"]["command"] == ["deploy.migrate"]
    assert find_spec("deploy.migrate") is not None
    for name in MODELS.keys() - {"simulator"}:
        condition = SERVICES[name]["depends_on"]["migrate"]["condition"]
        assert condition == "service_completed_successfully"


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_service_gets_what_its_settings_need_and_nothing_they_do_not_know(name: str) -> None:
    known = variables(OURS[name])
    required = {variable for variable, field in known.items() if field.is_required()}
    given = set(SERVICES[name]["environment"])

    assert required <= given
    assert given <= set(known)


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_service_is_given_no_secret_but_its_own(name: str) -> None:
    known = variables(OURS[name])
    given = {each for each in SERVICES[name]["environment"] if is_secret(known[each])}

    assert given == SECRETS[name]


def test_secrets_come_from_outside_and_are_asked_for() -> None:
    secret = {name for names in SECRETS.values() for name in names}
    for service in SERVICES.values():
        for name, value in service["environment"].items():
            if name in secret or "PASS" in name:
                assert re.search(r"\$\{[A-Z_]+:\?run python -m deploy\.keys > \.env\}", value)


def test_the_maker_of_keys_fills_all_that_is_asked_for_and_no_more() -> None:
    assert set(re.findall(r"\$\{([A-Z_]+):\?", TEXT)) == set(fresh_environment())


def test_images_are_pinned_and_those_of_the_local_stack() -> None:
    assert SERVICES["postgres"]["image"] == POSTGRES_IMAGE
    assert SERVICES["rabbitmq"]["image"].startswith(RABBITMQ_IMAGE.partition("-")[0] + "-")
    for base in re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE):
        assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", base)


@pytest.mark.parametrize("name", sorted(OURS))
def test_all_of_ours_are_one_image_without_privileges(name: str) -> None:
    service = SERVICES[name]

    assert service["image"] == "amcflow:local"
    assert service["build"] == {"context": ".", "dockerfile": "deploy/Dockerfile"}
    assert service["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("name", sorted(MODELS.keys() | SERVERS))
def test_what_goes_on_running_is_looked_at(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", sorted(MODELS.keys() - {"simulator"}))
def test_a_service_has_time_to_finish_what_is_in_hand(name: str) -> None:
    grace = variables(MODELS[name])["AMCFLOW_SHUTDOWN_GRACE_SECONDS"].default

    assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > grace.total_seconds()


def test_ports_are_open_on_this_machine_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_servers_keep_their_data_in_volumes_that_are_declared() -> None:
    kept = {SERVICES[name]["volumes"][0].partition(":")[0] for name in SERVERS}

    assert kept == set(COMPOSE["volumes"])


def test_the_image_installs_hashed_packages_and_runs_as_nobody_special() -> None:
    assert "--require-hashes" in DOCKERFILE
    assert 'ENTRYPOINT ["python", "-m"]' in DOCKERFILE
    assert re.search(r"^USER 10001$", DOCKERFILE, re.MULTILINE)
    assert not re.search(r"^(ARG|ENV) .*(KEY|SECRET|PASSWORD|TOKEN)", DOCKERFILE, re.MULTILINE)


def test_everything_the_image_copies_exists_and_is_let_in() -> None:
    copied = [
        path
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for path in line.split()[:-1]
    ]

    assert copied
    for path in copied:
        assert (PROJECT / path).exists(), path
        assert f"!{path.partition('/')[0]}" in IGNORE
    assert IGNORE[1] == "*"


def test_the_lock_of_the_image_is_hashed_names_no_host_and_agrees_with_the_other() -> None:
    runtime, full = pins(RUNTIME_LOCK), pins(FULL_LOCK)

    assert runtime
    assert {name: full.get(name) for name in runtime} == runtime
    assert not re.search(r"https?://|index-url|find-links|trusted-host", RUNTIME_LOCK)
    unhashed = [
        line
        for line in RUNTIME_LOCK.splitlines()
        if re.match(r"[a-z0-9]", line) and not line.endswith("\\")
    ]
    assert unhashed == []


def test_the_image_has_every_runtime_package_and_none_for_development() -> None:
    project = (PROJECT / "pyproject.toml").read_text()
    runtime, rest = project.partition("\ndependencies = [")[2].split("\n]", 1)
    groups = rest.partition("[dependency-groups]")[2].partition("\n[tool.")[0]
    # The benchmarks have a lock of their own, with some of what the image has as well.
    development = groups.partition("\nbench = [")[0]

    assert names_in(runtime) <= pins(RUNTIME_LOCK).keys()
    assert names_in(development) & pins(RUNTIME_LOCK).keys() == set()


def names_in(toml: str) -> set[str]:
    return set(re.findall(r'"([a-z0-9-]+)(?:\[[a-z]+\])?(?:[<>=,.0-9]*)"', toml))


def test_compose_itself_understands_the_file(tmp_path: Path) -> None:
    try:
        plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no docker command")
    if plugin.returncode != 0:
        pytest.skip("the docker command has no compose plugin")
    env_file = tmp_path / "env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in fresh_environment().items()))

    done = subprocess.run(
        ["docker", "compose", "--env-file", env_file, "config", "--quiet"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
