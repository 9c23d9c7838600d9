"""Measure what one pass of training over a patient's cells takes, in a stream and all at once.

python bench/stream.py [--events 100000 1000000 10000000]

Each row is a fresh process, so that its peak of memory is its own: simulated events are compensated, compressed,
shuffled through a buffer, and teach a denoising layer. All at once is tried up to a million events only. The rows
replace the record bench/results/stream.json.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from medcourse.datasets import make_marrow_chunks, tube_features
from medcourse.models.stacked import DenoisingLayer
from medcourse.streams import shuffled_batches

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "bench" / "results" / "stream.json"
BATCH, CHUNK, BUFFER = 1024, 65_536, 65_536
MOST_AT_ONCE = 1_000_000


def one_pass(n_events: int, *, streamed: bool) -> dict[str, Any]:
    """Train on `n_events` once, in this process, and return a row."""
    torch.set_num_threads(1)
    before = peak_mb()
    started = time.perf_counter()
    chunk = CHUNK if streamed else n_events
    pieces = make_marrow_chunks(n_events, chunk_events=chunk)
    features = (tube_features(piece, piece.markers) for piece in pieces)
    batches = shuffled_batches(features, batch=BATCH, buffer_events=max(BATCH, BUFFER if streamed else n_events))
    torch.manual_seed(0)
    layer = DenoisingLayer(10, 20).train()
    optimiser = torch.optim.Adam(layer.parameters(), lr=1e-3)
    mean, sd, seen = None, None, 0
    for batch in batches:
        if mean is None:
            mean, sd = batch.mean(0), batch.std(0)
        x = torch.as_tensor((batch - mean) / sd)
        loss = functional.mse_loss(layer(x), x)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seen += len(x)
    return {
        "events": seen,
        "how": "streamed" if streamed else "all at once",
        "seconds": round(time.perf_counter() - started, 2),
        "added_mb": round(peak_mb() - before, 1),
        "raw_mb": round(np.dtype(np.float32).itemsize * 10 * n_events / 1e6, 1),
        "loss": round(float(loss.detach()), 4),
        "on": f"1 thread of an {platform.machine()} processor",
    }


def peak_mb() -> float:
    """Return the most memory that this process ever held, in MB (the system counts in KiB, on a Mac in bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, nargs="+", default=[10**5, 10**6, 10**7])
    parser.add_argument("--one", choices=["streamed", "all at once"], help="measure in this process, print the row")
    parser.add_argument("--out", type=Path, default=RECORD, help="the record")
    options = parser.parse_args(arguments)
    if options.one:
        one_pass(2000, streamed=True)  # libraries load on first use, and should not count
        print(json.dumps(one_pass(options.events[0], streamed=options.one == "streamed")))
        return
    rows = []
    for n_events in options.events:
        for how in ("streamed", "all at once"):
            if how == "streamed" or n_events <= MOST_AT_ONCE:
                command = [sys.executable, __file__, "--one", how, "--events", str(n_events)]
                run = subprocess.run(command, check=True, capture_output=True, text=True)
                rows.append(json.loads(run.stdout))
                print(rows[-1])
    options.out.write_text(json.dumps({"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
