"""What the figures say in words, held to the figures themselves."""

import dataclasses

import pytest

from dima.model.evaluate import Evaluation
from dima.model.report.summary import by_chance, verdict

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


def test_chance_is_told_of_few_rows():
    assert by_chance(MEASURED) == "On 49 rows a classifier test moves by about 0.05 by chance."
    assert by_chance(dataclasses.replace(MEASURED, n_held_out=200)) == ""
    assert by_chance(dataclasses.replace(MEASURED, c2st=None)) == ""
