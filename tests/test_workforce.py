"""A cluster by TLS: what is wrong with its certificates is said in one line, before anything is sent."""

import subprocess

import dask
import pytest

from medcourse.grading import workforce
from medcourse.grading.workforce import ClusterError, Workforce
from tests.small_class import ROOT

ADDRESS = "tls://127.0.0.1:1"  # nobody listens there, and nobody is asked
NAMES = {"ca-file": "ca.pem", "client.cert": "client.pem", "client.key": "client-key.pem"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates") / "tls"
    subprocess.run([ROOT / "deploy" / "certificates.sh", folder], check=True, capture_output=True)
    return {f"distributed.comm.tls.{name}": str(folder / file) for name, file in NAMES.items()}


def refused(settings):
    with dask.config.set(settings), Workforce(1, ADDRESS) as force, pytest.raises(ClusterError) as caught:
        force.client  # noqa: B018  (it is waited for)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("file", "found"), [(None, "got none"), ("/nowhere/x.pem", "got /nowhere/x.pem, which cannot be read")]
)
def test_a_missing_certificate_is_named_with_its_setting(made, name, file, found):
    said = refused(made | {f"distributed.comm.tls.{name}": file})
    assert said.startswith("expected a certificate for tls:// in DASK_DISTRIBUTED__COMM__TLS__")
    assert said.endswith(found)
    variable = said.split(" in ")[1].split(" ")[0]
    assert dask.config.collect_env({variable: "here"}) == {"distributed": {"comm": {"tls": nested(name)}}}


def nested(name):
    """Return what Dask makes of a setting's name; to it - and _ are one."""
    head, _, tail = name.replace("-", "_").partition(".")
    return {head: {tail: "here"}} if tail else {head: "here"}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_certificate_is_said(made, name, tmp_path):
    (tmp_path / "x.pem").write_text("no certificate")
    said = refused(made | {f"distributed.comm.tls.{name}": str(tmp_path / "x.pem")})
    assert said.startswith("the certificates in Dask's configuration, ")
    assert str(tmp_path / "x.pem") in said
    assert "cannot be used: " in said


def test_good_ones_are_used(made, monkeypatch):
    monkeypatch.setattr("medcourse.grading.workforce.CONNECT_SECONDS", 1)
    assert refused(made).startswith(f"expected a Dask scheduler at {ADDRESS}, reached none in 1 s: ")


@pytest.mark.slow
def test_only_a_worker_that_grades_as_this_machine_does_counts_as_one():
    from distributed import LocalCluster  # noqa: PLC0415

    fit = dict.fromkeys(workforce._fitness(workforce.grader_version()), 1)
    for resources, is_lost in ((workforce._fitness("another"), True), (fit, False)):
        with (
            LocalCluster(
                n_workers=1, threads_per_worker=1, processes=False, protocol="tcp://", host="127.0.0.1", dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False}, resources=resources,
            ) as cluster,
            Workforce(1, cluster.scheduler_address) as force,
        ):  # fmt: skip
            assert force.is_lost() is is_lost
