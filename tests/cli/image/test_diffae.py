"""`dima image fit-diffae`: a folder of results, loaded where it is there."""

import json


def test_results_are_a_model_pictures_and_a_run(results):
    names = {path.name for path in results.iterdir()}
    pictures = {"conditioned_samples.png", "diffusion_autoencoder_demo.png"}
    assert names == {"coder", "model", "run", "samples"} | pictures
    assert [path.name for path in (results / "samples").iterdir()] == ["epoch_000005.png"]
    assert (results / "run" / "metrics.jsonl").stat().st_size


def test_what_is_there_is_loaded_and_not_trained_again(results, diffae, dima):
    before = (results / "model" / "MANIFEST.json").read_bytes()
    again = dima(*diffae, "-o", str(results), "--json")
    assert again.code == 0
    told = json.loads(again.out)
    assert told["autoencoder"] == "diffusion (joint)"
    assert told["condition_used"] > 0
    assert again.err.count("Loaded, not trained again") == 2
    assert (results / "model" / "MANIFEST.json").read_bytes() == before


def test_a_folder_of_other_settings_is_refused(results, diffae, dima):
    ran = dima(*diffae, "--drop", "0.2", "-o", str(results))
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "must be of drop 0.2; got drop 0.1. Choose another folder" in ran.err
