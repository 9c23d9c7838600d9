"""Train the source network of units 16 and 17 on pictures from formulas.

python bench/source_network.py [SEED]

Writes medcourse/models/weights/source_fractals.safetensors and, beside it, source_fractals.json: the checksum, what it
was made by, how long it took and how well it tells the categories of pictures that it has not seen. About ten minutes
on one idle core, less on a GPU. The bits differ from machine to machine.
"""

import hashlib
import json
import platform
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn
from torch.nn import functional
from torch.nn.utils import fusion
from tqdm import trange

from medcourse.datasets import make_fractals
from medcourse.device import pick_device
from medcourse.models import transfer

PER_CLASS, HELD_OUT_PER_CLASS = 400, 40
EPOCHS, BATCH, LR, DROPOUT = 10, 96, 3e-3, 0.2
SHIFT = 6  # pixels


def pictures(per_class: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    drawn = make_fractals(per_class, seed=seed)
    return torch.as_tensor(drawn.images), torch.as_tensor(drawn.labels), drawn.names


def vary(images: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
    """Mirror, shift and swap the colours of a batch (B, 3, H, W) in [0, 1]; make negatives of half of its pictures."""
    flips = [axis for axis in (-1, -2) if torch.rand((), generator=chance) < 0.5]
    images = images.flip(flips)[:, torch.randperm(3, generator=chance)]
    negative = (torch.rand(len(images), 1, 1, 1, generator=chance) < 0.5).to(images.device)
    height, width = images.shape[-2:]
    down, right = torch.randint(0, 2 * SHIFT + 1, (2,), generator=chance).tolist()
    padded = functional.pad(torch.where(negative, 1 - images, images), (SHIFT,) * 4, mode="reflect")
    return padded[..., down : down + height, right : right + width]


def add_norms(net: transfer.SourceNet) -> None:
    """Put a batch normalisation behind each hidden layer, without which a deep network learns slowly."""
    for name in transfer.LAYERS[:-1]:
        layer = getattr(net, name)
        norm = nn.BatchNorm2d(layer.out_channels) if name.startswith("conv") else nn.BatchNorm1d(layer.out_features)
        setattr(net, name, nn.Sequential(layer, norm))


def fold_norms(net: transfer.SourceNet) -> None:
    """Fold what the normalisations have learnt into the layers' weights: the same answers, and a plain network."""
    net.eval()
    for name in transfer.LAYERS[:-1]:
        layer, norm = getattr(net, name)
        fuse = fusion.fuse_conv_bn_eval if name.startswith("conv") else fusion.fuse_linear_bn_eval
        setattr(net, name, fuse(layer, norm))


def train(images: torch.Tensor, labels: torch.Tensor, n_classes: int, seed: int) -> transfer.SourceNet:
    torch.manual_seed(seed)
    chance = torch.Generator().manual_seed(seed)
    device = pick_device()
    net = transfer.SourceNet(n_classes, dropout=DROPOUT)
    add_norms(net)
    net.to(device, memory_format=torch.channels_last)
    per_epoch = len(images) // BATCH
    optimiser = torch.optim.AdamW(net.parameters(), lr=LR, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LR, total_steps=EPOCHS * per_epoch, pct_start=0.1)
    for _ in (bar := trange(EPOCHS, desc="source network")):
        order = torch.randperm(len(images), generator=chance)
        for chosen in order[: per_epoch * BATCH].split(BATCH):  # batches of one size
            x = vary(images[chosen].to(device).float() / 255, chance)
            loss = functional.cross_entropy(net(x), labels[chosen].to(device))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        bar.set_postfix(loss=f"{loss.item():.2f}")
    fold_norms(net)
    return net.cpu()


@torch.no_grad()
def accuracy(net: transfer.SourceNet, images: torch.Tensor, labels: torch.Tensor) -> float:
    guesses = torch.cat([net(part.float() / 255).argmax(1) for part in images.split(256)])
    return float((guesses == labels).float().mean())


def main(seed: int) -> None:
    began = time.perf_counter()
    images, labels, names = pictures(PER_CLASS, 1000 + seed)
    net = train(images, labels, len(names), seed)
    seconds = time.perf_counter() - began
    weights = {name: value.half().contiguous() for name, value in net.state_dict().items()}
    net.load_state_dict({name: value.float() for name, value in weights.items()})  # what is measured is what ships
    held_out = accuracy(net, *pictures(HELD_OUT_PER_CLASS, 2000 + seed)[:2])
    folder = Path(transfer.__file__).parent / "weights"
    content = save(weights)
    (folder / "source_fractals.safetensors").write_bytes(content)
    record = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "command": f"python bench/source_network.py {seed}",
        "seed": seed,
        "pictures": len(images),
        "epochs": EPOCHS,
        "batch": BATCH,
        "seconds": round(seconds),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} thread(s), {pick_device()}",
        "torch": torch.__version__,
        "parameters": sum(value.numel() for value in weights.values()),
        "megabytes": round(len(content) / 1e6, 2),
        "held_out_pictures": HELD_OUT_PER_CLASS * len(names),
        "held_out_accuracy": round(held_out, 3),
        "classes": names,
    }
    (folder / "source_fractals.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps({key: value for key, value in record.items() if key != "classes"}, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
