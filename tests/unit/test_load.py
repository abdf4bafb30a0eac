"""What others took of the processors: read from files as a kernel writes them."""

import os

import pytest

from hpml_lab.measure import load
from hpml_lab.measure.disturbance import Conditions, disturbances, is_disturbed
from hpml_lab.measure.load import Busy, Waiting, busy

ME = str(os.getpid())


@pytest.fixture
def proc(tmp_path, monkeypatch):
    """The process file system of a process with one thread, on two processors."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(load, "_TICKS", 100)
    (tmp_path / "self").mkdir()
    tasks = tmp_path / ME / "task"
    (tmp_path / "self" / "task").symlink_to(tasks)
    thread(tasks, ME, waited_s=1.0)
    (tmp_path / "stat").write_text("cpu  1000 50 200 9000 30 10 40 100 0 0\ncpu0 1 2 3\n")
    return tmp_path


def thread(tasks, number, waited_s, children=""):
    """Writes what the kernel says of a thread."""
    (tasks / number).mkdir(parents=True, exist_ok=True)
    (tasks / number / "schedstat").write_text(f"5 {int(waited_s * 1e9)} 9\n")
    (tasks / number / "children").write_text(children)


def process(proc, number, ticks, children=""):
    """Writes what the kernel says of another process; its name holds a parenthesis and a space."""
    thread(proc / number / "task", number, 0.0, children)
    fields = ["S", *["0"] * 10, *map(str, ticks), *["0"] * 30]
    (proc / number / "stat").write_text(f"{number} (a) b) {' '.join(fields)}\n")


def test_the_waiting_of_all_threads_adds_up(proc):
    """Half a second of the first, a quarter of one that came later; it begins at nothing."""
    waiting = Waiting(proc)
    assert waiting() == 0.0
    thread(proc / ME / "task", ME, 1.5)
    thread(proc / ME / "task", "77", 0.25)
    assert waiting() == 0.75
    waiting.close()


def test_a_thread_that_has_ended_keeps_what_it_waited(proc):
    """Nothing is given back."""
    thread(proc / ME / "task", "77", 0.25)
    waiting = Waiting(proc)
    thread(proc / ME / "task", "77", 0.5)
    assert waiting() == 0.25
    for file in (proc / ME / "task" / "77").iterdir():
        file.unlink()
    (proc / ME / "task" / "77").rmdir()
    assert waiting() == 0.25
    waiting.close()


def test_waiting_beside_workers_of_one_s_own_does_not_count(proc):
    """While a child runs the count stands still, and goes on behind it."""
    waiting = Waiting(proc)
    thread(proc / ME / "task", ME, 3.0, children="88 ")
    assert waiting() == 0.0
    thread(proc / ME / "task", ME, 3.5)
    assert waiting() == 0.5
    waiting.close()


def test_a_worker_that_came_and_went_is_noticed(proc, monkeypatch):
    """Its processor time is among that of ended children."""
    spent = iter([1.0, 1.2, 1.2])
    monkeypatch.setattr(load, "_children_s", lambda: next(spent))
    waiting = Waiting(proc)
    thread(proc / ME / "task", ME, 3.0)
    assert waiting() == 0.0
    thread(proc / ME / "task", ME, 3.5)
    assert waiting() == 0.5
    waiting.close()


def test_a_kernel_that_does_not_tell_has_no_waiting(tmp_path):
    """No such file system: nothing is waited for."""
    waiting = Waiting(tmp_path)
    assert waiting() == 0.0
    waiting.close()


def test_busy_is_all_but_idle_and_waiting_for_disks(proc, monkeypatch):
    """1000 + 50 + 200 + 10 + 40 + 100 stolen ticks; ours are children's and grandchildren's too."""
    monkeypatch.setattr(load.time, "process_time", lambda: 2.0)
    monkeypatch.setattr(load, "_children_s", lambda: 0.5)
    thread(proc / ME / "task", ME, 1.0, children="88 ")
    process(proc, "88", (10, 20, 0, 0), children="99")
    process(proc, "99", (1, 2, 3, 4))
    result = busy(proc)
    assert result.all_s == 14.0
    assert result.own_s == pytest.approx(2.0 + 0.5 + 0.30 + 0.10)


@pytest.mark.parametrize(("others_s", "share"), [(0.0, 0.0), (1.0, 0.25), (4.0, 1.0), (-1.0, 0.0)])
def test_others_took_what_was_not_ours(monkeypatch, others_s, share):
    """Of two processors over two seconds."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    before, after = Busy(10.0, 100.0, 7.0), Busy(12.0, 100.0 + 2.0 + others_s, 9.0)
    assert before.others(after) == share
    assert before.taken(after) == pytest.approx((2.0 + others_s) / 4)


def test_a_short_time_tells_nothing_of_others(monkeypatch):
    """In 0.9 s a twentieth of two processors are nine ticks: no more than reading may miss."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert Busy(10.0, 100.0, 7.0).others(Busy(10.9, 101.0, 7.5)) is None
    assert Busy(10.0, 0.0, 7.0).others(Busy(20.0, 0.0, 7.5)) is None


def conditions(others_s, own_s=2.0, waited_s=0.0, spent_s=2.0):
    """Returns two moments between which others and we worked so long, on two processors."""
    before = Conditions(1.0, 0.0, busy=Busy(1.0, 10.0, 1.0))
    busy_after = Busy(1.0 + spent_s, 10.0 + others_s + own_s, 1.0 + own_s)
    return before, Conditions(1.0 + spent_s, waited_s, busy=busy_after)


@pytest.mark.parametrize(
    ("moments", "disturbed", "said"),
    [
        (conditions(1.0), True, ["load by others: they took 25.0 % of all processors"]),
        (conditions(0.1), False, []),  # a fortieth of them
        (conditions(0.3, own_s=1.0), False, []),  # two thirds are free
        (
            conditions(0.0, waited_s=0.5),
            False,
            [
                "too few processors: 25.0 % of the time was spent waiting for one that threads or "
                "workers of its own held"
            ],
        ),
        (
            conditions(0.0, waited_s=0.1, spent_s=0.5),
            None,
            ["load by others: 20.0 % of the time was spent waiting for a processor"],
        ),
    ],
    ids=["crowded", "little", "room for both", "own workers", "too short to tell"],
)
def test_others_disturb_where_they_take_much_and_little_is_left(
    monkeypatch, moments, disturbed, said
):
    """A neighbour on an idle processor is none; workers of one's own are none either."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert is_disturbed(*moments) is disturbed
    assert list(disturbances(*moments)) == said


def test_a_limit_that_was_reached_disturbs():
    """A used-up quota, however quiet the machine."""
    assert is_disturbed(Conditions(0.0, 0.0), Conditions(2.0, 0.0, quota_s=0.5)) is True


def test_this_machine_tells_of_its_processors():
    """The real files: time passes, and we work at least as long as all do."""
    before = busy()
    sum(range(10**6))
    after = busy()
    assert after.now_s > before.now_s
    assert after.own_s > before.own_s
    with_files = Waiting()
    assert with_files() >= 0.0
    with_files.close()
