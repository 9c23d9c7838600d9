"""Honest code loses nothing in a sandbox: whatever a course teaches people to do works there, in each tier."""

import functools

import pytest

from medcourse.grading.plan import Limits
from medcourse.grading.sandbox.engine import Engine
from tests.sandboxed import PRELOAD, lab, messages, pictures_of

TIERS = ("namespaces", "landlock")
LIMITS = Limits(cell_seconds=60, total_seconds=240)


@functools.cache
def reasons():
    with Engine() as engine:
        return engine.probe()


@pytest.fixture(scope="module", params=TIERS)
def engine(request):
    if reasons()[request.param]:
        pytest.skip(f"no tier {request.param} here: {reasons()[request.param]}")
    with Engine(tier=request.param, preload=PRELOAD) as engine:
        yield engine


@pytest.fixture(scope="module")
def best_engine():
    with Engine(preload=PRELOAD) as engine:
        yield engine


def passes(engine, answer, test="assert ok", limits=LIMITS):
    """Run an answer, and a test of it; return the run when nothing failed."""
    run = engine.run(lab(f"# answer x\n{answer}\n# test x_works\n{test}\n"), limits=limits, seed=1)
    assert (run.failed, messages(run)) == ({}, {"x_works": ""})
    assert run.tier == engine.tier
    return run


