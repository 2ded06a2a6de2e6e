"""How numbers are written on every screen."""

from __future__ import annotations

import math

import pytest
from reskeras_tui.words import number

pytestmark = pytest.mark.any_backend


def test_numbers_have_one_form():
    written = [number(*each) for each in ((0.12345,), (5e-05, 3), (1290.4, 3), (4_000_000, 6), (1.5e7,), (-2048.0, 3))]
    assert written == ["0.1235", "5e-5", "1,290", "4,000,000", "1.5e+7", "-2,048"]
    assert [number(None), number(math.nan)] == ["–", "not finite"]
