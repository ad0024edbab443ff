"""Every mechanism of the table in docs/design.md has one place; what a grep can see is held here."""

import re

import pytest

from house.rules import ROOT, library

# mechanism -> (what gives it away, where it may stand: files, or folders with a slash behind).
PLACES = {
    "standardisation": (r"\.std\(axis|np\.sqrt\(squares", ["dima/scaling.py"]),
    "array check": (r"must have shape|NaN or inf in", ["dima/check.py"]),
    "element types": (r"must be real numbers", ["dima/elements.py"]),
    "row blocks": (r"range\(0, n, |range\(0, len\(\w+\), ", ["dima/blocks.py"]),
    "atomic write": (r"os\.fsync|os\.replace|\.rename\(|\.write_bytes\(|\.write_text\(", ["dima/files.py"]),
    "making a folder": (r"\.mkdir\(parents", ["dima/files.py"]),
    "squared distances": (r"cdist\(|-2 \* \w+ ?@|_augment|np\.hstack\(\[-2", ["dima/metrics/distance.py"]),
    "nearest rows": (r"NearestNeighbors\(|IndexHNSW|NNDescent\(", ["dima/manifold/neighbors/"]),
    "telling two sets apart": (r"cross_val_score\(", ["dima/metrics/classifier.py"]),
    "MMD of a kernel": (r"permutation\(truth|\(n \* \(n - 1\)\)", ["dima/metrics/mmd.py"]),
    "log-SNR conversion": (r"math\.e \*\*|nn\.sigmoid\(|\bnp\.log\(sigma\)", ["dima/noise/schedule.py"]),
    "network to estimate": (r"\bclean\(|_CLEAN\b", ["dima/noise/target.py"]),
    "arguments of sampling": (r"OneOf\(\*solvers\.SOLVERS", ["dima/noise/sampling.py"]),
    "training loop": (r"Patience\(run\.patience\)|\.is_over", ["dima/training/"]),
    "signals": (r"signal\.signal\(", ["dima/training/signals.py"]),
    "checkpoint": (r'"training-checkpoint"', ["dima/training/checkpoint.py"]),
    "fitted state to arrays": (r"dataclasses\.fields\(", ["dima/fitted.py"]),
    "report section": (
        r"\bSection\(",
        ["dima/model/report/", "dima/figures/report.py", "dima/model/manifold_map.py"],
    ),
    "threads": (r"threadpool_limits|ThreadpoolController", ["dima/threads.py"]),
    "parts of a graph": (r"connected_components\(", ["dima/manifold/parts.py"]),
    "foreign checkpoints": (r"torch\.load\(", ["dima/image/autoencoder/checkpoint.py"]),
    "reading JSON and MessagePack of a model": (r"msgpack\.decode|msgpack\.Decoder", ["dima/store/"]),
    "bars": (r"rich\.progress", ["dima/progress.py"]),
    "warnings": (r"warnings\.warn\(", ["dima/errors.py"]),
}


def _found(pattern):
    return {module.path for module in library() if re.search(pattern, module.text)}


@pytest.mark.parametrize("mechanism", PLACES)
def test_a_mechanism_has_one_place(mechanism):
    pattern, places = PLACES[mechanism]
    found = _found(pattern)
    strangers = {path for path in found if not any(path.startswith(place) for place in places)}
    assert not strangers, f"{mechanism} stands in {sorted(strangers)} too; its place is {places[0]}"
    # A pattern that finds nothing at home has gone blind.
    assert any(path.startswith(places[0]) for path in found), f"{mechanism} is not seen in {places[0]}"


def test_the_table_in_the_design_names_files_that_exist():
    table = (
        (ROOT / "docs/design.md")
        .read_text("utf-8")
        .split("## One place for each mechanism")[1]
        .split("\n## ")[0]
    )
    places = re.findall(r"^\| [^|]+ \| ([^|]+) \|", table, re.M)
    named = [
        name
        for cell in places
        for name in re.findall(r"`(\w+(?:/\w*)*(?:\.py)?)`", cell)
        if "/" in name or "." in name
    ]
    assert len(named) > 50
    assert [name for name in named if not (ROOT / "src/dima" / name).exists()] == []