# Each sets `ok`, in the cell or by a function that the test calls.
HONEST = {
    "prints": """
print("hello", end="")
print("there", file=__import__("sys").stderr, flush=True)
ok = True
""",
    "warns": """
import warnings
warnings.warn("beware")
np.log(0.0)
ok = True
""",
    "logs": """
import logging
logging.basicConfig(level=logging.INFO)
logging.getLogger("mine").info("working")
logging.warning("careful")
ok = True
""",
    "shows a progress bar": """
from tqdm import tqdm
from tqdm.auto import trange
ok = sum(1 for _ in tqdm(range(5))) + sum(1 for _ in trange(3, desc="epochs")) == 8
""",
    "shows a notebook's progress bar": """
from tqdm.notebook import tqdm
ok = sum(1 for _ in tqdm(range(5))) == 5
""",
    "has threads": """
import threading
found = []
threads = [threading.Thread(target=found.append, args=(i,)) for i in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
ok = sorted(found) == [0, 1, 2, 3]
""",
    "has a pool of threads": """
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
with ThreadPoolExecutor(4) as pool:
    ok = list(pool.map(lambda n: n * n, range(5))) == [0, 1, 4, 9, 16]
with ThreadPool(2) as pool:
    ok = ok and pool.map(abs, [-1, 2]) == [1, 2]
""",
    "sets threads for torch": """
torch.set_num_threads(2)
a = torch.rand(300, 300)
ok = bool(torch.isfinite(a @ a).all()) and torch.get_num_threads() == 2
ok = ok and nn.Conv2d(3, 8, 3)(torch.rand(2, 3, 64, 64)).shape == (2, 8, 62, 62)
""",
    "trains a network": """
net = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
optimiser = torch.optim.AdamW(net.parameters(), lr=0.05)
x = torch.rand(64, 2); y = x.sum(1, keepdim=True)
for _ in range(100):
    optimiser.zero_grad(); loss = nn.functional.mse_loss(net(x), y); loss.backward(); optimiser.step()
ok = loss.item() < 0.1
""",
    "loads with workers": """
from torch.utils.data import DataLoader, TensorDataset
data = TensorDataset(torch.arange(10.0))
loader = DataLoader(data, batch_size=4, num_workers=2, persistent_workers=True, prefetch_factor=2)
ok = [len(batch) for (batch,) in loader] == [4, 4, 2] and sum(float(b.sum()) for (b,) in loader) == 45
loader = DataLoader(data, 5, False, None, None, 2, timeout=30, multiprocessing_context="fork")
ok = ok and len(list(loader)) == 2
""",
    "runs an event loop": """
import asyncio
async def later(x):
    await asyncio.sleep(0.01)
    return x
async def both():
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(later(i)) for i in range(2)]
    return [task.result() for task in tasks]
loop = asyncio.new_event_loop()
ok = loop.run_until_complete(both()) == [0, 1]; loop.close()
""",
    "asks what it prints to": """
import sys
ok = sys.stdout.encoding.lower() == "utf-8" and not sys.stdout.isatty() and sys.stdout.writable()
sys.stdout.write("x"); sys.stdout.flush(); print(np.arange(3), "β", sep=" | ", file=sys.stderr)
""",
    "loads from a data set of its own with workers": """
import torch.utils.data

class Squares(torch.utils.data.Dataset):
    def __len__(self): return 6
    def __getitem__(self, i): return {"x": np.full((2, 2), i * i, np.float32), "i": i}

loader = torch.utils.data.DataLoader(Squares(), 3, shuffle=True, num_workers=2, pin_memory=False)
ok = sorted(int(i) for batch in loader for i in batch["i"]) == list(range(6))
""",
    "writes files": """
import json, os, pathlib, shutil, tempfile
pathlib.Path("mine.txt").write_text("a")
os.makedirs("sub/folder", exist_ok=True)
shutil.copy("mine.txt", "sub/copy.txt"); shutil.copy2("mine.txt", "sub/folder"); shutil.move("sub/copy.txt", "moved.txt")
shutil.copytree("sub", "sub2")
os.chmod("moved.txt", 0o600); os.rename("moved.txt", "renamed.txt"); os.utime("renamed.txt")
with open("mine.txt", "a+") as file:
    file.write("b"); file.seek(0); text = file.read()
with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile("w+") as file:
    pathlib.Path(folder, "a.json").write_text(json.dumps([1])); file.write("x"); file.flush()
    ok = text == "ab" and pathlib.Path(file.name).read_text() == "x"
np.save("a.npy", np.arange(3)); np.savez_compressed("b.npz", a=np.arange(3)); torch.save({"w": torch.ones(2)}, "c.pt")
ok = ok and np.load("a.npy", mmap_mode="r")[2] == 2 and np.load("b.npz")["a"][1] == 1 and torch.load("c.pt")["w"][0] == 1
mapped = np.memmap("d.dat", np.float32, "w+", shape=(4, 4)); mapped[:] = 1; mapped.flush()
ok = bool(ok and np.fromfile("d.dat", np.float32).sum() == 16 and sorted(p.name for p in pathlib.Path().glob("s*")))
shutil.rmtree("sub")
""",
    "knows where and who it is": """
import getpass, os, pathlib, platform, socket, time
ok = bool(pathlib.Path.home().is_dir() and pathlib.Path.cwd().is_dir() and getpass.getuser() and platform.platform())
ok = ok and bool(os.cpu_count() and socket.gethostname() and time.localtime().tm_year > 2000 and os.getpid())
pathlib.Path("~/notes.txt").expanduser().write_text("x")
""",
    "imports a module that it writes": """
%%writefile helpers_of_mine.py
def double(x):
    return 2 * x
""",
    "awaits at the top": """
import asyncio
async def later(x):
    await asyncio.sleep(0.01)
    return x
ok = sum(await asyncio.gather(later(1), later(2))) == 3
""",
    "uses magics": """
%matplotlib inline
%load_ext autoreload
%autoreload 2
%config InlineBackend.figure_format = "png"
ok = True
""",
    "times itself": """
%%time
%timeit -n 2 -r 1 sum(range(10))
ok = True
""",
    "recurses": """
import sys
sys.setrecursionlimit(5000)
def depth(n): return 0 if n == 0 else 1 + depth(n - 1)
ok = depth(3000) == 3000
""",
    "has generators": """
def numbers():
    sent = yield 1
    yield sent
g = numbers(); ok = next(g) == 1 and g.send(5) == 5 and list(i for i in range(3)) == [0, 1, 2]
""",
    "has data classes and typing": """
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol
@dataclass(frozen=True, slots=True)
class Patient:
    age: int
    scans: list = field(default_factory=list)
class Side(Enum):
    LEFT = 1
class Point(NamedTuple):
    x: float = 0.0
ok = Patient(3) == Patient(3) and Side(1) is Side.LEFT and Point(2.0).x == 2.0
""",
    "reads its own source": """
import inspect
def mine(x):
    return x + 1
ok = inspect.getsource(mine) == "def mine(x):\\n    return x + 1\\n" and list(inspect.signature(mine).parameters) == ["x"]
""",
    "caches": """
from functools import cached_property, lru_cache, partial
@lru_cache(maxsize=None)
def fibonacci(n): return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)
ok = fibonacci(80) == 23416728348467685 and partial(pow, 2)(3) == 8
""",
    "pickles and copies": """
import copy, pickle
class Scan:
    def __init__(self): self.pixels = np.ones(2)
again = pickle.loads(pickle.dumps(Scan()))
net = nn.Linear(2, 2)
ok = bool(copy.deepcopy(again).pixels.sum() == 2 and torch.equal(copy.deepcopy(net).weight, net.weight))
""",
    "draws random numbers in the old way": """
import random
np.random.seed(3); random.seed(3); torch.manual_seed(3)
first = np.random.rand(2), random.random(), torch.rand(1).item()
np.random.seed(3); random.seed(3); torch.manual_seed(3)
ok = first[0].tolist() == np.random.rand(2).tolist() and first[1:] == (random.random(), torch.rand(1).item())
""",
    "uses pandas": """
import pandas as pd
frame = pd.DataFrame({"group": list("aab"), "dice": [0.5, 0.7, 0.9]})
frame.to_csv("t.csv", index=False)
ok = pd.read_csv("t.csv").groupby("group").dice.mean().round(3).to_dict() == {"a": 0.6, "b": 0.9}
frame
""",
    "uses scipy": """
from scipy import fft, ndimage, optimize, signal, stats
ok = ndimage.label(np.eye(3))[1] == 3 and abs(optimize.minimize(lambda x: (x - 2) ** 2, 0.0).x[0] - 2) < 1e-3
ok = bool(ok and abs(fft.ifft(fft.fft(np.ones(8))).sum() - 8) < 1e-9 and stats.ttest_ind([1, 2, 3], [1, 2, 4]).pvalue > 0.1)
""",
    "uses scikit-image": """
from skimage import data, filters, io, measure, morphology, transform
image = data.camera()
ok = image.shape == (512, 512) and measure.label(image > filters.threshold_otsu(image)).max() > 1
io.imsave("a.png", image[:8, :8], check_contrast=False)
ok = bool(ok and (io.imread("a.png") == image[:8, :8]).all() and transform.resize(image, (64, 64)).shape == (64, 64))
""",
    "uses scikit-learn in parallel": """
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score
x, y = load_digits(return_X_y=True)
forest = RandomForestClassifier(20, n_jobs=2, random_state=0)
ok = bool(cross_val_score(forest, x[:600], y[:600], cv=3, n_jobs=2).mean() > 0.8)
""",
    "uses joblib": """
from joblib import Memory, Parallel, delayed
ok = Parallel(n_jobs=2)(delayed(abs)(n) for n in (-1, -2)) == [1, 2]
ok = ok and Memory("cache", verbose=0).cache(abs)(-3) == 3
""",
    "uses the course": """
from medcourse import datasets, device, losses, metrics, models, plots, sampling, training
dish = datasets.make_cells(1, seed=1)
figure = plots.overlay(dish.images[0], dish.labels[0], "cells", alt="cells")
net = models.UNet(1, 2, base=2, depth=1)
training.fit(net, lambda step: (torch.rand(1, 1, 20, 20), torch.zeros(1, 4, 4, dtype=torch.long)), nn.functional.cross_entropy, steps=3, lr=1e-3)
ok = dish.images.shape[0] == 1 and metrics.dice(dish.labels[0] > 0, dish.labels[0] > 0) == 1
""",
    "reads medical files": """
import nibabel as nib
nib.save(nib.Nifti1Image(np.ones((4, 4, 4), np.float32), np.eye(4)), "v.nii.gz")
from PIL import Image
Image.fromarray(np.zeros((4, 4), np.uint8)).save("p.jpg")
ok = nib.load("v.nii.gz").get_fdata().sum() == 64 and np.asarray(Image.open("p.jpg")).shape == (4, 4)
""",
    "holds 300 MB": """
big = np.ones(300 * 2**20 // 8)
tensor = torch.zeros(75 * 2**20)
ok = bool(big.sum() == big.size and tensor.sum() == 0)
del big, tensor
""",
    "uses half precision": """
half = torch.rand(8, 8).half()
with torch.autocast("cpu", dtype=torch.bfloat16):
    ok = nn.Linear(4, 4)(torch.rand(2, 4)).dtype == torch.bfloat16
ok = ok and (half @ half).dtype == torch.float16 and np.float16(0.5) + np.float16(1) == 1.5
""",
    "catches what goes wrong": """
import contextlib
try:
    open("/etc/shadow-of-nothing")
except OSError:
    ok = True
with contextlib.suppress(ZeroDivisionError):
    1 / 0
""",
    "catches groups of errors": """
try:
    raise ExceptionGroup("two", [ValueError(1), TypeError(2)])
except* ValueError as group:
    ok = len(group.exceptions) == 1
except* TypeError:
    pass
""",
    "captures its own output": """
import contextlib, io
with contextlib.redirect_stdout(io.StringIO()) as got:
    print("inside")
ok = got.getvalue() == "inside\\n"
""",
    "shows things": """
from IPython.display import HTML, Image, Markdown, clear_output, display
display("text", 3); display(HTML("<b>bold</b>")); display(Markdown("**x**")); clear_output(wait=True)
ok = True
""",
    "shows widgets": """
import ipywidgets as widgets
slider = widgets.IntSlider(3)
widgets.interact(lambda x: x, x=(0, 10))
display(slider)
ok = slider.value == 3
""",
    "asks for the time and a sleep": """
import datetime, signal, time
started = time.perf_counter(); time.sleep(0.05)
ok = time.perf_counter() - started >= 0.05 and datetime.datetime.now().year > 2000
""",
    "uses the last result": """
3 + 4
""",
    "has names that IPython takes for magics": """
time, matplotlib, cd = 2, 3, 4
ok = time == 2
""",
    "defines a main": """
if __name__ == "__main__":
    ok = True
""",
    "collects garbage and finishes by itself": """
import atexit, gc, weakref
gc.collect(); atexit.register(print, "bye"); ok = True
""",
    "uses sqlite, zip and csv": """
import csv, gzip, sqlite3, tarfile, zipfile
with sqlite3.connect("a.db") as db:
    db.execute("create table t (x)"); db.execute("insert into t values (1)"); ok = db.execute("select x from t").fetchone() == (1,)
with zipfile.ZipFile("a.zip", "w") as archive:
    archive.writestr("a.txt", "x")
with gzip.open("a.gz", "wt") as file:
    csv.writer(file).writerow([1, 2])
""",
}
WITH_PROCESSES = {
    "starts programs": """
import subprocess, sys
ok = subprocess.run(["echo", "hi"], capture_output=True, text=True).stdout == "hi\\n"
ok = ok and subprocess.check_output([sys.executable, "-c", "print(6 * 7)"], text=True) == "42\\n"
""",
    "uses the shell": """
found = !echo one && echo two
!echo seen
ok = list(found) == ["one", "two"]
""",
    "has a pool of processes": """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
with multiprocessing.Pool(2) as pool:
    ok = pool.map(abs, [-1, -2]) == [1, 2]
with ProcessPoolExecutor(2) as pool:
    ok = ok and list(pool.map(abs, [-3])) == [3]
""",
    "shares memory": """
import multiprocessing
from multiprocessing import shared_memory
block = shared_memory.SharedMemory(create=True, size=64); block.buf[0] = 7
queue = multiprocessing.Queue()
child = multiprocessing.Process(target=lambda: queue.put(block.buf[0])); child.start()
ok = queue.get(timeout=20) == 7; child.join(); block.close(); block.unlink()
""",
}
TEST_OF = {
    "imports a module that it writes": "# own uses\nimport helpers_of_mine\nok = helpers_of_mine.double(2) == 4\n",
    "uses the last result": "# own uses\nok = _ == 7\n",
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_code_loses_nothing(engine, name):
    passes(engine, HONEST[name] + TEST_OF.get(name, ""))


NO_BODY_OF_A_FUNCTION = ("%", "await", "__main__", "getsource", "pickle")


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, code in HONEST.items()
        if name not in TEST_OF and not any(w in code for w in NO_BODY_OF_A_FUNCTION)
    ],
)
def test_nor_in_a_function_that_a_test_calls(best_engine, name):
    inner = "\n".join(f"    {line}" for line in HONEST[name].splitlines())
    passes(best_engine, f"def x():\n{inner}\n    return bool(ok)", "assert x() is True")


