"""When a rung that was built anew counts as the shipped one."""

import pytest

from cai_eval.lab.verify import Rebuilt


@pytest.mark.parametrize(
    ("same_recipe", "difference", "loss", "holds"),
    [
        (True, 0.0, 1.50, True),
        (True, 1e-3, 1.52, True),  # another processor: as near as another seed
        (True, 1e-3, 1.54, False),
        (False, 0.0, 1.50, False),
    ],
)
def test_it_holds(same_recipe: bool, difference: float, loss: float, holds: bool) -> None:
    assert Rebuilt("24k", same_recipe, difference, (1.50, loss), spread=0.03).holds is holds
