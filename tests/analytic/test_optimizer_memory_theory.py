"""State and temporaries of optimizers: against torch's own, counted by its allocator."""

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hpml_lab.errors import InputError
from hpml_lab.theory.optimizers import (
    IMPLEMENTATIONS,
    constructor_bytes,
    counter_bytes,
    state_bytes,
    temporary_bytes,
)
from hpml_lab.training.networks import build_network
from support import allocations, strategies
from support.laws import agree, must_reject, planted

KINDS = {
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}
VARIANTS = [
    ("sgd", {}),
    ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.9, "nesterov": True}),
    ("adagrad", {}),
    ("adadelta", {}),
    ("rmsprop", {}),
    ("rmsprop", {"momentum": 0.9}),
    ("rmsprop", {"centered": True}),
    ("rmsprop", {"momentum": 0.9, "centered": True}),
    ("adam", {}),
    ("adam", {"amsgrad": True}),
    ("adamw", {}),
    ("adamw", {"amsgrad": True}),
]
FUSED = {"sgd", "adagrad", "adam", "adamw"}
DTYPES = {4: torch.float32, 2: torch.bfloat16, 8: torch.float64}


@dataclass(frozen=True)
class Case:
    """An optimizer, how it steps, and the shapes of its parameters."""

    name: str
    options: dict[str, Any]
    weight_decay: float
    implementation: str
    shapes: list[tuple[int, ...]]
    element_bytes: int = 4
    made: list[Any] = field(default_factory=list)

    def build(self):
        """Returns torch's optimizer over fresh parameters with gradients."""
        how = {
            "for-loop": {"foreach": False},
            "foreach": {"foreach": True},
            "fused": {"fused": True},
        }
        parameters = allocations.fresh(self.shapes, DTYPES[self.element_bytes])
        return KINDS[self.name](
            parameters, weight_decay=self.weight_decay, **self.options, **how[self.implementation]
        )

    def keywords(self, *names):
        """Returns those of the options that a closed form asks for."""
        return {name: self.options[name] for name in names if name in self.options}


@st.composite
def cases(draw):
    """Every optimizer, variant and implementation, over lists of unlike and of empty tensors."""
    name, options = draw(st.sampled_from(VARIANTS))
    allowed = [how for how in IMPLEMENTATIONS if how != "fused" or name in FUSED]
    return Case(
        name,
        options,
        draw(st.sampled_from([0.0, 0.01])),
        draw(st.sampled_from(allowed)),
        draw(strategies.PARAMETERS),
        draw(st.sampled_from(sorted(DTYPES))),
    )


def state_law(state_bytes, case):
    """The state after a step has the bytes of the closed form."""
    optimizer = case.build()
    optimizer.step()
    keywords = case.keywords("momentum", "amsgrad", "centered")
    got = state_bytes(case.name, case.shapes, element_bytes=case.element_bytes, **keywords)
    agree("optimizer state", got, allocations.state_bytes(optimizer)[0])


def constructor_law(constructor_bytes, case):
    """The state before the first step has the bytes of the closed form."""
    got = constructor_bytes(case.name, case.shapes, element_bytes=case.element_bytes)
    agree("state in the constructor", got, allocations.state_bytes(case.build())[0])


def temporary_law(temporary_bytes, case):
    """The allocator's peak in a second step is the closed form, to the byte."""
    optimizer = case.build()
    optimizer.step()
    got = temporary_bytes(
        case.name,
        case.shapes,
        weight_decay=case.weight_decay,
        implementation=case.implementation,
        element_bytes=case.element_bytes,
        **case.keywords("momentum", "nesterov"),
    )
    agree("temporaries of a step", got, allocations.peak_bytes(optimizer.step))


@given(cases())
def test_the_state_is_torch_s(case):
    """After a step the state has exactly as many bytes, whatever the options and dtype."""
    state_law(state_bytes, case)


@given(cases())
def test_only_adagrad_allocates_in_its_constructor(case):
    """Before the first step the state of every other optimizer is empty."""
    constructor_law(constructor_bytes, case)


@given(cases())
def test_the_temporaries_are_torch_s(case):
    """The peak of a step besides its state is exact: loop, foreach and fused, any order."""
    temporary_law(temporary_bytes, case)


@given(cases())
def test_the_first_step_allocates_what_is_left_of_the_state(case):
    """What a first step leaves allocated is the state less what the constructor made."""
    optimizer = case.build()
    before, _ = allocations.state_bytes(optimizer)
    optimizer.step()
    after, _ = allocations.state_bytes(optimizer)
    keywords = case.keywords("momentum", "amsgrad", "centered")
    size = {"element_bytes": case.element_bytes}
    total = state_bytes(case.name, case.shapes, **size, **keywords)
    agree("first step", total - constructor_bytes(case.name, case.shapes, **size), after - before)


@given(cases())
def test_the_counters_are_torch_s(case):
    """There is one 4-byte counter per tensor, and none for SGD."""
    optimizer = case.build()
    optimizer.step()
    got = counter_bytes(case.name, case.shapes)
    agree("step counters", got, allocations.state_bytes(optimizer)[1])


