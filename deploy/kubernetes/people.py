"""What Kubernetes must know of a class: a user number for each person, and who that is.

    python deploy/kubernetes/people.py CLASS.csv UIDS.csv | kubectl apply --server-side --filename -

CLASS.csv has columns name and role, as for `medcourse hub`. UIDS.csv is made, or added to: keep it, for in the exchange
a number is all that says whose a file is. A number is never changed and never given to a second person.
"""

import csv
import json
import sys
from pathlib import Path
from typing import Any

from medcourse.errors import CourseError
from medcourse.grading.files import write_whole
from medcourse.hub.roster import GRADER, Person, read_class

GRADER_UID, FIRST_UID = 10000, 20000
MOST_BYTES = 900_000
"""A ConfigMap holds 1 MiB; without --server-side kubectl would copy it into an annotation, which holds a quarter."""


def uids_of(people: tuple[Person, ...], path: Path) -> dict[str, int]:
    """Return everybody's number, those of former classes included, and keep the new ones."""
    known: dict[str, int] = {}
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.DictReader(file), 2):
                name, uid = row.get("name"), str(row.get("uid"))
                is_own = uid.isdecimal() and int(uid) >= FIRST_UID and int(uid) not in known.values()
                if not name or name in known or not is_own:
                    raise CourseError(f"row {number} of {path}: expected a name and a number of its own, got {row}")
                known[name] = int(uid)
    free = max([FIRST_UID - 1, *known.values()]) + 1
    new = [person.name for person in people if person.name not in known]
    found = known | {name: uid for uid, name in enumerate(new, free)}
    if new:
        write_whole(path, "".join(["name,uid\n", *(f"{name},{uid}\n" for name, uid in found.items())]), mode=0o600)
    return found


def manifests(people: tuple[Person, ...], uids: dict[str, int]) -> dict[str, Any]:
    """Return the ConfigMaps: for the hub, for each student's pod, and for the course."""
    system = "root:x:0:0:root:/root:/usr/sbin/nologin\n"
    grader = f"{GRADER}:x:{GRADER_UID}:{GRADER_UID}::/srv/course/.home:/bin/bash\n"
    # Whose name stands in no class any more may still own files in the exchange.
    lines = {name: f"{name}:x:{uid}:{uid}::/home/student:/bin/bash\n" for name, uid in uids.items()}
    table = "".join(["name,role,uid\n", *(f"{each.name},{each.role},{uids[each.name]}\n" for each in people)])
    made = [
        ("medcourse", "people", {"people.csv": table}),
        ("medcourse", "passwd", {each.name: system + lines[each.name] for each in people}),
        ("medcourse-grading", "people", {"passwd": system + grader + "".join(lines.values())}),
    ]
    for _, name, data in made:
        if (size := len(json.dumps(data))) > MOST_BYTES:
            raise CourseError(f"expected at most {MOST_BYTES} bytes for ConfigMap {name}, got {size}: split the class")
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": place, "name": name}, "data": data}
            for place, name, data in made
        ],
    }


def main(arguments: list[str]) -> int:
    """Print the manifests of a class."""
    try:
        if len(arguments) != 2:
            raise CourseError("expected two files: people.py CLASS.csv UIDS.csv")
        people = read_class(Path(arguments[0]))
        print(json.dumps(manifests(people, uids_of(people, Path(arguments[1]))), indent=1))
    except CourseError as error:
        print(f"people.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
