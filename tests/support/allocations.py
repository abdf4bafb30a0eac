"""What a real optimizer allocates on the CPU: its state, and the peak of a step besides it."""

import torch

from hpml_lab.memory.readings import allocator_peak

SCALAR_BYTES = 8  # what a 0-dimensional tensor takes at most


def peak_bytes(step):
    """Returns the most bytes that a call held at once, scalars left out, from the allocator."""
    return allocator_peak(step, least_bytes=SCALAR_BYTES + 1)


def fresh(shapes, dtype=torch.float32):
    """Returns parameters of these shapes, or of these element counts, with gradients."""
    parameters = [torch.nn.Parameter(torch.ones(shape, dtype=dtype)) for shape in shapes]
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    return parameters


def state_bytes(optimizer):
    """Returns the bytes of an optimizer's tensors, and those of its step counters."""
    kept = [pair for state in optimizer.state.values() for pair in state.items()]
    tensors = [(key, value) for key, value in kept if torch.is_tensor(value)]
    return (
        sum(value.nbytes for key, value in tensors if key != "step"),
        sum(value.nbytes for key, value in tensors if key == "step"),
    )
