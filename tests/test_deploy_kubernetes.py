"""The manifests are what Kubernetes takes, and each keeps what it promises: take one property away and a test fails.

No cluster is asked. Shapes are held to Kubernetes' own schemas; who reaches whom is worked out from the policies; a
student's pod is made by the hub's own spawner from values.yaml and hub_config.py.
"""

import asyncio
import csv
import io
import itertools
import json
import re
import runpy
import subprocess
import sys
import types

import kubernetes_validate
import pytest
import yaml
from traitlets.config import Config

from medcourse.hub.roster import GRADER
from tests.small_class import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
SCHEMAS = "1.32"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
LISTED = KUSTOMIZATION["resources"]
DOCUMENTS = [
    document for name in LISTED for document in yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8"))
]
VALUES = yaml.safe_load((FOLDER / "values.yaml").read_text())
HUB, GRADING = "medcourse", "medcourse-grading"
PEOPLE = "name,role\nivy,instructor\nann,student\nb_n,student\n"


def name_of(document):
    return f"{document['kind']} {document['metadata'].get('namespace', '')}/{document['metadata']['name']}"


def named(kind, name):
    (found,) = [each for each in DOCUMENTS if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def test_every_manifest_is_listed():
    others = {"kustomization.yaml", "values.yaml"}
    assert {path.name for path in FOLDER.glob("*.yaml")} - others == set(LISTED)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_kubernetes_own_schemas_take_it(document):
    kubernetes_validate.validate(document, SCHEMAS, strict=True)


def test_the_schemas_refuse_what_is_misspelt():
    document = json.loads(json.dumps(named("Deployment", "dask-worker")))
    document["spec"]["template"]["spec"]["automountServiceAccountTokens"] = False
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, SCHEMAS, strict=True)


# Pods.

PODS = {each["metadata"]["name"]: each["spec"]["template"] for each in DOCUMENTS if "template" in each.get("spec", {})}


def test_these_are_the_pods():
    assert set(PODS) == {"course", "dask-scheduler", "dask-worker", "postgres"}


def limits_of(pod):
    return [container["resources"]["limits"] for container in pod["containers"]]


def settings_of(pod):
    return [container["securityContext"] for container in pod["containers"]]


PROPERTIES = {
    "no token of Kubernetes' API": lambda pod: pod["automountServiceAccountToken"] is False,
    "no addresses of other services": lambda pod: pod["enableServiceLinks"] is False,
    "not root": lambda pod: pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0,
    "the runtime's filter of calls": lambda pod: pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault",
    "a read-only image": lambda pod: all(each["readOnlyRootFilesystem"] for each in settings_of(pod)),
    "no capability": lambda pod: all(each["capabilities"] == {"drop": ["ALL"]} for each in settings_of(pod)),
    "no way to privileges": lambda pod: (
        not any(each["allowPrivilegeEscalation"] or each.get("privileged") for each in settings_of(pod))
    ),
    "nothing of the node": lambda pod: (
        not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        and not any("hostPath" in volume for volume in pod["volumes"])
    ),
    "limits": lambda pod: all({"cpu", "memory", "ephemeral-storage"} <= each.keys() for each in limits_of(pod)),
    "scratch of limited size": lambda pod: all(
        "sizeLimit" in volume["emptyDir"] for volume in pod["volumes"] if "emptyDir" in volume
    ),
    "somewhere to write": lambda pod: any("emptyDir" in volume for volume in pod["volumes"]),
    "secrets for its group alone": lambda pod: all(
        volume["secret"]["defaultMode"] == 0o440 for volume in pod["volumes"] if "secret" in volume
    ),
    "no secret in the open": lambda pod: (
        not any(
            re.search("PASSWORD$|TOKEN|SECRET", each["name"]) and "value" in each
            for container in pod["containers"]
            for each in container["env"]
        )
    ),
}


