"""The processes of this machine, and which came of which."""

from pathlib import Path


def processes():
    """Return parent and command line of each process."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            found[int(folder.name)] = (parent, (folder / "cmdline").read_bytes().decode(errors="replace"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def family(pid):
    """Return the process and all that came of it, the eldest first."""
    everybody = processes()
    found = [pid]
    for each in found:
        found += [child for child, (parent, _) in everybody.items() if parent == each and child not in found]
    return {each: everybody[each] for each in found if each in everybody}
