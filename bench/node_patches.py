"""Cut the patches of unit 17 out of sixty simulated chests.

python bench/node_patches.py

Writes medcourse/datasets/bundled/node_patches.npz; about three minutes on one idle core.
"""

import numpy as np
from tqdm import tqdm

from medcourse.datasets import make_chest
from medcourse.models import node_patches

N_PATIENTS, SEED = 60, 1700
# Patients with many nodes, as those of whom one would collect scans.
CHEST = {"spacing_mm": (2.5, 2.0, 2.0), "nodules_per_scan": 0, "nodes_per_scan": 10, "small_nodes_per_scan": 24}


def main() -> None:
    scans = (make_chest(i, seed=SEED, **CHEST) for i in tqdm(range(N_PATIENTS), desc="chests", mininterval=10))
    patches = node_patches.gather_node_patches(scans)
    grey = (patches.hu - node_patches.LOWEST_HU) / node_patches.STEP_HU
    node_patches.FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(
        node_patches.FILE,
        grey=np.clip(np.rint(grey), 0, 255).astype(np.uint8),
        labels=patches.labels.astype(np.uint8),
        patients=patches.patients.astype(np.uint8),
    )
    size = node_patches.FILE.stat().st_size / 1e6
    print(f"{len(patches.labels)} patches, {patches.labels.sum()} on enlarged nodes, {size:.2f} MB")


if __name__ == "__main__":
    main()
