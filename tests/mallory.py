"""What mallory runs as herself on a hub, and what ann runs while mallory listens: programs, each prints one object."""

READ = """
import json, os, sys
said = {}
for path in sys.argv[1:]:
    try:
        os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1)
        said[path] = "read"
    except OSError as error:
        said[path] = type(error).__name__
print(json.dumps(said))
"""

CHANGE = """
import json, os, sys
inbound, hers, outbound, course = sys.argv[1:]
tries = {
    "move what ann handed in": lambda: os.rename(hers, hers + "x"),
    "remove it": lambda: os.rmdir(hers),
    "add to it": lambda: open(hers + "/more.txt", "w"),
    "write into the lab": lambda: open(outbound + "/00_mini/00_mini.ipynb", "w"),
    "release a lab": lambda: os.mkdir(outbound + "/99_mine"),
    "move the labs": lambda: os.rename(outbound, outbound + "x"),
    "move the course": lambda: os.rename(course, course + "x"),
    "hard link the release": lambda: os.link(outbound + "/00_mini/00_mini.ipynb", inbound + "/mine"),
}
said = {}
for name, call in tries.items():
    try:
        call()
        said[name] = "done"
    except OSError as error:
        said[name] = type(error).__name__
print(json.dumps(said))
"""

PROXY = """
import json, sys, urllib.request, urllib.error
said = {}
for port in sys.argv[1:]:
    for token in (None, "", "x", "null"):
        for method in ("GET", "POST", "DELETE"):
            data = b'{"target": "http://127.0.0.1:1"}' if method == "POST" else None
            request = urllib.request.Request(f"http://127.0.0.1:{port}/api/routes/user/ann", data, method=method)
            if token is not None:
                request.add_header("Authorization", f"token {token}")
            try:
                said[f"{method} {token}"] = urllib.request.urlopen(request, timeout=20).status
            except urllib.error.HTTPError as error:
                said[f"{method} {token}"] = error.code
print(json.dumps(said))
"""

PROCESSES = """
import json, os
lines, environments, open_files = [], 0, 0
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        is_mine = os.stat(f"/proc/{pid}").st_uid == os.getuid()
        lines.append(open(f"/proc/{pid}/cmdline").read().replace(chr(0), " "))
    except OSError:
        continue
    if is_mine:
        continue
    for name in ("environ", "mem", "maps"):
        try:
            environments += bool(open(f"/proc/{pid}/{name}", "rb").read(1))
        except OSError:
            pass
    try:
        open_files += len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        pass
print(json.dumps([lines, environments, open_files]))
"""

PORTS = """
import os, pwd, sys
uids = {pwd.getpwnam(name).pw_uid for name in ("ann", "medcourse-grader")}
lines = [line.split() for name in ("tcp", "tcp6") for line in open(f"/proc/net/{name}").readlines()[1:]]
ports = sorted({int(line[1].rsplit(":", 1)[1], 16) for line in lines if line[3] == "0A" and int(line[7]) in uids})
"""

KNOCK = f"""{PORTS}
import json, urllib.request, urllib.error
said = {{}}
class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None
def knock(port, path):
    request = urllib.request.Request(f"http://127.0.0.1:{{port}}/{{path}}", headers={{"Authorization": "token " + sys.argv[1]}})
    try:
        return urllib.request.build_opener(Stay).open(request, timeout=2).status
    except urllib.error.HTTPError as error:
        return error.code
    except Exception:
        return 0
for port in ports:
    said[f"{{port}}/"] = knock(port, "")
    for path in filter(lambda _: said[f"{{port}}/"], (
        "user/ann/api/contents", "user/ann/api/kernels", "user/ann/lab", "services/course/api/contents",
        "services/course/formgrader", "services/course/lab", "api/contents",
    )):
        said[f"{{port}}/{{path}}"] = knock(port, path)
print(json.dumps(said))
"""

LISTEN = f"""
import json, os, sys, time, zmq
up, listens, spoke = sys.argv[1:]
end = time.monotonic() + 60
while not os.path.exists(up) and time.monotonic() < end:
    time.sleep(0.1)
{PORTS}
context = zmq.Context()
ear = context.socket(zmq.SUB)
ear.setsockopt(zmq.SUBSCRIBE, b"")
for port in ports:
    ear.connect(f"tcp://127.0.0.1:{{port}}")
time.sleep(0.5)
open(listens, "w").close()
heard = b""
while time.monotonic() < end and not os.path.exists(spoke):
    if ear.poll(200):
        heard += b"".join(ear.recv_multipart())
context.destroy(linger=0)
print(json.dumps(heard.decode(errors="replace")))
"""

SPEAK = """
import glob, json, os, sys, time
from jupyter_client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

def say(client, code):
    said = []
    client.execute_interactive(code, timeout=60, output_hook=lambda message: said.append(message["content"].get("text")))
    return "".join(filter(None, said))

client = BlockingKernelClient()
client.load_connection_file(max(glob.glob(os.path.expanduser("~/.local/share/jupyter/runtime/kernel-*.json")), key=os.path.getmtime))
client.start_channels()
client.wait_for_ready(timeout=60)
if len(sys.argv) == 2:
    said = say(client, sys.argv[1])
else:
    up, listens, spoke = sys.argv[2:]
    manager, open_client = start_new_kernel()  # as Jupyter does without our settings
    open(up, "w").close()
    end = time.monotonic() + 60
    while not os.path.exists(listens) and time.monotonic() < end:
        time.sleep(0.1)
    said = say(client, sys.argv[1]), say(open_client, "print('plo' + 'ver')")
    time.sleep(1)
    open(spoke, "w").close()
    open_client.stop_channels()
    manager.shutdown_kernel(now=True)
client.stop_channels()
print(json.dumps(said))
"""

HAND_IN = """
import os, sys
from pathlib import Path
inbound, claim, course, ours = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
SECRET = "5ec2e7" * 20
def hand_in(name, salt, claim=claim):
    folder = inbound / f"{name}+00_mini+{claim}+{salt}"
    folder.mkdir()
    (folder / "00_mini.ipynb").write_text("{}")
    (folder / "timestamp.txt").write_text(claim)
    (folder / "submission_secret.txt").write_text(SECRET)
    return folder
hand_in("ann", "forged")
hand_in("mallory", "plain", "2020-01-01 00:00:00.0 UTC")
os.utime(inbound / "mallory+00_mini+2020-01-01 00:00:00.0 UTC+plain", (0, 0))
linked = hand_in("mallory", "linked")
(linked / "00_mini.ipynb").unlink()
(linked / "00_mini.ipynb").symlink_to(f"{course}/build/source/00_mini/00_mini.ipynb")
os.mkfifo(hand_in("mallory", "piped") / "pipe")
deep = hand_in("mallory", "deep")
(deep / ("d/" * 50)).mkdir(parents=True)
with open(hand_in("mallory", "much") / "much", "wb") as file:
    file.truncate(500 * 10**6)
(inbound / f"x+00_mini+no time+x").mkdir()
(inbound / f"ann+00_mini+2999-01-01 00:00:00.0 UTC+link").symlink_to(ours[0])
"""
