"""Timeline of a residual network's training step, by a recurrence over its layers.

Nothing is run: every block of memory is a shape times the bytes of an element. The tensors kept for
the backward pass, and their lifetimes, follow from the derivatives: a convolution keeps its input,
a batch norm its input and the batch's mean and deviation, a ReLU its result (in place, so it is
the next convolution's input too), max pooling the indices of the maxima. Gradients flow in the
reverse order of the forward pass; where two meet, the sum is a separate block.
"""

from hpml_lab.errors import InputError
from hpml_lab.memory.optimizer_step import Step, record_state, record_update
from hpml_lab.memory.resnet import Block, Convolution, Layout, ResNet
from hpml_lab.memory.timeline import Recorder, Timeline

_FLOAT, _LABEL, _INDEX, _COUNTER = 4, 8, 8, 8


def resnet_timeline(network: ResNet, image: int, step: Step) -> Timeline:
    """Returns one training step of a residual network, to the byte.

    ReLU and the residual additions work in place, as in torchvision. In bfloat16, autocast keeps
    a copy of every weight until the backward pass has used it; batch norm keeps its statistics
    in float32.

    Args:
        network: The network.
        image: Side of the images in pixels.
        step: Settings of the step.

    Raises:
        InputError: for an image size that the network does not accept.
    """
    recorder = Recorder()
    layout = network.layout(image)
    if network.norm and step.batch_size == 1 and layout.last_side == 1:
        raise InputError(
            f"batch is 1 and image is {image}: batch norm would have one value a channel in the "
            "last stage; give a batch of 2 or more, or larger images"
        )
    sizes = layout.parameter_sizes
    _begin(recorder, layout, step)
    loss: int | None = None  # a step returns it, so it stays alive during the update
    for index in range(step.accumulate):
        if loss is not None:
            recorder.free(loss)
        loss = _Pass(recorder, layout, step, gradients=step.keep_gradients or index > 0).run()
    record_update(recorder, step, sizes)
    return recorder.timeline()


def _begin(recorder: Recorder, layout: Layout, step: Step) -> None:
    sizes = layout.parameter_sizes
    for size in sizes:
        recorder.allocate(_FLOAT * size, "parameters")
    for layer in layout.convolutions:
        for size in (_FLOAT * layer.outputs, _FLOAT * layer.outputs, _COUNTER):
            if layer.norm:
                recorder.allocate(size, "buffers")
    record_state(recorder, step, sizes)
    recorder.allocate(step.batch_size * _FLOAT * layout.stem.inputs * layout.stem.side**2, "input")
    recorder.allocate(step.batch_size * _LABEL, "input")
    for size in sizes if step.keep_gradients else []:
        recorder.allocate(_FLOAT * size, "gradients")


