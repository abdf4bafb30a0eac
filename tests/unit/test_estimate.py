"""How long cases will take: from their work, by group, and the shortest first."""

import pytest

from hpml_lab.labs import batch_learning, compile_modes, largest_batch, memory, memory_plan
from hpml_lab.labs.cost import epochs_work, steps_work
from hpml_lab.memory.resnet import RESNETS
from hpml_lab.pytest_plugin.schedule import Selected, batches
from hpml_lab.theory.duration import CASE_S, NETWORK_S, Work, duration_s
from hpml_lab.training.profiles import profile_for
from hpml_lab.training.training import Training

pytestmark = pytest.mark.usefixtures("lab_in_one_process")


def test_a_case_takes_the_slower_of_computing_and_loading():
    """7 FLOP a second of 100 at 7 %: 70 FLOP take 10 s; 1,024 pixels 100 us of a worker."""
    computing = Work(samples=10, flops_per_sample=7.0)
    assert duration_s(computing, 100.0) == pytest.approx(CASE_S + NETWORK_S + 10)
    loading = Work(samples=200_000, loaded_pixels=1024, workers=4)
    assert duration_s(loading) == pytest.approx(CASE_S + NETWORK_S + 5)
    both = Work(samples=200_000, flops_per_sample=7e-4, loaded_pixels=1024, workers=4)
    assert duration_s(both, 100.0) == pytest.approx(CASE_S + NETWORK_S + 20)


def test_small_steps_and_a_compiler_add_up():
    """A thousand launches of a millisecond, and forty seconds of a compiler."""
    assert duration_s(Work(small_steps=1000, seconds=40)) == pytest.approx(CASE_S + 41)


def test_the_work_of_epochs():
    """Ten epochs of all 50,000 images by two workers; 3,328,997,376 FLOP an image."""
    work = epochs_work(Training(device="cuda"), 10, seconds=3)
    assert (work.samples, work.loaded_pixels, work.workers, work.seconds) == (500_000, 1024, 2, 3)
    assert work.flops_per_sample == RESNETS["resnet18-cifar"].cost(32).flops == 3_328_997_376
    assert epochs_work(Training(images=640), 2).samples == 1280


def test_the_work_of_steps():
    """Five steps of 128 images that lie on the device."""
    work = steps_work(Training(), 5)
    assert (work.samples, work.loaded_pixels) == (640, 0)


def test_the_shortest_come_first():
    """Equals keep the drawn order; who must be alone follows in an interpreter of his own."""
    tests = [
        Selected("slow", True, False, 9.0),
        Selected("alone", True, True, 0.1),
        Selected("quick", True, False, 0.5),
        *(Selected(f"equal{index}", True, False, 1.0) for index in range(5)),
    ]
    shared, alone = batches(tests, 0, 1)
    assert (shared[0], shared[-1], alone) == ("quick", "slow", ["alone"])
    drawn, _ = batches([Selected(t.id, True, t.alone) for t in tests], 0, 1)
    assert shared[1:-1] == [name for name in drawn if name.startswith("equal")]


def test_the_profile_short_has_the_lab_s_sizes_where_bytes_are_compared():
    """Batch 128, 224 pixels and 8,188 MiB; interpreters are shared and nothing is autotuned."""
    short, full = profile_for("short", "cuda"), profile_for("full", "cuda")
    for sizes in (memory.BATCH, memory_plan.SIZES, largest_batch.LIMIT_BYTES):
        assert sizes["short"] == sizes["full"]
    assert batch_learning.SIZES["short"].image == batch_learning.SIZES["full"].image
    assert [compile_modes.SIZES[name].autotuned for name in ("short", "full")] == [False, True]
    for question in (memory.QUESTION, memory_plan.QUESTION, largest_batch.QUESTION):
        assert question.isolated == {"quick", "full"}
    assert short.training.width == full.training.width == 64


TESTS = """
    import pytest
    from hpml_lab.theory.duration import Work

    def work(training, profile, share):
        assert profile.name == "short"
        return Work(seconds=share * (60 if training.device == "cuda" else 1e9))

    @pytest.mark.hpml_work(by=work)
    @pytest.mark.parametrize("share", [1, 2])
    @pytest.mark.benchmark(group="minutes")
    def test_long(benchmark, training, share):
        pass

    @pytest.mark.gpu
    def test_plain():
        pass
"""


def test_the_estimate_is_printed_with_the_collection(project):
    """Three minutes of the two gpu cases of a group, in each of two processes; no case runs."""
    project.makepyfile(TESTS)
    done = project.runpytest_inprocess(
        "--collect-only", "-q", "-m", "gpu", "--hpml-profile=short", "--hpml-processes=2"
    )
    done.stdout.fnmatch_lines([
        "gpu cases, estimated for an H200, 2 process(es):",
        "group             cases  minutes",
        "minutes               2      6.0",
        "other                 1      0.0",
        "starting              2      0.4",
        "together              3      6.4",
    ])  # fmt: skip


def test_without_gpu_cases_nothing_is_estimated(project):
    """A collection of others is what it was."""
    project.makepyfile("def test_nothing(): pass")
    done = project.runpytest_inprocess("--collect-only", "-q")
    assert "gpu cases, estimated" not in done.stdout.str()


SHORT = """
    import pytest

    @pytest.mark.hpml_work({marker})
    def test_plain():
        pass
"""


@pytest.mark.parametrize("marker", ["by=lambda nothing: None", "seconds=3"])
def test_a_marker_that_says_no_work_is_one_line(project, marker):
    """With the names that there are."""
    project.makepyfile(
        f"""
        import pytest

        @pytest.mark.gpu
        @pytest.mark.hpml_work({marker})
        def test_plain():
            pass
        """
    )
    done = project.runpytest_inprocess("--collect-only", "-q", "-m", "gpu")
    done.stdout.fnmatch_lines(["*its marker is not hpml_work(by=FUNCTION) * any of: profile"])
    assert "Traceback" not in done.stdout.str() + done.stderr.str()
    project.makepyfile(SHORT.format(marker=marker))
    ended = project.runpytest_inprocess("--hpml-profile=short", "--hpml-processes=1")
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    ended.stderr.fnmatch_lines(["ERROR: *its marker is not hpml_work(by=FUNCTION) *"])
