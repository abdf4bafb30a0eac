"""What oneDNN keeps of an LSTM for its backward pass, beside outputs and states."""

_PAGE_BYTES = 4096
_ELEMENT_BYTES = 4
_LINE = 16  # float32 elements of a cache line
_ALIASED = 256  # rows of so many elements are put further apart


def lstm_workspace_bytes(time: int, batch: int, inputs: int, hidden: int) -> int:
    """Returns the workspace of one direction of one LSTM layer in training, float32, in bytes.

    Not from oneDNN's source: fitted to what ``torch.mkldnn_rnn_layer`` returns (torch 2.15), and
    held against it for generated shapes. Parts begin at pages: what look like the gates, one row a
    step of the output's width, and of two layers and one more step three sets of rows as wide as
    the wider of input and output, and two as wide as the output.

    Args:
        time: steps.
        batch: sequences.
        inputs: width of the layer's input.
        hidden: width of its output.
    """
    rows = 2 * (time + 1) * batch
    gates = _pages(time * batch * _row(4 * hidden))
    projected = _pages(time * batch * _row(hidden))
    states = _pages(rows * _row(max(inputs, hidden)))
    cells = _pages(rows * hidden)
    return gates + projected + 3 * states + 2 * cells


def _row(elements: int) -> int:
    whole = -(-elements // _LINE) * _LINE
    return whole + (_LINE if whole % _ALIASED == 0 else 0)


def _pages(elements: int) -> int:
    return -(-elements * _ELEMENT_BYTES // _PAGE_BYTES) * _PAGE_BYTES
