"""torch.compile: what can run here, and what is counted."""

import os

import pytest
import torch
from torch import nn

from hpml_lab.measure.compiled import compilation_counters
from hpml_lab.measure.counters import network_counters
from hpml_lab.training import backends
from hpml_lab.training.backends import compiled, empty_caches, unavailable


def test_eager_runs_everywhere_and_is_the_model_itself():
    """Eager mode compiles nothing."""
    model = nn.Linear(1, 1)
    assert compiled(model, "eager") is model
    assert unavailable("eager", "cpu") is unavailable("eager", "cuda") is None


def test_a_compiled_model_shares_its_parameters():
    """Compiling makes no copy: the optimizer keeps working on the same tensors."""
    model = nn.Linear(1, 1)
    assert next(compiled(model, "default").parameters()) is model.weight


def test_cuda_graphs_need_cuda():
    """reduce-overhead is not run on the CPU, where it would be default under another name."""
    assert "is CUDA graphs" in unavailable("reduce-overhead", "cpu")


def test_the_cpu_needs_a_compiler(monkeypatch):
    """Without a C++ compiler the reason names the one that was looked for."""
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "no-such-compiler is not on the PATH" in unavailable("default", "cpu")


@pytest.mark.parametrize(
    ("capability", "reason"), [((6, 1), "compute capability 7.0 or later"), ((9, 0), None)]
)
def test_cuda_needs_a_gpu_that_triton_knows(monkeypatch, capability, reason):
    """Old GPUs are left out with a reason; an H100 is not."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    result = unavailable("max-autotune", "cuda")
    assert result is None if reason is None else reason in result


def test_cuda_needs_triton(monkeypatch):
    """Without triton the reason says so."""
    monkeypatch.setattr(backends.importlib.util, "find_spec", lambda _name: None)
    assert "needs the package triton" in unavailable("default", "cuda")


def test_caches_are_empty_inside_and_as_before_outside(monkeypatch, tmp_path):
    """Inside, the compiler writes to a new folder; outside, to the old one."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(backends, "_start_compiler", lambda _device: None)
    with empty_caches("cpu"):
        inside = os.environ["TORCHINDUCTOR_CACHE_DIR"]
        assert os.listdir(inside) == []
    assert inside != os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path)


def test_one_graph_is_counted_once():
    """A function without branches is one graph, called again or not."""
    with compilation_counters() as counts:
        double = torch.compile(lambda x: 2 * x, backend="eager")
        double(torch.ones(3))
        double(torch.zeros(3))
    assert counts == {"graphs": 1, "graph_breaks": 0, "recompiles": 0}


def test_another_shape_is_a_recompile():
    """A second shape, as a smaller last batch has it, is compiled again and counted."""
    with compilation_counters() as counts:
        double = torch.compile(lambda x: 2 * x, backend="eager", dynamic=False)
        double(torch.ones(3))
        double(torch.ones(2))
    assert counts == {"graphs": 2, "graph_breaks": 0, "recompiles": 1}


def test_a_break_in_a_graph_is_counted():
    """Python that cannot be captured splits the graph in two."""

    def broken(x):
        x = x + 1
        torch._dynamo.graph_break()
        return 2 * x

    with compilation_counters() as counts:
        torch.compile(broken, backend="eager")(torch.ones(3))
    assert counts == {"graphs": 2, "graph_breaks": 1, "recompiles": 0}


def test_network_counters_are_plain_numbers():
    """The counts that are saved with a run hold no layer table."""
    counts = network_counters(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 5)))
    assert counts["parameters"] == 3072 * 5 + 5
    assert counts["last_linear_inputs"] == 3072
    assert (counts["operators"], counts["naive_bytes_per_step"]) == (8, 122_944)
    assert counts["naive_bytes_per_sample"] == 24_812
    assert {type(count) for count in counts.values()} == {int}
