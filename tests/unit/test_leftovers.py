"""What a failed test held is gone before the next one is timed."""

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("lab_in_one_process")]

PROJECT = """
    import weakref

    import pytest

    held = []

    class Workers:
        pass

    @pytest.mark.parametrize("how", ["fails", "fails for another reason"])
    def test_fails(measure, how):
        workers = Workers()
        held.append(weakref.ref(workers))

        def step():
            try:
                raise KeyError("first")
            except KeyError as error:
                raise ValueError(str(workers)) from (error if how != "fails" else None)

        measure(step)

    def test_next(measure):
        assert len(held) == 2
        assert [reference() for reference in held] == [None, None]
        measure(int)
"""


@pytest.mark.parametrize("options", [(), ("--hpml-processes=1",)], ids=["here", "fresh"])
def test_what_a_failed_step_held_is_gone(project, options):
    """Its loader's workers would else run beside the next case; also what its cause held."""
    project.makeconftest("""
        def pytest_collection_modifyitems(items):
            items.sort(key=lambda item: "test_next" in item.name)
    """)
    project.makepyfile(PROJECT)
    # pytester's recorder of hooks, in this process, would hold every error.
    project.runpytest_subprocess(*options).assert_outcomes(passed=1, failed=2)
