"""A warning stands at the user's line, however deep its cause."""

import threading
import types
import warnings

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from dima.errors import kept_messages, warn_user
from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from manifold.shapes import blobs, cloud


def fitted():
    return DMAP(k=8).fit(cloud(60, 3))


def module(name, source):
    made = types.ModuleType(name)
    exec(source, made.__dict__)  # noqa: S102 a function whose module has that name
    return made


FAR = np.full((1, 3), 1e6)
ACTS = {
    "transform": lambda: fitted().transform(FAR),
    "fit": lambda: DMAP(k=8).fit(blobs([30, 30])),
    "fit_transform": lambda: DMAP(k=8).fit_transform(blobs([30, 30])),
    "predict": lambda: GPLM(m=5).fit(cloud(30, 3), cloud(30, 2)).predict(FAR),
    "pipeline": lambda: make_pipeline(DMAP(k=8)).fit_transform(blobs([30, 30])),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_warning_stands_in_this_file(act):
    with pytest.warns(UserWarning, match=r"^(DMAP|GPLM): ") as caught:
        act()
    assert [found.filename for found in caught] == [__file__]


@pytest.mark.parametrize("name", ["dima.model", "sklearn.base", "dima"])
def test_our_own_frames_are_passed_over(name):
    inside = module(name, "def call(act): act()")
    with pytest.warns(UserWarning, match="^told$") as caught:
        inside.call(lambda: warn_from("dima.manifold.x"))
    assert caught[0].filename == __file__


def warn_from(name):
    module(name, "def call(act): act('told')").call(warn_user)


def test_a_program_made_of_our_frames_still_hears_it():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_user("told")
    assert [str(found.message) for found in caught] == ["told"]


def test_messages_that_are_kept_are_not_shown_and_other_threads_go_on():
    heard = []

    def other():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warn_user("loud")
        heard.extend(str(each.message) for each in caught)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with kept_messages() as messages:
            warn_user("first")
            with kept_messages() as inner:
                warn_user("inner")
            warn_user("second")
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
        with pytest.raises(UserWarning, match="after"):
            warn_user("after")
    assert (messages, inner, heard) == (["first", "second"], ["inner"], ["loud"])