@pytest.mark.parametrize("of", PROPERTIES)
@pytest.mark.parametrize("pod", PODS)
def test_a_pod_has(pod, of):
    assert PROPERTIES[of](PODS[pod]["spec"])


def test_a_property_taken_away_is_missed():
    """Each property looks at something: an empty pod has none of them, or fails to answer."""
    bare = {
        "containers": [
            {"securityContext": {}, "env": [{"name": "API_TOKEN", "value": "x"}], "resources": {"limits": {}}}
        ]
    }
    bare |= {"securityContext": {"runAsNonRoot": True, "runAsUser": 0}}
    bare["volumes"] = [{"secret": {}}, {"hostPath": {}}]
    for name, has in PROPERTIES.items():
        if name != "scratch of limited size":
            with pytest.raises((AssertionError, KeyError)):
                assert has(bare), name


def test_the_namespace_of_grading_refuses_other_pods():
    labels = named("Namespace", GRADING)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert named("Namespace", HUB)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "baseline"


def environment_of(pod):
    return {each["name"]: each.get("value") for each in PODS[pod]["spec"]["containers"][0]["env"]}


@pytest.mark.parametrize(
    ("pod", "role"), [("dask-scheduler", "SCHEDULER"), ("dask-worker", "WORKER"), ("course", "CLIENT")]
)
def test_dask_speaks_tls_with_a_secret_of_each_ones_own(pod, role):
    told = environment_of(pod)
    assert told["DASK_DISTRIBUTED__COMM__TLS__CA_FILE"] == "/tls/ca.pem"
    assert told[f"DASK_DISTRIBUTED__COMM__TLS__{role}__CERT"] == "/tls/cert.pem"
    assert told[f"DASK_DISTRIBUTED__COMM__TLS__{role}__KEY"] == "/tls/key.pem"
    others = {"SCHEDULER", "WORKER", "CLIENT"} - {role}
    assert not [name for name in told if any(f"__{other}__" in name for other in others)]
    spec = PODS[pod]["spec"]
    secrets = [volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume]
    assert secrets == [f"dask-{role.lower()}"]
    (mount,) = [each for each in spec["containers"][0]["volumeMounts"] if each["name"] == "tls"]
    assert mount["mountPath"] == "/tls"
    if pod != "course":
        assert told["DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION"] == "true"


def test_one_submission_fits_into_a_worker():
    """The sandbox gives a submission its limit, the judge twice that at most, and the libraries take about half a GiB."""
    from medcourse.grading.plan import Limits  # noqa: PLC0415

    (limits,) = limits_of(PODS["dask-worker"]["spec"])
    assert limits["memory"] == "5Gi"
    assert Limits().memory_mib * 2 + 512 < 5 * 1024


# Networks.

SERVERS = {
    "postgres": (GRADING, {"app": "postgres"}, [5432]),
    "dask-scheduler": (GRADING, {"app": "dask-scheduler"}, [8786]),
    "dask-worker": (GRADING, {"app": "dask-worker"}, [8788]),
    "course": (GRADING, {"app": "course"}, [8888]),
    "hub": (HUB, {"app": "jupyterhub", "component": "hub"}, [8081]),
}
STUDENT = (HUB, {"app": "jupyterhub", "component": "singleuser-server"}, [])
PROXY = (HUB, {"app": "jupyterhub", "component": "proxy"}, [])
POLICIES = [each for each in DOCUMENTS if each["kind"] == "NetworkPolicy"]
OURS = {name for name, (namespace, _, _) in SERVERS.items() if namespace == GRADING}


def selects(selector, labels):
    for wanted in selector.get("matchExpressions", []):
        assert wanted["operator"] == "In"
        if labels.get(wanted["key"]) not in wanted["values"]:
            return False
    return selector.get("matchLabels", {}).items() <= labels.items()


