"""Several hosts on one machine: network namespaces on a bridge that is in a namespace, too. It needs root and iproute2.

Nothing has a name outside of it and each process dies with the one that made it, so nothing is left of it, however a
test ends.
"""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

TIED = ["setpriv", "--pdeathsig=KILL"]


class Network:
    """A bridge to which hosts are attached; use it in a `with`."""

    def __enter__(self):
        self.hosts, self._stack = [], contextlib.ExitStack()
        try:
            self.holder = self.hold()
            self.ip("link", "add", "lan", "type", "bridge")
            self.ip("link", "set", "lan", "up")
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_):
        self._stack.close()

    def hold(self):
        """Start a process that keeps a new network namespace alive, and return its number."""
        holder = subprocess.Popen([*TIED, "unshare", "--net", "sleep", "infinity"])
        self._stack.callback(end, holder)
        ours = Path("/proc/self/ns/net").readlink()
        deadline = time.monotonic() + 10
        while Path(f"/proc/{holder.pid}/ns/net").readlink() == ours:
            assert time.monotonic() < deadline, "no network namespace within 10 s"
            time.sleep(0.01)
        return holder.pid

    def ip(self, *arguments, of=None):
        """Run `ip` in the bridge's namespace, or in that of a holder."""
        place = f"--net=/proc/{of or self.holder}/ns/net"
        done = subprocess.run(["nsenter", place, "ip", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def host(self):
        """Attach another host."""
        made = Host(self, len(self.hosts) + 1)
        self.hosts.append(made)
        self._stack.callback(made.close)
        return made


class Host:
    """A network namespace with an address, and what runs in it."""

    def __init__(self, network, number):
        self.network, self.cable = network, f"cable{number}"
        self.address = f"10.0.0.{number}"
        self.running = []
        self.holder = network.hold()
        network.ip("link", "add", self.cable, "type", "veth", "peer", "name", "eth0", "netns", str(self.holder))
        network.ip("link", "set", self.cable, "master", "lan", "up")
        for arguments in (["addr", "add", f"{self.address}/24", "dev", "eth0"], ["link", "set", "eth0", "up"]):
            network.ip(*arguments, of=self.holder)
        network.ip("link", "set", "lo", "up", of=self.holder)

    def start(self, argv, **settings):
        """Start a command on this host, in a session of its own; the settings are those of `Popen`."""
        place = f"--net=/proc/{self.holder}/ns/net"
        made = subprocess.Popen([*TIED, "nsenter", place, "--", *argv], start_new_session=True, **settings)
        self.running.append(made)
        return made

    def run(self, argv, **settings):
        """Run a command on this host to its end; return its code, and what it printed on standard output and error."""
        process = self.start(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **settings)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def cut(self):
        """Pull the host's cable."""
        self.network.ip("link", "set", self.cable, "down")

    def mend(self):
        """Put it back."""
        self.network.ip("link", "set", self.cable, "up")

    def close(self):
        """End what runs here."""
        for process in self.running:
            end(process)


def end(process):
    """Kill a process with all of its session's group that it leads, and wait until it is gone."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL) if os.getpgid(process.pid) == process.pid else process.kill()
    process.wait(10)
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()
