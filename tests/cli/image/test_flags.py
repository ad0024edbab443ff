"""What the flags that verbs of images share say of themselves."""

import re


def test_the_flag_of_downloads_says_that_nothing_is_fetched_without_a_folder(dima):
    page = re.sub(r"[│\s]+", " ", dima("image", "fit-ddpm", "--help").out)
    assert "a folder hf_cache that is there already" in page
    assert "without one nothing is downloaded" in page