@pytest.mark.parametrize("name", WITH_PROCESSES)
def test_processes_where_a_submission_may_have_them_and_a_plain_refusal_elsewhere(engine, name):
    if engine.tier == "namespaces":
        passes(engine, WITH_PROCESSES[name])
        return
    run = engine.run(lab(f"# answer x\n{WITH_PROCESSES[name]}\n# test x_x\nassert ok\n"), limits=LIMITS, seed=1)
    assert run.score == 0
    assert "PermissionError" in run.failed["x"]


def test_figures_are_shown(engine):
    run = passes(
        engine,
        "import matplotlib.pyplot as plt\nfigure, ax = plt.subplots()\nax.plot([1, 2])\nplt.show()\nok = True\n"
        "# own again\n%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.imshow(np.eye(3))\nplt.title('β ≠ α')\n"
        "# own saves\nfigure.savefig('a.png'); figure.savefig('b.pdf')\nfigure",
    )
    assert [len(pictures_of(run, cell)) for cell in ("x", "again", "saves")] == [1, 1, 1]


def test_monai_can_be_imported(engine):
    passes(
        engine,
        "import monai\nfrom monai.losses import DiceLoss\nfrom monai.transforms import Compose, RandFlip, ToTensor\n"
        "from monai.networks.nets import UNet\n"
        "net = UNet(2, 1, 2, (4, 8), (2,))\n"
        "loss = DiceLoss(sigmoid=True)(net(torch.rand(1, 1, 16, 16))[:, :1], torch.ones(1, 1, 16, 16))\n"
        "ok = bool(torch.isfinite(loss)) and Compose([ToTensor(), RandFlip()])(np.ones((1, 4, 4))).shape == (1, 4, 4)",
    )


def test_large_arrays_go_to_and_fro(engine):
    passes(
        engine,
        "def x(image):\n    return np.concatenate([image, image])",
        "image = np.ones((4, 2**20))\nclose(x(image), np.ones((8, 2**20)))",
    )


def test_what_is_printed_while_a_test_runs_costs_nothing(engine):
    noisy = """
import logging, sys, warnings
def x(n):
    print("n", n); print("x" * 200_000); warnings.warn("slow"); logging.error("oh"); sys.stderr.write("e")
    from tqdm import tqdm
    return sum(tqdm(range(n)))
"""
    passes(engine, noisy, "close(x(4), 6)")
