"""Namespaces keep people and projects apart."""

import pytest

from memcli.errors import NamespaceError
from memcli.namespaces import check_template, fill


def test_a_template_is_filled_from_metadata() -> None:
    metadata = {"user_id": "anna", "project": "gauges"}
    assert fill("m/{user_id}/{project}", metadata, "t") == "m/anna/gauges"
    assert fill("m/{user_id:-me}", {}, "t") == "m/me"
    assert fill("m/{user_id:-me}", metadata, "t") == "m/anna"


def test_a_missing_variable_names_thread_and_variable() -> None:
    with pytest.raises(NamespaceError, match=r"thread t7: .*'user_id'.*project.*--set"):
        fill("m/{user_id}", {"project": "x"}, "t7")


def test_no_value_climbs_into_another_namespace() -> None:
    assert fill("m/{user_id}", {"user_id": "a/../b\n"}, "t") == "m/a_.._b"


@pytest.mark.parametrize("template", ["m/{", "m/{}", "m//x", "/m", "{a b}", ""])
def test_a_malformed_template_is_refused(template: str) -> None:
    with pytest.raises(NamespaceError):
        check_template(template)
