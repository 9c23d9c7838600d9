"""The class, for the hub of Zero to JupyterHub: who may log in, as whom each server runs, who may open the course.

The hub's image has no medcourse, so this file stands for itself. `people.py` makes what it reads.
"""

import csv
from pathlib import Path

c = get_config()  # noqa: F821  (JupyterHub runs this file and provides it)

PEOPLE = Path("/etc/medcourse/people.csv")
with PEOPLE.open(encoding="utf-8", newline="") as _file:
    _class = list(csv.DictReader(_file))
_uids = {row["name"]: int(row["uid"]) for row in _class}


def uid_of(spawner: object) -> int:
    """Return the user number that is this person's alone: what parts people in the exchange."""
    return _uids[spawner.user.name]  # who is in no class starts no server


c.Authenticator.allowed_users = set(_uids)
c.Authenticator.allow_all = False
c.Authenticator.admin_users = set()
c.OAuthenticator.allow_all = False

c.KubeSpawner.uid = c.KubeSpawner.gid = c.KubeSpawner.fs_gid = uid_of
c.KubeSpawner.supplemental_gids = []
c.KubeSpawner.allow_privilege_escalation = False
c.KubeSpawner.privileged = False
c.KubeSpawner.automount_service_account_token = False
c.KubeSpawner.extra_pod_config = {"enableServiceLinks": False}
c.KubeSpawner.container_security_context = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
}
c.KubeSpawner.pod_security_context = {
    "seccompProfile": {"type": "RuntimeDefault"},
    "fsGroupChangePolicy": "OnRootMismatch",
}

# As on one machine: see medcourse/hub/config.py.
c.JupyterHub.load_roles = [
    *c.JupyterHub.load_roles,
    {
        "name": "instructor",
        "description": "Open the course, see who is there, start and stop servers",
        "scopes": ["access:services!service=course", "admin-ui", "list:users", "read:users", "servers"],
        "users": [row["name"] for row in _class if row["role"] == "instructor"],
    },
]
