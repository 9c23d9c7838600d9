"""The images hold what they should and no secret, and compose.yaml opens one port. There is no engine to build them."""

import re
import subprocess
from fnmatch import fnmatch
from pathlib import PurePosixPath

import pytest
import yaml

from tests.small_class import ROOT

FOLDER = ROOT / "deploy" / "docker"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
GENERATED = "build/public"  # by `medcourse publish`


def instructions():
    """Return (stage, word, rest) for each instruction of the Dockerfile."""
    text = re.sub(r"(?m)^\s*#.*\n", "", (FOLDER / "Dockerfile").read_text())
    found, stage = [], ""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stage = rest.rpartition(" AS ")[2]
        if word:
            found.append((stage, word, rest))
    return found


INSTRUCTIONS = instructions()


def all_of(word, stage=None):
    return [rest for where, each, rest in INSTRUCTIONS if each == word and stage in {None, where}]


def copied():
    """Return what is copied from the folder of the course, by stage."""
    return [
        (stage, source)
        for stage, word, rest in INSTRUCTIONS
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    ]


def admitted(path):
    """Say whether Dockerfile.dockerignore lets a file into the build: the last line that matches decides."""
    verdict = True
    for line in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!")
        names = [path, *map(str, PurePosixPath(path).parents)][:-1]
        tails = [
            name for whole in names for name in (whole, *(whole[i + 1 :] for i, c in enumerate(whole) if c == "/"))
        ]
        candidates = (
            tails if pattern.startswith("**/") else [name for name in names if name.count("/") == pattern.count("/")]
        )
        if any(fnmatch(name, pattern.removeprefix("**/")) for name in candidates):
            verdict = line.startswith("!")
    return verdict


@pytest.mark.parametrize(
    ("path", "is_in"),
    [
        ("pyproject.toml", True),
        ("medcourse/hub/person.py", True),
        ("build/public/lessons/10_unet.ipynb", True),
        ("build/public/.git/config", False),
        ("build/source/10_unet/10_unet.ipynb", False),
        ("solutions/10_unet.py", False),
        ("tests/labs/10_unet.py", False),
        ("medcourse/__pycache__/cli.cpython-311.pyc", False),
        ("gradebook.db", False),
        ("grading/secret_seed", False),
        ("submitted/ann/10_unet/10_unet.ipynb", False),
        (".git/HEAD", False),
        ("deploy/docker/secrets/postgres", False),
        ("README.md.orig", False),
    ],
)
def test_what_may_come_into_an_image(path, is_in):
    assert admitted(path) is is_in


def test_of_all_that_is_in_the_repository_only_code_and_its_settings_come_in():
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    tops = {path.partition("/")[0] for path in tracked if path and admitted(path)}
    assert tops == {
        "constraints.txt",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "LICENSE-TEXT",
        "nbgrader_config.py",
        "medcourse",
    }


def test_each_source_of_a_copy_is_there_and_let_in():
    assert {source for _, source in copied()} >= {"medcourse", "constraints.txt", GENERATED}
    for _, source in copied():
        assert source == GENERATED or (ROOT / source).exists(), source
        assert admitted(f"{source}/file" if source == GENERATED or (ROOT / source).is_dir() else source), source


def test_students_get_what_is_published_and_nobody_else_needs_it():
    assert [(stage, source) for stage, source in copied() if source == GENERATED] == [("student", GENERATED)]


@pytest.mark.parametrize("stage", ["student", "course"])
def test_people_and_graders_are_not_root(stage):
    uid = all_of("USER", stage)[-1].partition(":")[0]
    assert int(uid) > 0


def test_the_account_that_grades_has_a_name():
    """MONAI asks for it when it is imported, and fails where there is none."""
    (uid,) = {run.split("--uid ")[1].split()[0] for run in all_of("RUN", "course") if "useradd" in run}
    assert all_of("USER", "course") == [f"{uid}:{uid}"]
    documents = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "grading.yaml").read_text())
    pods = [each["spec"]["template"]["spec"] for each in documents if each["kind"] == "Deployment"]
    assert {pod["securityContext"]["runAsUser"] for pod in pods} == {int(uid)}