def is_peer(peers, policy, pod):
    """Whether a rule's peers include a pod; a rule without peers means everybody."""
    namespace, labels, _ = pod
    for peer in peers or [{"namespaceSelector": {}}]:
        assert "ipBlock" not in peer
        near = selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": namespace}) if (
            "namespaceSelector" in peer
        ) else namespace == policy["metadata"]["namespace"]  # fmt: skip
        if near and selects(peer.get("podSelector", {}), labels):
            return True
    return False


def lets(direction, pod, other, port):
    """Whether the policies of a pod let it send to, or receive from, another at a TCP port; as Kubernetes adds them up."""
    peers = {"Egress": "to", "Ingress": "from"}[direction]
    mine = [
        each for each in POLICIES
        if each["metadata"]["namespace"] == pod[0] and direction in each["spec"]["policyTypes"]
        and selects(each["spec"]["podSelector"], pod[1])
    ]  # fmt: skip
    if not mine:
        return True
    for policy in mine:
        for rule in policy["spec"].get(direction.lower(), []):
            ports = [each["port"] for each in rule.get("ports", []) if each["protocol"] == "TCP"]
            if is_peer(rule.get(peers), policy, other) and (not rule.get("ports") or port in ports):
                return True
    return False


def test_who_reaches_whom():
    """The chart's own policies are for the pods of its namespace; what these let in and out counts on our side."""
    everybody = SERVERS | {"student": STUDENT, "proxy": PROXY}
    reached = set()
    for (one, source), (other, target) in itertools.permutations(everybody.items(), 2):
        for port in {port for _, _, ports in SERVERS.values() for port in ports}:
            goes = source[0] == HUB or lets("Egress", source, target, port)
            comes = target[0] == HUB or lets("Ingress", target, source, port)
            if goes and comes and (one in OURS or other in OURS):
                reached.add((one, other, port))
    assert reached == {
        ("course", "dask-scheduler", 8786),
        ("course", "hub", 8081),
        ("course", "postgres", 5432),
        ("dask-scheduler", "dask-worker", 8788),
        ("dask-worker", "dask-scheduler", 8786),
        ("hub", "postgres", 5432),
        ("proxy", "course", 8888),
    }


@pytest.mark.parametrize("namespace", [HUB, GRADING])
def test_nobody_is_let_anywhere_to_begin_with(namespace):
    (policy,) = [each for each in POLICIES if each["metadata"] == {"name": "default-deny", "namespace": namespace}]
    assert policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_workers_have_the_name_service_and_no_address_of_the_internet():
    names = ("kube-system", {"k8s-app": "kube-dns"}, [53])
    assert lets("Egress", SERVERS["dask-worker"], names, 53)
    assert not lets("Egress", SERVERS["dask-worker"], names, 443)
    assert not lets("Egress", SERVERS["postgres"], names, 53)
    assert not any("ipBlock" in json.dumps(each) for each in POLICIES)


def test_ports_of_policies_are_those_that_pods_listen_on():
    for name, (_, _, ports) in SERVERS.items():
        if name in PODS:
            assert [each["containerPort"] for each in PODS[name]["spec"]["containers"][0]["ports"]] == ports
    arguments = " ".join(PODS["dask-worker"]["spec"]["containers"][0]["args"])
    assert "tls://dask-scheduler:8786" in arguments
    assert "--worker-port=8788" in arguments


# The chart's values. What it understands was looked up in the schema that comes with chart 4.4.

