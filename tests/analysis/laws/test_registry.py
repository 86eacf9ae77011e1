import pytest

from analysis.laws.chinchilla import chinchilla
from analysis.laws.registry import LAWS, law_named
from scaling_harness.errors import UserError


def test_a_law_is_given_as_it_is_or_by_its_name():
    assert law_named(chinchilla) is chinchilla
    assert all(law_named(name).name == name for name in LAWS)
    with pytest.raises(UserError, match=r"law 'chinchila' is not known; choose from chinchilla, tied"):
        law_named("chinchila")
