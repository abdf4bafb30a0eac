"""The plugin from outside: which cases a test of training becomes, and which need a GPU."""

import pytest
import torch

pytestmark = pytest.mark.usefixtures("lab_in_one_process")

GPU_TESTS = """
    import pytest

    @pytest.mark.gpu
    @pytest.mark.parametrize("n", range(3))
    def test_cuda(n):
        pass

    def test_cpu():
        pass
"""


@pytest.fixture
def no_gpu(monkeypatch):
    """A machine without a GPU, whatever this one has."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.mark.usefixtures("no_gpu")
def test_gpu_cases_are_skipped_in_one_line(project):
    """Without a GPU three cases are skipped, one line says why and what to do, exit status 0."""
    project.makepyfile(GPU_TESTS)
    result = project.runpytest_inprocess("-m", "gpu")
    result.assert_outcomes(skipped=3, deselected=1)
    lines = [line for line in result.outlines if "finds no CUDA device" in line]
    assert len(lines) == 1
    assert lines[0].startswith("3 gpu cases skipped: torch ")
    assert "check: nvidia-smi" in lines[0]
    assert result.ret == 0


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("how", ["option", "ini", "environment"])
def test_a_required_gpu_that_is_missing_is_a_failure(project, how, monkeypatch):
    """With --hpml-require-gpu nothing runs: one line, exit status 4."""
    project.makepyfile(GPU_TESTS)
    if how == "ini":
        project.makeini("[pytest]\nhpml_require_gpu = true")
    if how == "environment":
        monkeypatch.setenv("HPML_REQUIRE_GPU", "true")
    result = project.runpytest_inprocess(*["--hpml-require-gpu"] * (how == "option"))
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: --hpml-require-gpu: torch * finds no CUDA device; *"])


def test_on_a_gpu_nothing_is_skipped(project, monkeypatch):
    """Where CUDA is there, gpu cases run."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    project.makepyfile(GPU_TESTS)
    project.runpytest_inprocess("--hpml-require-gpu").assert_outcomes(passed=4)


TRAINING_TESTS = """
    import pytest

    @pytest.mark.hpml_axes(workers=[0, 2], device=["cpu"])
    def test_sweep(training, profile):
        assert profile.name == "quick"

    def test_default(training):
        pass

    @pytest.mark.gpu
    @pytest.mark.hpml_axes(device=["cpu"])
    def test_beside_gpu(training, profile):
        pass
"""


def collected(project, *options, tests=TRAINING_TESTS):
    """Returns the names of the cases that pytest collects."""
    project.makepyfile(tests)
    result = project.runpytest_inprocess("--collect-only", "-q", *options)
    return [line.partition("::")[2] for line in result.outlines if "::" in line]


def test_axes_become_cases(project):
    """A declared axis has a case for each value; the device is an axis of every test."""
    assert collected(project) == [
        "test_sweep[cpu-workers=0]",
        "test_sweep[cpu-workers=2]",
        "test_default[cpu]",
        "test_default[cuda]",
        "test_beside_gpu[cpu]",
    ]


def test_cases_on_cuda_are_gpu_cases(project):
    """-m gpu selects cases by their device, and tests by their marker."""
    assert collected(project, "-m", "gpu") == ["test_default[cuda]", "test_beside_gpu[cpu]"]


def test_cases_with_cuda_graphs_are_to_be_alone(project):
    """Each gets an interpreter of its own where tests run in fresh ones."""
    cases = collected(project, "-m", "hpml_alone", "--hpml-axis=compile_mode=default,max-autotune")
    assert cases == ["test_default[cuda-compile_mode=max-autotune]"]


def test_a_case_that_cannot_be_is_one_line(project):
    """An axis that one test's own values do not go with: what, got, allowed, and no traceback."""
    project.makepyfile(
        """
        import pytest

        @pytest.mark.hpml_axes(batch_size=[512])
        def test_step(training):
            pass
        """
    )
    done = project.runpytest_inprocess("--hpml-axis", "images=256", "-m", "not gpu")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["batch_size 512 is larger than the 256 training images; *"])
    done.stdout.no_fnmatch_line("*cases.py*")


def test_an_axis_can_be_set_for_all_cases(project):
    """--hpml-axis replaces a declared sweep and is added to the other cases."""
    cases = collected(
        project, "--hpml-axis", "workers=1,3", "--hpml-axis=optimizer=adam", "-m", "not gpu"
    )
    assert cases == [
        "test_sweep[cpu-workers=1-optimizer=adam]",
        "test_sweep[cpu-workers=3-optimizer=adam]",
        "test_default[cpu-workers=1-optimizer=adam]",
        "test_default[cpu-workers=3-optimizer=adam]",
    ]


def test_cases_have_the_sizes_of_their_profile(project):
    """Quick on the CPU, full in the gpu suite, unless a profile is asked for."""
    project.makepyfile("""
        import pytest

        @pytest.mark.hpml_axes(device=["cpu"])
        def test_cpu(training, profile):
            assert (profile.name, training.width) == ("quick", 8)

        @pytest.mark.gpu
        @pytest.mark.hpml_axes(device=["cpu"])
        def test_gpu(training, profile):
            assert (profile.name, training.width) == ("full", 64)
    """)
    project.runpytest_inprocess("-k", "cpu and not gpu").assert_outcomes(passed=1, deselected=1)
    project.runpytest_inprocess("--hpml-profile=full", "-k", "test_cpu").assert_outcomes(
        failed=1, deselected=1
    )


BY_PROFILE = """
    import pytest

    @pytest.mark.hpml_axes(seed={"quick": [0, 1], "short": [0], "full": [0]})
    def test_seeds(training):
        pass
"""


@pytest.mark.parametrize(
    ("options", "cases"),
    [
        ([], ["cpu-seed=0", "cpu-seed=1", "cuda-seed=0"]),
        (["--hpml-profile=full"], ["cpu-seed=0", "cuda-seed=0"]),
        (["--hpml-axis=seed=3,4", "-m", "not gpu"], ["cpu-seed=3", "cpu-seed=4"]),
    ],
)
def test_the_values_of_an_axis_may_depend_on_the_profile(project, options, cases):
    """Two seeds are quick, one is full; those that are asked for are all taken."""
    seen = collected(project, *options, tests=BY_PROFILE)
    assert seen == [f"test_seeds[{case}]" for case in cases]