@given(cases())
def test_a_shape_counts_as_its_elements(case):
    """Shapes and element counts give the same bytes."""
    counts = [torch.Size(shape).numel() for shape in case.shapes]
    assert state_bytes(case.name, counts) == state_bytes(case.name, case.shapes)


@given(strategies.PARAMETERS)
def test_the_allocator_is_read_correctly(shapes):
    """The oracle itself: a list of copies, and one more of the last, is seen to the byte."""
    parameters = [parameter.detach() for parameter in allocations.fresh(shapes)]

    def step():
        copies = [parameter.clone() for parameter in parameters]
        copies.append(parameters[-1].clone())

    elements = sum(p.numel() for p in [*parameters, parameters[-1]])
    assert allocations.peak_bytes(step) == 4 * elements


def elements(shapes):
    """Element counts, for the wrong variants."""
    return [torch.Size(shape).numel() for shape in shapes]


def largest_tensors(name, shapes, *, weight_decay, implementation, element_bytes, **options):
    """The loop's temporaries as so many times the largest tensor, neighbours forgotten."""
    if implementation != "for-loop":
        return temporary_bytes(
            name,
            shapes,
            weight_decay=weight_decay,
            implementation=implementation,
            element_bytes=element_bytes,
            **options,
        )
    copies = {"sgd": 0, "adagrad": 1, "adadelta": 2, "rmsprop": 1, "adam": 2, "adamw": 2}[name]
    copies += options.get("nesterov", False) + (weight_decay != 0 and name != "adamw")
    return element_bytes * copies * max(elements(shapes))


def changed(**change):
    """Temporaries for another option than the one asked for, for the wrong variants."""

    def temporaries(name, shapes, **keywords):
        return temporary_bytes(name, shapes, **keywords | change)

    return temporaries


WRONG_TEMPORARIES = {
    "largest tensor alone": largest_tensors,
    "order of the tensors reversed": lambda name, shapes, **kw: temporary_bytes(
        name, shapes[::-1], **kw
    ),
    "weight decay forgotten": changed(weight_decay=0),
    "weight decay always": changed(weight_decay=1),
    "AdamW decays like Adam": lambda name, shapes, **kw: temporary_bytes(
        name.replace("adamw", "adam"), shapes, **kw
    ),
    "Nesterov's look-ahead free": changed(nesterov=False),
    "foreach like the loop": lambda name, shapes, **kw: temporary_bytes(
        name, shapes, **kw | {"implementation": kw["implementation"].replace("foreach", "for-loop")}
    ),
    "float32 always": changed(element_bytes=4),
}
WRONG_STATES = {
    "momentum forgotten": lambda name, shapes, momentum=0, **kw: state_bytes(name, shapes, **kw),
    "amsgrad forgotten": lambda name, shapes, amsgrad=False, **kw: state_bytes(name, shapes, **kw),
    "centering forgotten": lambda name, shapes, centered=False, **kw: state_bytes(
        name, shapes, **kw
    ),
    "counters included": lambda name, shapes, **kw: (
        state_bytes(name, shapes, **kw) + counter_bytes(name, shapes)
    ),
    "float32 always": lambda name, shapes, element_bytes, **kw: state_bytes(name, shapes, **kw),
}
WRONG_CONSTRUCTORS = {
    "nothing at all": lambda name, shapes, element_bytes: 0,
    "everything": lambda name, shapes, element_bytes: state_bytes(
        name, shapes, element_bytes=element_bytes
    ),
}


@planted(
    (temporary_law, WRONG_TEMPORARIES, cases()),
    (state_law, WRONG_STATES, cases()),
    (constructor_law, WRONG_CONSTRUCTORS, cases()),
)
def test_a_planted_fault_breaks_the_law(law, wrong, cases):
    """A mistake in temporaries or state is another number than torch's."""
    must_reject(law, wrong, cases)


def network(name):
    """Returns the shapes of a network's parameters, without their memory."""
    with torch.device("meta"):
        return [tuple(p.shape) for p in build_network(name).parameters()]


@pytest.fixture(scope="module")
def cifar():
    """The shapes of the lab's ResNet-18."""
    return network("resnet18-cifar")


def test_resnet152_keeps_whole_copies():
    """ResNet-152 with ten classes: 0, 232,657,192 and 465,314,384 bytes, 1,868 of counters."""
    shapes = network("resnet152")
    assert state_bytes("sgd", shapes) == 0
    assert state_bytes("sgd", shapes, momentum=0.9) == 232_657_192
    assert state_bytes("adam", shapes) == 465_314_384
    assert counter_bytes("adam", shapes) == 1_868


def test_cifar_resnet18_keeps_two_copies(cifar):
    """Adam and Adadelta keep 22,347,924 elements and 62 counters, amsgrad 33,521,886 elements."""
    for name in ("adam", "adadelta"):
        assert state_bytes(name, cifar) == 4 * 22_347_924
        assert counter_bytes(name, cifar) == 4 * 62
    assert state_bytes("adam", cifar, amsgrad=True) == 4 * 33_521_886
    assert constructor_bytes("adagrad", cifar) == 4 * 11_173_962