KNOWN = [
    "hub.extraFiles",
    "hub.extraVolumes",
    "hub.extraVolumeMounts",
    "hub.config",
    "hub.extraEnv",
    "hub.db.type",
    "hub.db.url",
    "hub.db.upgrade",
    "hub.services",
    "hub.networkPolicy.enabled",
    "hub.networkPolicy.ingress",
    "hub.networkPolicy.egressAllowRules",
    "hub.resources",
    "proxy.https.enabled",
    "proxy.https.type",
    "proxy.https.secret",
    "proxy.service.type",
    "proxy.chp.networkPolicy.enabled",
    "proxy.chp.networkPolicy.egressAllowRules",
    "proxy.chp.networkPolicy.egress",
    "proxy.chp.resources",
    "singleuser.image",
    "singleuser.cmd",
    "singleuser.defaultUrl",
    "singleuser.startTimeout",
    "singleuser.fsGid",
    "singleuser.allowPrivilegeEscalation",
    "singleuser.cpu",
    "singleuser.memory",
    "singleuser.extraEnv",
    "singleuser.storage.type",
    "singleuser.storage.capacity",
    "singleuser.storage.homeMountPath",
    "singleuser.storage.extraVolumes",
    "singleuser.storage.extraVolumeMounts",
    "singleuser.profileList",
    "singleuser.networkPolicy.enabled",
    "singleuser.networkPolicy.ingress",
    "singleuser.networkPolicy.egress",
    "singleuser.networkPolicy.egressAllowRules",
    "singleuser.cloudMetadata.blockWithIptables",
    "cull.enabled",
    "cull.timeout",
    "cull.every",
    "scheduling.userScheduler.enabled",
    "scheduling.userPlaceholder.enabled",
    "prePuller.hook.enabled",
    "prePuller.continuous.enabled",
    "ingress.enabled",
    "debug.enabled",
]
RULES = {
    "cloudMetadataServer", "dnsPortsCloudMetadataServer", "dnsPortsKubeSystemNamespace", "dnsPortsPrivateIPs",
    "privateIPs", "nonPrivateIPs",
}  # fmt: skip


def paths_of(values, known, prefix=""):
    for key, value in values.items():
        path = f"{prefix}{key}"
        if path not in known and isinstance(value, dict):
            yield from paths_of(value, known, f"{path}.")
        else:
            yield path


def test_the_chart_knows_every_value():
    assert sorted(paths_of(VALUES, KNOWN)) == sorted(KNOWN)
    for policy in (VALUES["hub"], VALUES["proxy"]["chp"], VALUES["singleuser"]):
        assert policy["networkPolicy"]["enabled"] is True
        assert policy["networkPolicy"]["egressAllowRules"].keys() <= RULES
        assert policy["networkPolicy"]["egressAllowRules"]["cloudMetadataServer"] is False


def test_students_reach_the_hub_and_the_name_service_only():
    policy = VALUES["singleuser"]["networkPolicy"]
    assert policy["ingress"] == policy["egress"] == []
    assert policy["egressAllowRules"].keys() == RULES
    assert [rule for rule, is_open in policy["egressAllowRules"].items() if is_open] == ["dnsPortsKubeSystemNamespace"]


def test_nobody_logs_in_by_a_name_alone_and_nothing_goes_in_the_open():
    assert VALUES["hub"]["config"]["JupyterHub"]["authenticator_class"] not in {"dummy", "null", "tmp"}
    assert VALUES["proxy"]["https"]["enabled"] is True
    text = (FOLDER / "values.yaml").read_text()
    assert not re.search(r"(?i)(password|secret|token): *['\"]?[A-Za-z0-9]", re.sub("#.*", "", text))


def test_the_hub_and_the_course_call_each_other_by_the_same_names():
    service, pod = VALUES["hub"]["services"]["course"], environment_of("course")
    assert service["url"] == f"http://course.{GRADING}:8888"
    assert pod["JUPYTERHUB_SERVICE_PREFIX"] == "/services/course/"
    assert pod["JUPYTERHUB_API_URL"].startswith(f"http://hub.{HUB}:8081/")
    assert f"postgres.{GRADING}:5432/hub" in VALUES["hub"]["db"]["url"]
    assert ":5432/gradebook" in pod["MEDCOURSE_GRADEBOOK"]
    assert "for name in gradebook hub; do" in (FOLDER / "databases.sh").read_text()
    (made,) = KUSTOMIZATION["configMapGenerator"]
    assert made == {"name": "postgres-init", "namespace": GRADING, "files": ["databases.sh"]}


