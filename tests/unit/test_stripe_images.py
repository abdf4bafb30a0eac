"""The edge lab's images: what each class shows, where stripes are, and what the cast does."""

import numpy as np
import pytest
import torch

from hpml_lab.errors import InputError
from hpml_lab.labs.edges import stripes as edges
from hpml_lab.labs.edges.stripes import edge_images, fixed_order, place
from hpml_lab.theory.stripes import empty_share

OLD, NEW = place(2023), place(2025)


def drawn(where, classes=3, per_class=2000, seed=0):
    """Returns bytes (classes, n, 28, 28) as the lab's images hold them."""
    images, labels = edge_images(where, classes, per_class, seed)
    assert labels.tolist() == [c for c in range(classes) for _ in range(per_class)]
    values = (images.double() * 255).round().to(torch.int64)
    assert torch.equal((values.double() / 255).float(), images)
    return values.reshape(classes, per_class, 28, 28).numpy()


def lit(lines):
    """Returns which of 28 lines (n, 28, 28) are brighter than an image's darkest, per image."""
    return lines[:, :, 0] > lines.min((1, 2))[:, None]


@pytest.mark.parametrize("where", [OLD, NEW], ids=["2023", "2025"])
def test_classes_are_what_they_are_called(where):
    """Rows of a horizontal stripe are of one value, columns of a vertical one, all of none."""
    horizontal, vertical, none = drawn(where)
    assert (horizontal == horizontal[:, :, :1]).all()
    assert (vertical == vertical[:, :1]).all()
    assert (none == none[:, :1, :1]).all()
    assert none.max() <= 51  # 0.2 * 255
    stripes = horizontal.max((1, 2))[lit(horizontal).any(1)]
    assert 63 <= stripes.min() < 70  # 0.25 * 255 = 63.75
    assert 245 < stripes.max() <= 255


def test_the_older_generator_cuts_stripes_off():
    """1/27 are empty; neither the first nor the last row is ever lit; 21 % are 4 wide."""
    rows = lit(drawn(OLD)[0])
    assert not rows[:, [0, 27]].any()
    assert rows[:, 1:27].any(0).all()
    widths = np.bincount(rows.sum(1), minlength=5) / len(rows)
    assert widths == pytest.approx([4 / 108, 29 / 108, 27 / 108, 25 / 108, 23 / 108], abs=0.03)


def test_the_newer_generator_draws_stripes_that_fit():
    """None is empty, the first row and the last but one are lit, all widths are as likely."""
    rows = lit(drawn(NEW)[0])
    assert rows[:, 0].any()
    assert rows[:, 26].any()
    assert not rows[:, 27].any()
    widths = np.bincount(rows.sum(1), minlength=5) / len(rows)
    assert widths == pytest.approx([0, 0.25, 0.25, 0.25, 0.25], abs=0.03)


@pytest.mark.parametrize(
    ("generator", "part", "lit_rows", "share"),
    [
        (2023, "everywhere", range(1, 27), 1 / 27),
        (2023, "near", range(1, 13), 1 / 13),
        (2023, "far", range(14, 27), 1 / 14),
        (2025, "everywhere", range(27), 0),
        (2025, "near", range(13), 0),
        (2025, "far", range(14, 27), 0),
    ],
)
def test_halves_share_no_row(generator, part, lit_rows, share):
    """Stripes of either half stay there, and as many are empty as theory says."""
    where = place(generator, part)
    rows = lit(drawn(where)[1].swapaxes(1, 2))
    assert np.flatnonzero(rows.any(0)).tolist() == list(lit_rows)
    assert (~rows.any(1)).mean() == pytest.approx(share, abs=0.02)
    last = where.end if where.cut else where.end - 4
    assert float(empty_share(where.first, last, where.end)) == pytest.approx(share)


def test_both_stripes_have_one_place_and_the_vertical_one_is_on_top():
    """Rows and columns that are lit are the same; the crossing has the vertical one's value."""
    for image in drawn(NEW, classes=5, per_class=200)[3]:
        grey = image[27, 27]
        rows, columns = image[:, 27] != grey, image[27] != grey
        assert (rows == columns).all()
        assert (image[:, columns] == image[27, columns]).all()
        assert (image[rows][:, ~columns] == image[rows][:, 27:]).all()


def test_the_cast_wraps_what_the_spline_undershoots():
    """One diagonal image in three has nearly white pixels beside its stripe, others have none."""
    rng = np.random.default_rng(0)
    values = edges._draw(rng, "diagonal", 2000, OLD)
    wrapped = values * 255 <= -1
    assert wrapped.any((1, 2)).mean() == pytest.approx(1 / 3, abs=0.04)
    assert 9 < wrapped.sum((1, 2)).mean() < 12
    assert (edges._grey(values)[wrapped] > 200).all()
    assert edges._grey(np.array([-0.9, -1.0, -1.9, -2.0, 255.9, 256.0]) / 255).tolist() == [
        0, 255, 255, 254, 255, 0,
    ]  # fmt: skip


def test_diagonals_are_one_wide_and_of_both_directions():
    """Even images are turned horizontal stripes, odd ones vertical: four directions of each."""
    images = drawn(NEW, classes=5, per_class=400)[2]
    assert len({image.tobytes() for image in images}) == 400
    assert not (images == images[:, :, :1]).all((1, 2)).any()
    assert not (images == images[:, :1]).all((1, 2)).any()


def test_one_order_moves_the_pixels_of_all_images():
    """The permuted images hold the same values, each pixel where the order says."""
    order = fixed_order(3)
    plain, labels = edge_images(OLD, 3, 5, 7)
    moved, same = edge_images(OLD, 3, 5, 7, order)
    assert torch.equal(moved.flatten(1), plain.flatten(1)[:, order])
    assert torch.equal(labels, same)
    assert order.sort().values.tolist() == list(range(784))


def test_a_seed_gives_the_same_images_again():
    """The same seed gives the same images, another one others."""
    first, again, other = (edge_images(OLD, 5, 4, seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(("classes", "per_class"), [(4, 10), (3, 0)])
def test_other_labs_are_refused(classes, per_class):
    """The lab has three classes or five."""
    with pytest.raises(InputError, match="there are 3 or 5"):
        edge_images(OLD, classes, per_class, 0)
