"""The plugin from outside: what is saved, and what its options do."""

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("lab_in_one_process")]

SLEEPLESS = """
    def test_step(measure):
        measure(lambda: sum(range(1000)), samples=10)
"""


def saved(project):
    """Returns the runs saved in a project."""
    return [json.loads(path.read_text()) for path in project.path.glob(".benchmarks/*/*.json")]


def test_a_saved_run_keeps_the_contract(project):
    """Stock statistics, our record beside them, our machine record, in the machine's folder."""
    project.makepyfile(SLEEPLESS)
    project.runpytest_inprocess("--benchmark-save=first").assert_outcomes(passed=1)
    (run,) = saved(project)
    (bench,) = run["benchmarks"]
    record = bench["extra_info"]["hpml"]
    assert set(record) == {
        "case", "samples", "processes", "counters", "memory", "stalls", "epochs",
        "failures", "flags", "timelines", "sampling", "learning", "tokens",
        "trace",
    }  # fmt: skip
    assert record["samples"] == 10
    (rounds,) = record["processes"]
    assert len(rounds) == bench["stats"]["rounds"] >= 5
    (how,) = record["sampling"]
    assert how["iterations"] == bench["stats"]["iterations"]
    assert how["stopped"] in {"precise", "budget"}
    machine = run["machine_info"]["hpml"]
    folder = project.path / ".benchmarks" / machine["id"]
    assert [path.name for path in folder.iterdir()] == ["0001_first.json"]


def test_stock_options_say_how_long_and_how_often(project):
    """A budget of no time leaves as many rounds as are asked for, each as long as is asked for."""
    project.makepyfile(SLEEPLESS)
    asked = ["--benchmark-max-time=0", "--benchmark-min-rounds=7", "--benchmark-min-time=0.05"]
    project.runpytest_inprocess("--benchmark-save=x", *asked)
    record = saved(project)[0]["benchmarks"][0]["extra_info"]["hpml"]
    assert len(record["processes"][0]) == 7
    assert record["sampling"][0]["stopped"] == "budget"
    assert record["sampling"][0]["iterations"] * min(record["processes"][0]) >= 0.01


def test_stock_compare_reads_what_we_save(project):
    """pytest-benchmark's own command finds both runs."""
    project.makepyfile(SLEEPLESS)
    for name in ("one", "two"):
        project.runpytest_inprocess(f"--benchmark-save={name}")
    result = project.run(sys.executable, "-m", "pytest_benchmark", "compare", "--columns=median")
    assert result.ret == 0
    for name in ("0001_one", "0002_two"):  # in the order of their times
        result.stdout.fnmatch_lines([f"*test_step*{name}*"])


def test_stock_comparing_finds_the_machine_s_folder(project):
    """--benchmark-compare reads the run that was saved before, without a warning."""
    project.makepyfile(SLEEPLESS)
    project.runpytest_inprocess("--benchmark-save=first")
    result = project.runpytest_inprocess("--benchmark-compare", "--benchmark-columns=median")
    result.stdout.fnmatch_lines(["*test_step (0001_first)*"])
    assert "Can't compare" not in result.stdout.str() + result.stderr.str()


def test_a_run_written_to_a_file_is_answered_from_it(project):
    """--benchmark-json alone keeps the record and says where."""
    project.makepyfile(SLEEPLESS)
    # Of its own process: before pytest-benchmark 5.3 the option leaves an open file behind.
    result = project.runpytest_subprocess("--benchmark-json=run.json")
    result.stdout.fnmatch_lines(["Saved: *run.json"])
    run = json.loads((project.path / "run.json").read_text())
    assert run["benchmarks"][0]["extra_info"]["hpml"]["samples"] == 10


def test_a_full_disk_is_one_line(project, monkeypatch):
    """If the run cannot be saved, one line says so and the run fails."""

    def full(_run, _folder, _name):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hpml_lab.pytest_plugin.session.save_run", full)
    project.makepyfile(SLEEPLESS)
    result = project.runpytest_inprocess("--benchmark-save=x")
    assert result.ret == 1
    result.stderr.fnmatch_lines(["Exit: the run could not be saved under *: No space left on *"])