def test_the_course_starts_where_nbgraders_settings_are():
    container, told = PODS["course"]["spec"]["containers"][0], environment_of("course")
    assert container["workingDir"] == told["MEDCOURSE_ROOT"] == told["JUPYTERHUB_ROOT_DIR"]


def test_the_exchange_is_made_as_on_one_machine():
    """An inbound of nbgrader's own making would let one student move what another handed in."""
    assert "-m 3733 /medcourse/exchange/medcourse/inbound\n" in (FOLDER / "README.md").read_text()


# People.


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    (folder / "class.csv").write_text(PEOPLE)
    return people(folder)


def people(folder, code=0):
    command = [sys.executable, FOLDER / "people.py", folder / "class.csv", folder / "uids.csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    if code:
        return done.stderr
    items = json.loads(done.stdout)["items"]
    for item in items:
        kubernetes_validate.validate(item, SCHEMAS, strict=True)
    return {(item["metadata"]["namespace"], item["metadata"]["name"]): item["data"] for item in items}


def test_each_person_has_a_number_and_sees_no_other_name(made):
    table = list(csv.DictReader(io.StringIO(made[HUB, "people"]["people.csv"])))
    numbers = {row["name"]: row["uid"] for row in table}
    assert len(set(numbers.values())) == len(numbers) == 3
    for name, number in numbers.items():
        own = made[HUB, "passwd"][name]
        assert f"{name}:x:{number}:{number}:" in own
        assert not [other for other in numbers if other != name and f"{other}:" in own]
    everybody = made[GRADING, "people"]["passwd"]
    assert f"{GRADER}:x:{PODS['course']['spec']['securityContext']['runAsUser']}:" in everybody
    assert all(f"{name}:x:{number}:" in everybody for name, number in numbers.items())


def test_a_number_is_never_given_away(tmp_path):
    (tmp_path / "class.csv").write_text(PEOPLE)
    people(tmp_path)
    before = {row["name"]: row["uid"] for row in csv.DictReader(io.StringIO((tmp_path / "uids.csv").read_text()))}
    (tmp_path / "class.csv").write_text("name,role\nivy,instructor\nzoe,student\nann,student\n")
    after = people(tmp_path)
    rows = {row["name"]: row["uid"] for row in csv.DictReader(io.StringIO(after[HUB, "people"]["people.csv"]))}
    assert (rows["ivy"], rows["ann"]) == (before["ivy"], before["ann"])
    assert rows["zoe"] not in before.values()
    assert "b_n" not in rows
    assert "b_n" in after[GRADING, "people"]["passwd"]  # whose files are still there


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("class.csv", "name,role\nann,student\nann,student\n", "row 3: ann is in row 2 already"),
        ("uids.csv", "name,uid\nann,20000\nben,20000\n", "row 3 of"),
        ("uids.csv", "name,uid\nann,0\n", "row 2 of"),
        ("uids.csv", "name,uid\nann,20000\nann,20001\n", "row 3 of"),
    ],
)
def test_bad_tables_are_one_line(tmp_path, file, text, said):
    (tmp_path / "class.csv").write_text(PEOPLE)
    (tmp_path / file).write_text(text)
    before = sorted(path.name for path in tmp_path.iterdir())
    line = people(tmp_path, code=2)
    assert line.startswith("people.py: ")
    assert said in line
    assert line.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == before


# The hub: a student's pod as its own spawner makes it.


@pytest.fixture
def configuration(tmp_path, made):
    """What hub_config.py makes of the chart's configuration."""
    (tmp_path / "people.csv").write_text(made[HUB, "people"]["people.csv"])
    text = (FOLDER / "hub_config.py").read_text()
    assert text.count('"/etc/medcourse/people.csv"') == 1
    (tmp_path / "config.py").write_text(text.replace("/etc/medcourse/people.csv", str(tmp_path / "people.csv")))
    config = Config()
    config.JupyterHub.load_roles = [{"name": "of the chart"}]
    runpy.run_path(str(tmp_path / "config.py"), {"get_config": lambda: config})
    return config


