"""Train the networks of unit 13 that ship with the course: for each seed a GAN and an auto-encoder on healthy patches.

python bench/anogan.py SEED [SEED ...]

Writes medcourse/models/weights/anogan_oct_SEED.npz, and into anogan_oct.json beside it the checksum, what it was made
by, and how long it took: about two minutes a seed on one idle core. The bits differ from machine to machine.
"""

import hashlib
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from tqdm import trange

from medcourse.datasets import make_oct_patches
from medcourse.models import anogan

EYES, PATCHES_PER_EYE, BATCH = 256, 8, 32
GAN_STEPS, AUTO_ENCODER_STEPS = 1280, 500  # 1280 batches are 20 epochs, as in the paper
LR = 5e-4


def training_patches(seed: int) -> torch.Tensor:
    """(N, 1, 64, 64) healthy patches in [-1, 1]; the lab's test eyes have other seeds, below 1000."""
    patches = make_oct_patches(EYES, patches_per_eye=PATCHES_PER_EYE, seed=1000 + seed)
    return 2 * torch.as_tensor(patches.images)[:, None] - 1


def train_gan(images: torch.Tensor, steps: int, *, seed: int) -> tuple[anogan.Generator, anogan.Discriminator]:
    """Let both players take turns, one step each, with the loss that does not saturate."""
    torch.manual_seed(seed)
    generator, discriminator = anogan.Generator(), anogan.Discriminator()
    of_g, of_d = (torch.optim.Adam(net.parameters(), lr=LR, betas=(0.5, 0.999)) for net in (generator, discriminator))
    for _ in trange(steps, desc=f"GAN {seed}", mininterval=20):
        real = images[torch.randint(len(images), (BATCH,))]
        fake = generator(generator.draw(BATCH))
        logits = discriminator(real), discriminator(fake.detach())
        loss_d = functional.softplus(-logits[0]).mean() + functional.softplus(logits[1]).mean()
        of_d.zero_grad()
        loss_d.backward()
        of_d.step()
        loss_g = functional.softplus(-discriminator(fake)).mean()
        of_g.zero_grad()
        loss_g.backward()
        of_g.step()
    return generator.eval(), discriminator.eval()


def train_auto_encoder(images: torch.Tensor, steps: int, *, seed: int) -> anogan.PatchAutoEncoder:
    torch.manual_seed(seed)
    net = anogan.PatchAutoEncoder()
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=steps)
    for _ in trange(steps, desc=f"auto-encoder {seed}", mininterval=20):
        x = images[torch.randint(len(images), (BATCH,))]
        loss = functional.mse_loss(net(x), x)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return net.eval()


def save(seed: int, nets: dict[str, torch.nn.Module], seconds: float) -> None:
    folder = Path(anogan.__file__).parent / "weights"
    folder.mkdir(exist_ok=True)
    arrays = {
        f"{name}/{key}": value.numpy().astype(np.float16 if value.is_floating_point() else value.numpy().dtype)
        for name, net in nets.items()
        for key, value in net.state_dict().items()
    }
    file = folder / f"anogan_oct_{seed}.npz"
    np.savez_compressed(file, **arrays)
    index = folder / "anogan_oct.json"
    record = json.loads(index.read_text()) if index.is_file() else {}
    record[str(seed)] = {
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "command": f"python bench/anogan.py {seed}",
        "patches": EYES * PATCHES_PER_EYE,
        "gan_steps": GAN_STEPS,
        "auto_encoder_steps": AUTO_ENCODER_STEPS,
        "batch": BATCH,
        "seconds": round(seconds),
        "torch": torch.__version__,
    }
    index.write_text(json.dumps(dict(sorted(record.items())), indent=1) + "\n")
    print(file, f"{file.stat().st_size / 1e6:.2f} MB, {seconds:.0f} s")


def main(seeds: list[int]) -> None:
    for seed in seeds:
        began = time.perf_counter()
        images = training_patches(seed)
        generator, discriminator = train_gan(images, GAN_STEPS, seed=seed)
        auto_encoder = train_auto_encoder(images, AUTO_ENCODER_STEPS, seed=seed)
        nets = {"generator": generator, "discriminator": discriminator, "auto_encoder": auto_encoder}
        save(seed, nets, time.perf_counter() - began)


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]])
