"""Checks of the networks' parameters, gradients, layers and sizes by counting them."""

import math
import re
from functools import partial

from hpml_lab.claims import models, published
from hpml_lab.claims.checking import Finding, decides, rounds, same, together
from hpml_lab.claims.models import LAB
from hpml_lab.units import MIB


def _parameters(run_id: str, metric: str, network: str = LAB) -> Finding:
    stated = int(published.value(run_id, metric))
    return same("parameters", stated, models.summary(network).trainable_parameters)


def _gradients(run_id: str, metric: str) -> Finding:
    stated = int(published.value(run_id, metric))
    return same("gradients after backward", stated, models.summary(LAB).gradients)


decides("000-Q1a-params")(partial(_parameters, "000-Q1", "parameters", "resnet152"))
decides("002-Q3-params")(partial(_parameters, "002-summary", "trainable_parameters"))
decides("003-Q3-params")(partial(_parameters, "003-summary-bn", "trainable_parameters"))
decides("003-Q3-grads")(partial(_gradients, "003-summary-bn", "gradients_sgd"))
decides("004-Q3-params")(partial(_parameters, "004-Q1-Q4", "trainable_parameters_sgd"))
decides("004-Q3-grads")(partial(_gradients, "004-Q1-Q4", "gradients_sgd"))


@decides("002-Q3-grads")
def as_many_gradients_as_parameters() -> Finding:
    """Counts parameters and gradients after a backward pass."""
    lab = models.summary(LAB)
    return same("gradients against parameters", lab.trainable_parameters, lab.gradients)


@decides("000-Q1a-size")
def size_of_resnet152() -> Finding:
    """Counts the bytes of the parameters, in MB."""
    megabytes = models.summary("resnet152").parameters_bytes / 1e6
    return rounds("MB of parameters", published.value("000-Q1", "model_size"), megabytes)


def _convolutions(run_id: str) -> Finding:
    stated = int(published.value(run_id, "conv_layers"))
    return same("convolutions", stated, models.summary(LAB).convolutions)


decides("002-Q1")(partial(_convolutions, "002-summary"))
decides("003-Q1")(partial(_convolutions, "003-summary-bn"))


@decides("004-Q1")
def convolutions_by_place() -> Finding:
    """Counts the convolutions of the stem, of the blocks and of the shortcuts."""
    names = [layer.name for layer in models.summary(LAB).layers if layer.kind == "Conv2d"]
    shortcuts = sum("shortcut" in name for name in names)
    blocks = sum("stages" in name for name in names) - shortcuts
    return together(
        _convolutions("004-Q1-Q4"),
        same("in blocks", 16, blocks),
        same("stem", 1, len(names) - blocks - shortcuts),
        same("1x1 projections", 3, shortcuts),
    )


@decides("004-Q1-where")
def projections_by_stage() -> Finding:
    """Lists the stages, counted from 1, that hold a 1x1 convolution."""
    layers = [layer for layer in models.summary(LAB).layers if layer.kind == "Conv2d"]
    small = [layer for layer in layers if "shortcut" in layer.name]
    stages = [1 + int(layer.name.split(".")[1]) for layer in small]
    weights = ", ".join(f"{layer.parameters:,}" for layer in small)
    return Finding(stages == [2, 3, 4], f"1x1 in stages {stages} with {weights} weights")


def _linear_inputs(run_id: str) -> Finding:
    printed = published.metric(run_id, "last_linear_input").value  # a number, or 512 x 4 x 4
    stated = math.prod(map(int, re.findall(r"\d+", printed)))
    return same("inputs of the linear layer", stated, models.summary(LAB).last_linear_inputs)


decides("002-Q2")(partial(_linear_inputs, "002-summary"))
decides("003-Q2")(partial(_linear_inputs, "003-summary-bn"))


@decides("004-Q2")
def inputs_and_outputs() -> Finding:
    """Counts the inputs and outputs of the linear layer."""
    (outputs,) = models.summary(LAB).layers[-1].output_shape
    return together(_linear_inputs("004-Q1-Q4"), same("outputs", 10, outputs))


def _sizes(run_id: str, batch_norm: bool) -> Finding:
    summary = models.summary(LAB, batch_norm=batch_norm)
    sizes = (summary.input_bytes, summary.table_activation_bytes, summary.parameters_bytes)
    metrics = ("input_size", "forward_backward_size", "parameter_size", "estimated_total_size")
    return together(
        *(
            rounds(f"MiB {name}", published.value(run_id, name), size / MIB)
            for name, size in zip(metrics, (*sizes, sum(sizes)), strict=True)
        )
    )


def _rows(table_id: str, batch_norm: bool) -> Finding:
    layers = models.summary(LAB, batch_norm=batch_norm).layers
    printed = [(name.split("-")[0], *rest) for name, *rest in published.layer_rows(table_id)]
    # The row of a block has no parameters: they are counted in the rows above it.
    ours = [
        (
            kind := layer.kind.lstrip("_"),
            layer.output_shape,
            layer.parameters * ("Block" not in kind),
        )
        for layer in layers
    ]
    equal = sum(row in ours for row in printed)
    return Finding(printed == ours, f"{equal} of {len(ours)} rows as in the network")


def _totals(run_id: str, table_id: str, batch_norm: bool) -> Finding:
    summary = models.summary(LAB, batch_norm=batch_norm)
    stated = int(published.value(run_id, "parameters"))
    frozen = int(published.value(run_id, "non_trainable_parameters"))
    return together(
        same("parameters", stated, summary.parameters),
        same("sum of the rows", stated, sum(row[2] for row in published.layer_rows(table_id))),
        same("not trainable", frozen, summary.parameters - summary.trainable_parameters),
    )


decides("002-tab-total")(partial(_totals, "002-summary", "002-layers", batch_norm=True))
decides("002-tab-size")(partial(_sizes, "002-summary", batch_norm=True))


def _table(run_id: str, table_id: str, batch_norm: bool) -> Finding:
    totals = _totals(run_id, table_id, batch_norm)
    return together(totals, _sizes(run_id, batch_norm), _rows(table_id, batch_norm))


decides("003-tab-nobn")(partial(_table, "003-summary-nobn", "003-layers-nobn", batch_norm=False))
decides("003-tab-bn")(partial(_table, "003-summary-bn", "003-layers-bn", batch_norm=True))


@decides("002-C7-table")
def table_without_batch_norm() -> Finding:
    """Counts the batch norms in the table printed for the network without any."""
    rows = published.layer_rows("002-layers")
    norms = sum(row[0].startswith("BatchNorm") for row in rows)
    without = models.summary(LAB, batch_norm=False).parameters
    total = same("parameters", sum(row[2] for row in rows), without)
    return together(same("batch norms", norms, 0), total)


@decides("003-Q3-method")
def forward_pass_alone() -> Finding:
    """Counts the gradients after a forward pass, which is all that a layer table runs."""
    model = models.bare(LAB)
    models.loss(model, LAB)
    return same("gradients after a forward pass", models.trainable(model), models.gradients(model))


@decides("004-Q3-code")
def parameters_counted_again() -> Finding:
    """Compares the code's sum with the gradients that exist when it runs, before backward."""
    model = models.bare(LAB)
    return same("gradients before backward", models.trainable(model), models.gradients(model))