class _Pass:
    """One forward and backward pass; each method records the memory of one layer."""

    def __init__(self, recorder: Recorder, layout: Layout, step: Step, *, gradients: bool) -> None:
        self._recorder = recorder
        self._layout = layout
        self._batch = step.batch_size
        self._cast = step.precision != "float32"
        self._element = 2 if self._cast else _FLOAT
        self._gradients = gradients  # whether gradients exist already, to accumulate into
        self._kept: dict[str, list[int]] = {}  # blocks that a layer's backward pass frees
        self._waiting = (0, 0)  # the last weight gradient and its elements

    def run(self) -> int:
        """Records both passes and returns the block of the loss, which is still alive."""
        self._forward()
        self._recorder.keep_activations()
        self._backward()
        (loss,) = self._kept["loss"]
        return loss

    def _forward(self) -> None:
        self._recorder.phase = "forward"
        self._stem()
        for block in self._layout.blocks:
            self._block(block)
        self._head()

    def _stem(self) -> None:
        layout, stem = self._layout, self._layout.stem
        output = self._convolution(stem)
        self._kept["relu " + stem.name] = [output]
        if layout.pool_side:
            outputs = stem.outputs * layout.pool_side**2
            self._at("maxpool")
            pooled = self._map(outputs)
            self._kept["pool"] = [self._allocate(self._batch * outputs * _INDEX)]
            self._kept["pooled"] = [pooled]

    def _block(self, block: Block) -> None:
        for layer in block.convolutions:
            self._kept["relu " + layer.name] = [self._convolution(layer)]
        if block.projection is not None:
            self._free([self._convolution(block.projection)])  # added in place

    def _convolution(self, layer: Convolution) -> int:
        self._at(layer.name)
        kept = self._kept[layer.name] = []
        if self._cast:
            kept.append(self._allocate(self._element * layer.weights))
            if layer is self._layout.stem:
                kept.append(self._map(layer.inputs * layer.side**2))
        output = self._map(layer.pixels_after)
        if not layer.norm:
            return output
        self._at(layer.norm)
        normed = self._map(layer.pixels_after)
        mean, deviation = (self._allocate(_FLOAT * layer.outputs) for _ in range(2))
        self._kept[layer.norm] = [output, mean, deviation]
        return normed

    def _head(self) -> None:
        layout = self._layout
        logits = self._batch * layout.classes
        self._at(layout.linear)
        kept = self._kept[layout.linear] = [self._map(layout.features)]
        passing = []
        if self._cast:
            passing.append(self._allocate(self._element * layout.classes))
            kept.append(self._allocate(self._element * layout.features * layout.classes))
        passing.append(self._allocate(self._element * logits))
        self._at("")
        if self._cast:
            passing.append(self._allocate(_FLOAT * logits))
        self._kept["log-softmax"] = [self._allocate(_FLOAT * logits)]
        self._kept["loss"] = [self._allocate(_FLOAT)]
        self._kept["total weight"] = [self._allocate(_FLOAT)]
        self._free(passing)

    def _backward(self) -> None:
        self._recorder.phase = "backward"
        first = self._allocate(_FLOAT)  # gradient of the loss with respect to itself
        gradient = self._head_backward()
        for block in reversed(self._layout.blocks):
            gradient = self._block_backward(block, gradient)
        self._stem_backward(gradient)
        self._at("")
        self._free([first])

    def _head_backward(self) -> int:
        layout = self._layout
        logits = self._batch * layout.classes
        self._at("")
        picked = self._allocate(_FLOAT * logits)
        self._free(self._kept["total weight"])
        gradient = self._allocate(_FLOAT * logits)
        self._free([picked, *self._kept["log-softmax"]])
        if self._cast:
            gradient = self._replaced(gradient, self._element * logits)
        self._at(layout.linear)
        pooled = self._map(layout.features)
        weights = self._allocate(self._element * layout.features * layout.classes)
        biases = self._allocate(self._element * layout.classes)
        self._free([gradient, *self._kept[layout.linear]])
        self._parameter(weights, layout.features * layout.classes)
        self._parameter(biases, layout.classes)
        self._at("avgpool")
        gradient = self._map(layout.features * layout.last_side**2)
        self._free([pooled])
        return gradient

    def _block_backward(self, block: Block, gradient: int) -> int:
        last = block.convolutions[-1]
        around = gradient = self._relu_backward(last, gradient)
        if block.projection is not None:
            around = self._convolution_backward(block.projection, gradient, shared=True)
            self._weights_arrived()
        for layer in reversed(block.convolutions):
            gradient = self._convolution_backward(layer, gradient, shared=gradient == around)
            if layer is not block.convolutions[0]:
                self._weights_arrived()
                before = block.convolutions[block.convolutions.index(layer) - 1]
                gradient = self._relu_backward(before, gradient)
        return self._sum(block, gradient, around)

    def _sum(self, block: Block, gradient: int, around: int) -> int:
        # The sum is allocated when the second gradient arrives, before any other node runs.
        if block is self._layout.blocks[0]:
            self._free(self._kept.pop("pooled", []))
        self._at(block.name)
        first = block.convolutions[0]
        total = self._map(first.inputs * first.side**2)
        self._free([gradient, around])
        self._at(first.name)
        self._weights_arrived()
        return total

    def _relu_backward(self, layer: Convolution, gradient: int) -> int:
        self._at(layer.norm or layer.name)
        passed = self._map(layer.pixels_after)
        self._free([gradient, *self._kept["relu " + layer.name]])
        return passed

    def _convolution_backward(self, layer: Convolution, gradient: int, *, shared: bool) -> int:
        if layer.norm:
            gradient = self._norm_backward(layer, gradient, shared=shared)
            shared = False
        self._at(layer.name)
        made = self._map(layer.inputs * layer.side**2)
        self._weights_backward(layer, gradient, shared=shared)
        return made

    def _norm_backward(self, layer: Convolution, gradient: int, *, shared: bool) -> int:
        self._at(layer.norm)
        made = self._map(layer.pixels_after)
        scale, shift = (self._allocate(_FLOAT * layer.outputs) for _ in range(2))
        self._free([*([] if shared else [gradient]), *self._kept[layer.norm]])
        self._arrived(scale)
        self._arrived(shift)
        return made

    def _weights_backward(self, layer: Convolution, gradient: int, *, shared: bool) -> None:
        weights = self._allocate(self._element * layer.weights)
        self._free([*([] if shared else [gradient]), *self._kept[layer.name]])
        self._waiting = weights, layer.weights

    def _weights_arrived(self) -> None:
        self._parameter(*self._waiting)

    def _stem_backward(self, gradient: int) -> None:
        layout, stem = self._layout, self._layout.stem
        if layout.pool_side:
            self._at("maxpool")
            made = self._map(stem.pixels_after)
            self._free([gradient, *self._kept["pool"]])
            gradient = made
        gradient = self._relu_backward(stem, gradient)
        if stem.norm:
            gradient = self._norm_backward(stem, gradient, shared=False)
        self._at(stem.name)
        self._weights_backward(stem, gradient, shared=False)
        self._weights_arrived()

    def _parameter(self, gradient: int, elements: int) -> None:
        if self._cast:
            gradient = self._replaced(gradient, _FLOAT * elements)
        self._arrived(gradient)

    def _arrived(self, gradient: int) -> None:
        if self._gradients:
            self._free([gradient])
        else:
            self._recorder.label(gradient, "gradients")

    def _replaced(self, block: int, size_bytes: int) -> int:
        other = self._allocate(size_bytes)
        self._free([block])
        return other

    def _map(self, elements: int) -> int:
        return self._allocate(self._batch * elements * self._element)

    def _allocate(self, size_bytes: int) -> int:
        return self._recorder.allocate(size_bytes)

    def _free(self, blocks: list[int]) -> None:
        for block in blocks:
            self._recorder.free(block)

    def _at(self, layer: str) -> None:
        self._recorder.layer = layer
