"""What a network costs before it runs: parameters, operations, memory; and how far one output sees."""

from collections.abc import Sequence
from dataclasses import dataclass

from medcourse.errors import CourseError
from medcourse.models.plain import Layer

BYTES_PER_NUMBER = 4  # float32
COPIES_OF_WEIGHTS = 4  # the weight, its gradient, and the two moments that Adam keeps of it


@dataclass(frozen=True)
class Cost:
    """What one layer, or all of them, cost for one sample.

    Attributes
    ----------
    side
        Of the output, in voxels; 1 after the mean.
    parameters
        Weights and biases.
    flops
        Multiplications and additions of one forward pass, as `torch.utils.flop_counter` counts: two for each weight at
        each place where it is used; biases, ReLU and pooling are left out.
    values
        Numbers that the output holds.
    """

    side: int
    parameters: int
    flops: int
    values: int


def layer_costs(layers: Sequence[Layer], *, in_channels: int, side: int, dims: int) -> list[Cost]:
    """Return the cost of each layer.

    Parameters
    ----------
    layers
        As `models.plain.plain_layers` returns them.
    in_channels, side, dims
        Channels of the input, its voxels along each axis, and 2 or 3 for how many axes.

    Raises
    ------
    CourseError
        A layer meets an input that is smaller than its kernel.

    Examples
    --------
    >>> layer_costs([{"kind": "conv", "inputs": 1, "outputs": 8, "kernel": 3, "stride": 1, "padding": 1}],
    ...             in_channels=1, side=16, dims=2)
    [Cost(side=16, parameters=80, flops=36864, values=2048)]
    """
    costs: list[Cost] = []
    channels = in_channels
    for layer in layers:
        parameters = flops = 0
        kind = layer["kind"]
        if kind in ("conv", "pool"):
            side = (side + 2 * layer.get("padding", 0) - layer["kernel"]) // layer["stride"] + 1
            if side < 1:
                raise CourseError(
                    f"nothing is left for layer {len(costs) + 1} ({kind}): take fewer layers or a larger side"
                )
        if kind == "conv":
            weights = layer["inputs"] * layer["outputs"] * layer["kernel"] ** dims
            parameters, flops, channels = weights + layer["outputs"], 2 * weights * side**dims, layer["outputs"]
        elif kind == "mean":
            side = 1
        elif kind == "linear":
            weights = layer["inputs"] * layer["outputs"]
            parameters, flops, channels = weights + layer["outputs"], 2 * weights, layer["outputs"]
        costs.append(Cost(side, parameters, flops, channels * side**dims))
    return costs


def total_cost(layers: Sequence[Layer], *, in_channels: int, side: int, dims: int) -> Cost:
    """Return the sum over all layers; `values` holds the input, too, for training keeps it all."""
    costs = layer_costs(layers, in_channels=in_channels, side=side, dims=dims)
    return Cost(
        side=costs[-1].side,
        parameters=sum(cost.parameters for cost in costs),
        flops=sum(cost.flops for cost in costs),
        values=in_channels * side**dims + sum(cost.values for cost in costs),
    )


def training_bytes(cost: Cost, *, batch: int) -> int:
    """Return about how many bytes a step of Adam needs in float32: weights four times, and what the way back needs."""
    return BYTES_PER_NUMBER * (COPIES_OF_WEIGHTS * cost.parameters + batch * cost.values)


def receptive_field(layers: Sequence[Layer]) -> tuple[int, int]:
    """Return how many voxels one output of the last convolution or pooling sees, and how far its neighbour's are away.

    Each layer widens the field by kernel - 1 steps of the grid that it works on; its stride makes later steps longer.

    Examples
    --------
    >>> receptive_field([{"kind": "conv", "kernel": 3, "stride": 1}, {"kind": "pool", "kernel": 2, "stride": 2}])
    (4, 2)
    """
    field, step = 1, 1
    for layer in layers:
        if layer["kind"] in ("conv", "pool"):
            field += (layer["kernel"] - 1) * step
            step *= layer["stride"]
    return field, step