def pod_of(configuration, name):
    """Return the pod that the spawner asks Kubernetes for, with what the chart hands it of values.yaml."""

    async def render():
        orm = types.SimpleNamespace(name="", server=None, state={}, user_options={}, orm_oauth_client=None)
        user = types.SimpleNamespace(name=name, escaped_name=name, url=f"/user/{name}/", id=1)
        spawner = KubeSpawner(_mock=True, user=user, orm_spawner=orm, config=configuration)
        given = VALUES["singleuser"]
        spawner.volumes = given["storage"]["extraVolumes"]
        spawner.volume_mounts = given["storage"]["extraVolumeMounts"]
        spawner.cmd, spawner.image = given["cmd"], "student:1"
        spawner.environment = given["extraEnv"]
        return ApiClient.__new__(ApiClient).sanitize_for_serialization(await spawner.get_pod_manifest())

    from kubernetes_asyncio.client import ApiClient  # noqa: PLC0415
    from kubespawner import KubeSpawner  # noqa: PLC0415

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kubespawner.spawner.load_config", lambda **_: None)
        patch.setattr("kubespawner.spawner.shared_client", lambda *_, **__: None)
        return asyncio.run(render())


OF_A_PERSON = {
    "no token of Kubernetes' API", "no addresses of other services", "the runtime's filter of calls", "no capability",
    "no way to privileges", "nothing of the node",
}  # fmt: skip


@pytest.mark.parametrize("name", ["ann", "b_n"])
def test_a_students_pod_runs_as_that_student_and_as_nobody_more(configuration, made, name):
    pod = pod_of(configuration, name)
    kubernetes_validate.validate(pod, SCHEMAS, strict=True)
    spec = pod["spec"]
    for property_ in OF_A_PERSON:
        assert PROPERTIES[property_](spec), property_
    table = csv.DictReader(io.StringIO(made[HUB, "people"]["people.csv"]))
    (uid,) = [int(row["uid"]) for row in table if row["name"] == name]
    (container,) = spec["containers"]
    assert (container["securityContext"]["runAsUser"], container["securityContext"]["runAsGroup"]) == (uid, uid)
    assert spec["securityContext"]["fsGroup"] == uid
    assert container["securityContext"]["runAsNonRoot"] is True
    mounts = {each["mountPath"]: each for each in container["volumeMounts"]}
    assert mounts["/etc/passwd"] == {"name": "passwd", "mountPath": "/etc/passwd", "subPath": name, "readOnly": True}
    assert mounts["/srv/exchange"]["name"] == "exchange"
    assert not [volume for volume in spec["volumes"] if "secret" in volume]
    told = json.dumps(container["env"])
    assert not re.search(r"gradebook|postgres|dask|solutions", told, re.IGNORECASE)
    assert pod["metadata"]["labels"].items() >= STUDENT[1].items()


def test_nobody_outside_the_class_gets_in_or_a_server(configuration):
    assert configuration.Authenticator.allowed_users == {"ivy", "ann", "b_n"}
    assert configuration.Authenticator.allow_all is configuration.OAuthenticator.allow_all is False
    with pytest.raises(KeyError):
        pod_of(configuration, "mallory")


def test_instructors_alone_may_open_the_course(configuration):
    of_the_chart, instructor = configuration.JupyterHub.load_roles
    assert of_the_chart == {"name": "of the chart"}
    assert instructor["users"] == ["ivy"]
    assert "access:services!service=course" in instructor["scopes"]


def test_the_spawner_knows_every_setting(configuration):
    from kubespawner import KubeSpawner  # noqa: PLC0415

    assert set(configuration.KubeSpawner) <= set(KubeSpawner.class_trait_names(config=True))
