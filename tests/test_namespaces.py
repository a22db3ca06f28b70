"""Namespaces keep people and projects apart."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memcli.errors import NamespaceError
from memcli.namespaces import check_template, fill, from_labels, to_labels


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


@given(st.lists(st.text("%/25F7\n\x7fé.", min_size=1, max_size=6), min_size=1))
def test_labels_come_back_from_the_path_they_make(labels: list[str]) -> None:
    namespace = from_labels(labels)
    assert to_labels(namespace) == tuple(labels)
    assert namespace.count("/") == len(labels) - 1
    assert namespace.isprintable()


@pytest.mark.parametrize("namespace", ["memories/anna", "m/100%", "m/a%20b", "m/jo.s"])
def test_a_namespace_that_labels_did_not_make_is_found_by_its_labels(
    namespace: str,
) -> None:
    assert from_labels(to_labels(namespace)) == namespace


@pytest.mark.parametrize("labels", [(), ("",), ("a", ""), ("\ud800",), "memories"])
def test_labels_that_make_no_path_are_refused(labels: Sequence[str]) -> None:
    with pytest.raises(NamespaceError):
        from_labels(labels)
