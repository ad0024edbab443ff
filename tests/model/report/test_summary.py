"""What the figures say in words, held to the figures themselves."""

import dataclasses

import pytest

from dima.model.evaluate import Evaluation
from dima.model.report.summary import by_chance, column_headers, seen, summary, verdict

MEASURED = Evaluation(2, 60, 49, 0.1, 0.2, c2st=0.5)


@pytest.mark.parametrize(
    ("ours", "pca", "told"),
    [(0.1, 0.2, "is below that"), (0.2, 0.1, "is above that"), (0.12345671, 0.12345678, "is equal to that")],
)
def test_the_rival_is_beaten_or_not(ours, pca, told):
    measured = dataclasses.replace(MEASURED, error_over_variance=ours, pca_error_over_variance=pca)
    assert told in verdict(measured)
    assert "latents are principal components" not in verdict(measured)
    assert "The latents are principal components here. The" in verdict(measured, is_principal=True)


def test_without_a_rival_there_is_no_comparison():
    assert verdict(MEASURED) == "Figures on 49 rows that no part of the model has seen."


def test_training_rows_are_told_and_never_called_held_out():
    some, every = (dataclasses.replace(MEASURED, n_seen=n, column_r2={"a": 0.5}) for n in (7, 49))
    assert seen(MEASURED) == ""
    assert seen(some) == "7 of 49 rows equal rows the model was fitted to: figures flatter."
    assert seen(every).startswith("All 49 rows are")
    assert verdict(some) == seen(some)
    for measured, name in ((MEASURED, "held-out R^2"), (some, "R^2")):
        assert column_headers(measured) == ("column", name)
    assert summary(some)[0][0] == "error / variance"


def test_chance_is_told_of_few_rows():
    assert by_chance(MEASURED) == "On 49 rows a classifier test moves by about 0.05 by chance."
    assert by_chance(dataclasses.replace(MEASURED, n_held_out=200)) == ""
    assert by_chance(dataclasses.replace(MEASURED, c2st=None)) == ""