def test_versions_are_those_tested_together():
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line and line[0] != "#"
    )
    (proxy,) = re.findall(r"(?m)^PROXY := (.*)$", (ROOT / "Makefile").read_text())
    given = dict(rest.split("=") for rest in all_of("ARG") if "=" in rest)
    assert (given["JUPYTERHUB"], given["PROXY"]) == (pins["jupyterhub"], proxy)
    for image in {rest.split()[0] for rest in all_of("FROM")} - {"course"}:
        assert re.search(r":[^:]*\d", image), image
    runs = [part.strip() for run in all_of("RUN") for part in run.split("&&")]
    for part in runs:
        if part.startswith("pip install"):
            assert "--constraint" in part or "--no-deps" in part, part
        if part.startswith("apt-get install"):
            assert "--no-install-recommends" in part, part
        if part.startswith("npm install"):
            assert "@${PROXY}" in part, part
    assert sum(part.startswith("apt-get install") for part in runs) == sum(
        "rm -rf /var/lib/apt/lists" in part for part in runs
    )


def test_no_secret_and_no_address_of_a_registry_is_baked_in():
    text = (FOLDER / "Dockerfile").read_text()
    assert not re.search(r"(?i)password|token|secret_key|BEGIN .*KEY", re.sub("#.*", "", text))
    assert not re.search(r"https?://", text)


# compose.yaml


def test_each_service_is_confined():
    for name, service in COMPOSE["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"mem_limit", "pids_limit"} <= service.keys(), name
        assert not {"privileged", "network_mode", "pid", "devices"} & service.keys(), name
        assert not any("docker.sock" in str(each) for each in service["volumes"]), name
    postgres = COMPOSE["services"]["postgres"]
    assert postgres["read_only"] is True
    assert int(postgres["user"].partition(":")[0]) > 0
    assert not {"SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN", "SYS_MODULE"} & set(COMPOSE["services"]["hub"]["cap_add"])


def test_one_port_is_open_and_the_database_has_no_way_out():
    assert {name: service.get("ports") for name, service in COMPOSE["services"].items()} == {
        "hub": ["443:8000"],
        "postgres": None,
    }
    assert COMPOSE["services"]["postgres"]["networks"] == ["data"]
    assert COMPOSE["networks"]["data"] == {"internal": True}


def test_secrets_come_from_files_alone():
    for service in COMPOSE["services"].values():
        for name, value in service["environment"].items():
            assert name.endswith(("_FILE", "PASSWORDS", "_ROOT")), name
            assert str(value).startswith("/"), name
        assert set(service["secrets"]) <= COMPOSE["secrets"].keys()
    assert "postgres" not in COMPOSE["services"]["hub"]["secrets"]
    assert all(each.keys() == {"file"} for each in COMPOSE["secrets"].values())


def test_what_is_bound_is_there_and_the_course_is_not_written():
    theirs = {"./class.csv"}
    for service in COMPOSE["services"].values():
        for source, _, rest in (volume.partition(":") for volume in service["volumes"]):
            if source.startswith("."):
                assert rest.endswith(":ro"), source
                assert source in theirs or (FOLDER / source).exists(), source
            else:
                assert source in COMPOSE["volumes"], source


@pytest.mark.parametrize(
    "script",
    ["docker/start.sh", "docker/secrets.sh", "kubernetes/databases.sh", "certificates.sh"],
)
def test_scripts_are_a_shells(script):
    subprocess.run(["sh", "-n", ROOT / "deploy" / script], check=True)


def test_passwords_are_drawn_once(tmp_path):
    command = [FOLDER / "secrets.sh", tmp_path / "secrets"]
    subprocess.run(command, check=True)
    drawn = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert drawn.keys() == {"postgres", "gradebook", "hub"}
    assert all(re.fullmatch("[0-9a-f]{48}", each) for each in drawn.values())
    assert len(set(drawn.values())) == 3
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    again = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == drawn
    assert subprocess.run([FOLDER / "secrets.sh"], check=False, capture_output=True).returncode == 2


def test_certificates_are_of_one_authority_whose_key_is_gone(tmp_path):
    script, folder = ROOT / "deploy" / "certificates.sh", tmp_path / "tls"
    subprocess.run([script, folder, "30"], check=True, capture_output=True)
    roles = ["scheduler", "worker", "client"]
    names = {"ca.pem", *(f"{role}.pem" for role in roles), *(f"{role}-key.pem" for role in roles)}
    assert {path.name for path in folder.iterdir()} == names
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-CAfile", folder / "ca.pem", *(folder / f"{role}.pem" for role in roles)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.count(": OK")) == (0, 3), done.stderr
    keys = {(folder / f"{role}-key.pem").read_text() for role in roles}
    assert len(keys) == 3
    for arguments, said in (
        ([folder], "is there already"),
        ([], "expected a folder"),
        ([tmp_path / "x", "0"], "number of days"),
    ):
        refused = subprocess.run([script, *arguments], capture_output=True, text=True, check=False)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
        assert said in refused.stderr
    assert not (tmp_path / "x").exists()