def test_a_test_that_fails_after_measuring_leaves_no_result(project):
    """Only the good case is in the file, whether the other failed in its body or its teardown."""
    project.makepyfile("""
        import pytest

        @pytest.fixture
        def broken():
            yield
            raise RuntimeError("in teardown")

        def test_good(measure):
            measure(int)

        def test_bad(measure):
            measure(int)
            assert False

        def test_ugly(broken, measure):
            measure(int)
    """)
    result = project.runpytest_inprocess("--benchmark-save=x")
    result.assert_outcomes(passed=2, failed=1, errors=1)
    assert [bench["name"] for bench in saved(project)[0]["benchmarks"]] == ["test_good"]


def test_a_test_that_fails_before_measuring_is_one_failure(project):
    """Without pytest-benchmark's warning that its fixture was not used."""
    project.makepyfile("def test_bad(measure):\n    measure(None)\n")
    project.runpytest_inprocess("-Walways").assert_outcomes(failed=1, warnings=0)


def test_a_training_that_diverges_leaves_no_result(project):
    """A loss that becomes NaN is one line, and only the sound training is in the file."""
    project.makepyfile("""
        import numpy as np
        import pytest
        from hpml_lab.training.cifar10 import Images
        from hpml_lab.training.trainer import Trainer
        from hpml_lab.training.training import Training

        @pytest.mark.parametrize("rate", [0.1, 1e30])
        def test_epochs(measure, rate):
            pixels, labels = np.zeros((16, 32, 32, 3), np.uint8), np.arange(16) % 10
            training = Training(
                width=2, images=16, batch_size=8, workers=0, learning_rate=rate
            )
            trainer = Trainer(training, Images(pixels, labels, "generated"))
            measure.epochs(trainer, rounds=1)
    """)
    result = project.runpytest_inprocess("--benchmark-save=x")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*[[]1e+30[]]: the loss became * in epoch 1; no result is kept*"])
    (bench,) = saved(project)[0]["benchmarks"]
    assert bench["name"] == "test_epochs[0.1]"
    assert len(bench["extra_info"]["hpml"]["epochs"]) == 2


def test_what_follows_a_round_is_not_in_its_time(project):
    """Called once behind each call, also behind the warm-up's, outside the clock's two readings."""
    project.makepyfile("""
        from hpml_lab.pytest_plugin.benchmark import Bench

        def test_log(benchmark):
            log = []
            Bench(benchmark).time_exactly(
                lambda: log.append("step"),
                lambda: log.append("now") or float(len(log)),
                rounds=2,
                warm_up=1,
                teardown=lambda: log.append("behind"),
            )
            assert log == ["now", "step", "now", "behind"] * 3
    """)
    project.runpytest_inprocess().assert_outcomes(passed=1)


def test_nothing_finished_means_nothing_saved(project):
    """A run in which every case failed leaves no file."""
    project.makepyfile("def test_bad(measure): measure(int); assert False")
    result = project.runpytest_inprocess("--benchmark-save=x")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["Nothing saved: no measured case passed."])
    assert saved(project) == []


