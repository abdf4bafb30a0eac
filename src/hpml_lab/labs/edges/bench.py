"""The edge lab: convolutional networks and perceptrons trained on stripes, over several seeds.

All seeds of a case train at once. The time of a case includes the evaluations during training.
"""

import statistics
from dataclasses import asdict, replace

import pytest

from hpml_lab.labs.edges import SIZES
from hpml_lab.labs.edges.curves import CurveRecorder
from hpml_lab.labs.edges.stripes import VERSION
from hpml_lab.labs.edges.training import EdgeTrainer, EdgeTraining, train_alone
from hpml_lab.theory.duration import Work

pytestmark = [pytest.mark.learning, pytest.mark.hpml_once]
CHANCE = 1 / 3


def cases(*labs, **settings):
    """Returns a parametrisation over configurations, named by their non-default settings."""
    parameters = []
    for lab in (EdgeTraining(**settings, **varied) for varied in labs):
        changed = [f"{n}={v}" for n, v in asdict(lab).items() if getattr(EdgeTraining, n) != v]
        parameters.append(pytest.param(lab, id="-".join(changed)))
    return pytest.mark.parametrize("lab", parameters)


def sizes(*counts, epochs):
    """Returns settings for several numbers of training images of a class."""
    return [{"per_class": count, "epochs": epochs} for count in counts]


def work(lab, profile):
    """Returns the work of a case: the number of small steps, each of all seeds at once."""
    if lab.per_class > SIZES[profile.name].images:
        return Work()
    steps = -(-lab.classes * lab.per_class // lab.batch_size)
    return Work(small_steps=min(lab.epochs, SIZES[profile.name].epochs) * steps)


@pytest.fixture
def learn(measure, training, profile):
    """A function that trains all seeds of a configuration and saves their learning curves."""

    def train(lab, *, kernels=False):
        if lab.per_class > SIZES[profile.name].images:
            pytest.skip(
                f"profile {profile.name} goes up to {SIZES[profile.name].images} images a class"
            )
        lab = replace(lab, epochs=min(lab.epochs, SIZES[profile.name].epochs))
        seeds = range(training.seed, training.seed + SIZES[profile.name].seeds)
        lesson = CurveRecorder(EdgeTrainer(lab, seeds, training.device), kernels=kernels)
        conditions = {"device": training.device, "images_version": VERSION}
        measure.case |= asdict(lab) | conditions
        if training.device == "cuda":
            measure.case["convolution_precision"] = "float32"  # see exact_convolutions
        measure.learning = measure(lesson, rounds=1)
        assert measure.learning.seeds == list(seeds)
        assert measure.learning.points[-1] == lab.epochs
        return measure.learning

    return train


def last(learning, metric="accuracy"):
    """Returns a metric of each seed after the last epoch."""
    return [values[-1] for values in learning.metrics[metric]]


@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="edges")
@cases({"network": "cnn"}, {"network": "mlp"}, per_class=10, epochs=500, batch_size=32)
def test_small_set(learn, lab, profile):
    """Q1: both networks memorise ten images a class, except for empty stripes."""
    learning = learn(lab, kernels=True)
    if SIZES[profile.name].epochs >= 500:
        assert statistics.median(last(learning, "training_accuracy")) > 0.9


@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="edges")
@cases(
    *({"frozen": True} | size for size in sizes(10, 20, 30, 50, 100, epochs=30)),
    *({"frozen": True, "generator": 2025} | size for size in sizes(10, 30, epochs=30)),
    *sizes(10, 100, epochs=30),
    detectors=True,
)
def test_edge_detectors(learn, lab):
    """Q2: a classifier on fixed edge detectors learns fast and soon stops improving.

    For comparison, the same start with trainable convolutions.
    """
    learning = learn(lab, kernels=lab.per_class == 10)
    assert statistics.median(last(learning)) > 0.6


@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="edges")
@cases(
    *sizes(10, epochs=400),
    *sizes(20, 50, 100, epochs=300),
    *({"generator": 2025} | size for size in sizes(10, epochs=400) + sizes(30, epochs=300)),
    network="cnn",
)
def test_cnn(learn, lab):
    """Q2, Q3: accuracy of the convolutional network by training images and epochs."""
    learning = learn(lab, kernels=lab.per_class in {20, 100})
    assert statistics.median(last(learning)) > CHANCE


@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="edges")
@cases(
    *sizes(10, 20, 30, 40, 50, 80, 100, 200, epochs=300),
    *sizes(500, epochs=100),
    {"generator": 2025, "per_class": 30, "epochs": 300},
    network="mlp",
)
def test_mlp(learn, lab):
    """Q2, Q3: the perceptron needs five to ten times as many images."""
    assert statistics.median(last(learn(lab))) > CHANCE + 0.05


