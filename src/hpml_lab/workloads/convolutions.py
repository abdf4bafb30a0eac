"""What cuDNN may copy to compute a convolution."""

import torch
from torch import Tensor, nn

from hpml_lab.workloads.storageless import forward, without_storage

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def largest_copies_bytes(model: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Returns the bytes of input, output and weight of the layer where they are most; 0 of none.

    cuDNN's kernels for TF32 and bfloat16 want channels last. Given tensors that are not, it copies
    all three of a layer into its workspace while it computes it.

    Args:
        model: left as it was.
        input_shape: of a batch.

    Raises:
        InputError: if the network cannot take such a batch.
    """
    found = [0]

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        found.append(inputs[0].nbytes + output.nbytes + module.get_parameter("weight").nbytes)

    twin = without_storage(model)
    for module in twin.modules():
        if isinstance(module, _CONVOLUTIONS):
            module.register_forward_hook(note)
    forward(twin, torch.empty(input_shape, device="meta"))
    return max(found)
