"""Register a labelled brain with its mirror image: Dice, folds and seconds of the course's network and of SimpleITK.

python bench/mirror_pair.py FOLDER [--steps N] [--sampled SHARE] [--only METHOD ...] [--json]

FOLDER holds one T1-weighted brain without skull and its label map with FreeSurfer's numbers, as `read_numbered_brains`
reads them. Images are registered at half the resolution; labels are moved and compared at the full one. The network
has seen simulated brains only, and is then refined on the pair by gradient descent on its velocity.
"""

import argparse
import json
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medcourse import datasets, metrics, training
from medcourse.models import RegistrationNet, deformation, pairwise, voxelmorph

# White matter, cortex, lateral ventricle, cerebellar cortex, thalamus, hippocampus: left, then right.
STRUCTURES = (2, 3, 4, 8, 10, 17, 41, 42, 43, 47, 49, 53)
THIN = {"encoder": (8, 16, 16, 16), "decoder": (16, 16, 16, 16, 16, 8, 8)}
IMAGE_SIGMA = 0.1


def mirror_pair(folder: Path) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Return the pair (1, 2, *S) at half the resolution, and both label maps at the full one."""
    brain = datasets.read_numbered_brains(folder)
    image, numbers = brain.images[0], brain.numbers[0]
    other, other_numbers = datasets.mirror_brain(image, numbers)
    pair = torch.as_tensor(np.stack([image, other])[None])
    pair = pair / float(np.percentile(image[numbers > 0], 99))
    return functional.avg_pool3d(pair.clamp(0, 1), 2), numbers, other_numbers


def trained_on_simulated(steps: int, n_people: int = 6) -> tuple[RegistrationNet, float]:
    """Return a network that has seen simulated brains in space, of about 2.8 mm, and the seconds that it learned."""
    heads = [datasets.make_age_volume(size=64, seed=seed) for seed in range(n_people)]
    brains = np.stack([datasets.prepare_brain(head.image, head.labels > 0) for head in heads])  # (N, 74, 64, 64)
    depth = -(-brains.shape[1] // 16) * 16
    images = functional.pad(torch.as_tensor(brains), (0, 0, 0, 0, 0, depth - brains.shape[1]))
    torch.manual_seed(0)
    net = RegistrationNet(dims=3, **THIN)
    loss = partial(voxelmorph.probabilistic_loss, image_sigma=IMAGE_SIGMA, prior_lambda=1.0)
    history = training.fit(net, voxelmorph.random_pairs(images, batch=1, seed=0), loss, steps=steps, lr=2e-3)
    return net, history.seconds


def judge(displacement: Tensor, moving: np.ndarray, fixed: np.ndarray) -> dict[str, float]:
    """Score a displacement on the grid of half the resolution."""
    inside = functional.max_pool3d(torch.as_tensor(fixed > 0)[None, None].float(), 2)[:, 0] > 0
    folded = deformation.fold_share(displacement, inside)
    whole = deformation.resize_field(displacement, fixed.shape)
    # Numbers below 2**24 are exact in single precision, and the nearest one is copied as it is.
    moved = deformation.warp(torch.as_tensor(moving.copy())[None, None].float(), whole, mode="nearest")[0, 0].numpy()
    dice = [metrics.dice(fixed == k, moved == k) for k in STRUCTURES]
    return {"dice": float(np.mean(dice)), "folded_percent": 100 * folded}


def by_network(net: RegistrationNet, pair: Tensor, *, refine: int) -> Tensor:
    """Register by the network, and refine on the pair."""
    shape = pair.shape[2:]
    sides = [-(-n // 16) * 16 for n in shape]
    padded = functional.pad(
        pair, [x for n, m in zip(reversed(shape), reversed(sides), strict=True) for x in (0, m - n)]
    )
    velocity = net.velocity(padded)
    if refine:
        velocity = voxelmorph.optimise_pair(
            padded, start=velocity, steps=refine, image_sigma=IMAGE_SIGMA, prior_lambda=1.0
        )
    found = deformation.to_displacement(velocity, padded.shape[2:])
    return found[(slice(None), slice(None), *(slice(n) for n in shape))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=150, help="of training on simulated brains")
    parser.add_argument("--refine", type=int, default=60, help="steps on the pair")
    parser.add_argument(
        "--sampled", type=float, default=0.05, help="share of voxels that the B-splines' error is taken at"
    )
    parser.add_argument("--only", nargs="*", help="methods to run")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    pair, moving, fixed = mirror_pair(options.folder)
    still, other = pair[0, 1].numpy(), pair[0, 0].numpy()

    def classical(register):
        return lambda: torch.as_tensor(register(other, still))[None]

    methods = {
        "none": lambda: torch.zeros(1, 3, *pair.shape[2:]),
        "affine": classical(pairwise.register_affine),
        "demons": classical(partial(pairwise.register_demons, iterations=40, sigma_px=1.0)),
        "B-splines": classical(partial(pairwise.register_bspline, knots=8, iterations=30, sampled=options.sampled)),
        "descent on the pair alone": lambda: deformation.to_displacement(
            voxelmorph.optimise_pair(pair, steps=options.refine, image_sigma=IMAGE_SIGMA, prior_lambda=1.0),
            pair.shape[2:],
        ),
    }
    if not options.only or any(name.startswith("network") for name in options.only):
        net, seconds = trained_on_simulated(options.steps)
        if not options.json:
            print(f"trained for {seconds:.0f} s", flush=True)
        methods["network"] = lambda: by_network(net, pair, refine=0)
        methods["network, refined"] = lambda: by_network(net, pair, refine=options.refine)
    rows = {}
    for name, register in methods.items():
        if options.only and name not in options.only:
            continue
        began = time.perf_counter()
        displacement = register()
        seconds = time.perf_counter() - began
        rows[name] = judge(displacement, moving, fixed) | {"seconds": seconds}
        if not options.json:
            print(f"{name:>26}: " + ", ".join(f"{key} {value:.4g}" for key, value in rows[name].items()), flush=True)
    if options.json:
        print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