@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="edges")
@cases(
    *sizes(10, 30, epochs=300),
    *sizes(50, 100, epochs=150),
    *({"generator": 2025} | size for size in sizes(10, epochs=300) + sizes(50, epochs=150)),
    *(
        {"generator": generator, "kernel": kernel, "per_class": 10, "epochs": 600}
        for generator in (2023, 2025)
        for kernel in (3, 5)
    ),
    *(
        {"network": "mlp", "generator": generator} | size
        for generator in (2023, 2025)
        for size in sizes(10, 50, epochs=300)
    ),
    shifted=True,
)
def test_shift(learn, lab):
    """Q4: on stripes of the other half no perceptron is better than chance, most CNNs are."""
    learning = learn(lab)
    if lab.network == "mlp":
        assert statistics.mean(last(learning)) < CHANCE + 0.03


@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="edges")
@cases(
    *sizes(10, 30, 50, 100, epochs=300),
    *({"kernel": 3} | size for size in sizes(10, 50, epochs=300)),
    *({"kernel": kernel, "per_class": 50, "epochs": 60} for kernel in (13, 27)),
    *({"network": "mlp"} | size for size in sizes(10, 50, 100, epochs=300)),
    generator=2025,
    permuted=True,
)
def test_permuted_pixels(learn, lab):
    """Q5: with permuted pixels a CNN detects little but the presence of a stripe, an MLP all."""
    learning = learn(lab, kernels=lab.network == "cnn" and lab.kernel == 7 and lab.per_class == 50)
    if lab.network == "cnn":
        assert statistics.median(last(learning)) < 0.9


@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="edges")
@cases(
    *(
        {"pooling": pooling} | size
        for pooling in ("max", "average")
        for size in sizes(10, 20, epochs=200) + sizes(30, 50, epochs=120)
    ),
    *({"network": "mlp"} | size for size in sizes(10, 20, 30, 50, epochs=200)),
    classes=5,
)
def test_five_classes(learn, lab):
    """Q6: maximum pooling, average pooling and the perceptron."""
    assert statistics.median(last(learn(lab))) > 1 / 5


@pytest.mark.hpml_work(by=work)
@pytest.mark.benchmark(group="edges")
@cases(
    *(
        {"network": network} | optimizer
        for network in ("cnn", "wider", "deeper")
        for optimizer in ({}, {"optimizer": "adam", "learning_rate": 3e-3})
    ),
    classes=5,
    generator=2025,
    per_class=30,
    epochs=100,
)
def test_larger_networks(learn, lab):
    """Q7: six filters instead of three, or twice as many convolutions.

    With plain SGD most of the deeper networks die and stay at chance.
    """
    assert statistics.median(last(learn(lab))) >= 1 / 5


class Alone:
    """Trains the members of an ensemble one after the other."""

    def __init__(self, lab, seeds, epochs):
        self.samples = len(seeds) * lab.classes * lab.per_class * epochs
        self._call = lambda: [train_alone(lab, seed, epochs) for seed in seeds]

    def __call__(self):
        return self._call()


class Together(Alone):
    """Trains all members at once, from the same start."""

    def __init__(self, lab, seeds, epochs, device):
        super().__init__(lab, seeds, epochs)
        self.device = device

        def train():
            trainer = EdgeTrainer(lab, seeds, device)
            trainer.train(epochs)
            return trainer.networks

        self._call = train


SEEDS, EPOCHS = range(8), 10


@pytest.mark.benchmark(group="ensemble")
@pytest.mark.parametrize("network", ["cnn", "mlp"])
@pytest.mark.parametrize("together", [True, False], ids=["together", "alone"])
def test_ensemble(measure, training, network, together):
    """Eight seeds at once and one by one; the weights are equal to rounding."""
    lab = EdgeTraining(network=network)
    at_once = Together(lab, SEEDS, EPOCHS, training.device)
    step = at_once if together else Alone(lab, SEEDS, EPOCHS)
    measure.case |= asdict(lab) | {"epochs": EPOCHS, "device": training.device, "seeds": len(SEEDS)}
    trained = measure(step)
    if together:
        return
    ensemble = at_once()
    differences = [
        float((alone - ensemble.member(index)[name].cpu()).abs().max())
        for index, network in enumerate(trained)
        for name, alone in network.state_dict().items()
    ]
    measure.counters["difference_billionths"] = round(1e9 * max(differences))
    assert max(differences) < 1e-4
