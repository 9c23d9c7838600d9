"""The bench of streamed training: every event is seen, and memory does not grow with their number."""

import json
import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
bench = runpy.run_path(str(ROOT / "bench" / "stream.py"))


def test_a_pass_sees_every_event_and_learns():
    short, longer = (bench["one_pass"](n, streamed=True) for n in (3000, 60_000))
    assert (short["events"], longer["events"]) == (3000, 60_000)
    assert longer["loss"] < short["loss"]
    assert longer["raw_mb"] == 2.4


def test_the_record_shows_bounded_memory():
    rows = {
        (r["events"], r["how"]): r for r in json.loads((ROOT / "bench" / "results" / "stream.json").read_text())["rows"]
    }
    streamed = [rows[n, "streamed"] for n in (10**5, 10**6, 10**7)]
    assert streamed[2]["added_mb"] < 1.3 * streamed[1]["added_mb"]
    assert streamed[2]["added_mb"] < streamed[2]["raw_mb"]
    assert rows[10**6, "all at once"]["added_mb"] > 2 * rows[10**6, "streamed"]["added_mb"]