# In whole copies P of the parameters, without and with weight decay.
FOREACH = [
    ("sgd", {}, 0, 1),
    ("sgd", {"momentum": 0.9}, 0, 1),
    ("sgd", {"momentum": 0.9, "nesterov": True}, 0, 1),
    ("adagrad", {}, 2, 2),
    ("adadelta", {}, 2, 3),
    ("rmsprop", {}, 1, 2),
    ("adam", {}, 1, 1),
    ("adamw", {}, 1, 1),
]


@pytest.mark.parametrize(("name", "options", "plain", "decayed"), FOREACH)
def test_foreach_holds_whole_copies(cifar, name, options, plain, decayed):
    """On the lab's ResNet-18 the temporaries of foreach are so many times 44,695,848 bytes."""
    assert temporary_bytes(name, cifar, **options) == plain * 44_695_848
    assert temporary_bytes(name, cifar, weight_decay=5e-4, **options) == decayed * 44_695_848


# In elements: the largest tensor is 2,359,296, and the one before it in a ResNet has 512.
LOOP = [
    ("sgd", {}, 0, 2_359_296),
    ("sgd", {"momentum": 0.9}, 0, 2_359_296),
    ("sgd", {"momentum": 0.9, "nesterov": True}, 2_359_296, 4_718_592),
    ("adagrad", {}, 2_359_808, 4_719_104),
    ("adadelta", {}, 4_719_104, 7_078_400),
    ("rmsprop", {}, 2_359_808, 4_719_104),
    ("adam", {}, 4_719_104, 7_078_400),
    ("adamw", {}, 4_719_104, 4_719_104),
]


@pytest.mark.parametrize(("name", "options", "plain", "decayed"), LOOP)
def test_the_loop_holds_neighbours(cifar, name, options, plain, decayed):
    """On the lab's ResNet-18 the loop holds the largest tensor, and once the one before it."""
    keywords = {"implementation": "for-loop", **options}
    assert temporary_bytes(name, cifar, **keywords) == 4 * plain
    assert temporary_bytes(name, cifar, weight_decay=5e-4, **keywords) == 4 * decayed


def test_without_batch_norm_the_loop_holds_two_large_tensors():
    """Two equal convolutions in a row make the loop of Adagrad hold 2 x 2,359,296 elements."""
    with torch.device("meta"):
        model = build_network("resnet18-cifar", batch_norm=False)
    shapes = [tuple(p.shape) for p in model.parameters()]
    assert temporary_bytes("adagrad", shapes, implementation="for-loop") == 4 * 2 * 2_359_296
    assert temporary_bytes("adam", shapes, implementation="for-loop") == 4 * 3 * 2_359_296


@pytest.mark.parametrize("name", sorted(FUSED))
def test_fused_needs_no_temporaries(name):
    """A fused step computes in place."""
    assert temporary_bytes(name, [1000], weight_decay=0.1, implementation="fused") == 0


def test_no_parameters_need_nothing():
    """An empty list has no state, no counters and no temporaries."""
    assert state_bytes("adam", []) == counter_bytes("adam", []) == 0
    assert temporary_bytes("adam", [], implementation="for-loop") == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: state_bytes("lion", [1]), "unknown optimizer 'lion'; choose one of: sgd, adag"),
        (lambda: counter_bytes("lion", [1]), "unknown optimizer 'lion'"),
        (lambda: constructor_bytes("lion", [1]), "unknown optimizer 'lion'"),
        (lambda: temporary_bytes("lion", [1]), "unknown optimizer 'lion'"),
        (lambda: state_bytes("adam", [-1]), "a parameter size is -1; it must be a whole number, 0"),
        (lambda: state_bytes("adam", [(2, -1)]), "a parameter size is -1; it must be a whole num"),
        (
            lambda: state_bytes("adam", [float("nan")]),
            "a parameter size is nan; it must be a whole",
        ),
        (lambda: state_bytes("adam", [1], element_bytes=0), "element_bytes is 0; it must be a who"),
        (
            lambda: temporary_bytes("adam", [1], implementation="vmap"),
            "unknown implementation 'vmap'; choose one of: for-loop, foreach, fused",
        ),
        (
            lambda: temporary_bytes("adadelta", [1], implementation="fused"),
            "adadelta has no fused implementation; only sgd, adagrad, adam, adamw have one",
        ),
        (lambda: temporary_bytes("sgd", [1], nesterov=True), "nesterov is set for sgd; it needs"),
        (
            lambda: temporary_bytes("adam", [1], nesterov=True, momentum=0.9),
            "nesterov is set for adam; it needs sgd with a momentum",
        ),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    """Unknown names, negative sizes and options that do not exist are refused."""
    with pytest.raises(InputError, match=message):
        call()