def test_our_errors_are_one_line(project):
    """A void measurement is reported by its sentence, not by a traceback."""
    project.makepyfile("""
        from hpml_lab.errors import NonFiniteLossError

        def test_nan(measure):
            raise NonFiniteLossError("the loss became nan in epoch 2; no result is kept")
    """)
    result = project.runpytest_inprocess()
    result.stdout.fnmatch_lines(["*::test_nan: the loss became nan in epoch 2; no result is kept"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*raise NonFiniteLossError*")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--hpml-axis", "optimizer=sdg"], "unknown optimizer 'sdg'; choose one of: sgd, *"),
        (["--hpml-axis", "workers=-1"], "workers -1 is too small; give 0 or more"),
        (["--hpml-axis", "batch_size=0"], "batch_size 0 is too small; give 1 or more"),
        (["--hpml-axis", "batch-size=9999"], "batch_size 9999 is larger than the 1024 *"),
        (["--hpml-axis", "compile_mode=fast"], "unknown compile_mode 'fast'; choose one of: *"),
        (["--hpml-axis", "speed=1"], "unknown axis 'speed'; choose one of: network, *"),
        (["--hpml-axis", "workers"], "--hpml-axis 'workers' is not NAME=VALUE or *"),
        (["--hpml-axis", "workers=1,,2"], "--hpml-axis 'workers=1,,2' is not NAME=VALUE or *"),
        (["--hpml-data", "nowhere"], "no data folder at 'nowhere'; give a folder *"),
        (["--hpml-data", "."], "no CIFAR-10 in '.': neither *"),
        (
            ["--hpml-profile", "huge"],
            "unknown profile 'huge'; choose one of: quick, short, full",
        ),
        (["--hpml-seed", "-1"], "--hpml-seed '-1' is not a whole number of 0 or more"),
        (["--hpml-processes=0"], "--hpml-processes '0' is not a whole number of 1 or more"),
        (["--hpml-processes=abc"], "--hpml-processes 'abc' is not a whole number of 1 or more"),
        (["--hpml-case-timeout=0"], "--hpml-case-timeout '0' is not a number of seconds above 0"),
        (["--hpml-case-timeout=1h"], "--hpml-case-timeout '1h' is not a number of seconds *"),
        (["--pdb"], "--pdb and --trace need the tests in this interpreter; leave out *"),
    ],
)
def test_bad_input_is_one_line_and_saves_nothing(project, options, line):
    """What cannot be run is refused before anything runs: one line, exit status 4."""
    project.makepyfile(SLEEPLESS)
    result = project.runpytest_inprocess("--benchmark-save=x", *options)
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: {line}"])
    assert [text for text in result.errlines if text] == [
        text for text in result.errlines if "ERROR" in text
    ]
    assert saved(project) == []


def test_axes_without_an_effect_are_named(project):
    """A test of one's own declares its axes itself."""
    project.makepyfile(SLEEPLESS)
    result = project.runpytest_inprocess("--hpml-axis=workers=1")
    result.stdout.fnmatch_lines(["--hpml-axis had no effect: no selected test asks for *"])
    result = project.runpytest_inprocess()
    result.stdout.no_fnmatch_line("--hpml-axis*")


def test_options_come_before_ini_before_environment(project, monkeypatch):
    """The report header shows which value won."""
    monkeypatch.setenv("HPML_SEED", "1")
    monkeypatch.setenv("HPML_PROFILE", "quick")
    monkeypatch.setenv("HPML_AXIS", "workers=0 optimizer=adam")
    project.makeini("[pytest]\nhpml_seed = 2\nhpml_profile = full")
    result = project.runpytest_inprocess("--hpml-seed=3")
    result.stdout.fnmatch_lines(
        ["hpml: profile=full, data=generated, *seed=3, axis=workers=0 optimizer=adam"]
    )


def test_a_flag_is_true_or_false(project, monkeypatch):
    """A flag of the environment that is neither is one line, exit status 4."""
    monkeypatch.setenv("HPML_REQUIRE_GPU", "maybe")
    result = project.runpytest_inprocess()
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: --hpml-require-gpu 'maybe' is unknown; *: false, true"])


def test_side_by_side_runs_are_not_saved(project):
    """-n of xdist with saving is a usage error."""
    project.makepyfile(SLEEPLESS)
    result = project.runpytest_inprocess("-n", "2", "--benchmark-save=x")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: -n of xdist runs cases side by side*save without -n"])


def test_a_disabled_benchmark_runs_once_without_a_result(project):
    """--benchmark-disable runs the test and measures nothing."""
    project.makepyfile(SLEEPLESS)
    project.runpytest_inprocess("--benchmark-disable").assert_outcomes(passed=1)


def test_the_plugin_does_not_import_torch():
    """A project that does not measure waits neither for torch nor for our report."""
    program = (
        "import sys, hpml_lab.pytest_plugin;"
        "sys.exit(sorted({'torch', 'torchvision', 'rich', 'pynvml'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_pytest_works_without_pytest_benchmark(project):
    """Our plugin stays out of the way where the other one is switched off."""
    project.makepyfile("def test_plain(): pass")
    project.runpytest_inprocess("-p", "no:benchmark").assert_outcomes(passed=1)
