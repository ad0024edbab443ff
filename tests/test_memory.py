import os

import pytest

from dima import memory
from dima.errors import MemoryBudgetError


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Files as Linux writes them, of a machine with 8 GiB free and a container that may take 3 more."""
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    (tmp_path / "meminfo").write_text("MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\nHugePages: 0\n")
    (tmp_path / "memory.max").write_text(f"{4 * 2**30}\n")
    (tmp_path / "memory.current").write_text(f"{2**30}\n")
    return tmp_path


def test_the_tighter_of_machine_and_container_counts(machine):
    assert memory.available_bytes() == 3 * 2**30
    (machine / "memory.max").write_text("max\n")
    assert memory.available_bytes() == 8 * 2**30
    (machine / "memory.max").write_text(f"{2**20}\n")
    assert memory.available_bytes() == 0


def test_there_is_as_much_as_the_tighter_of_machine_and_container(machine):
    assert memory.total_bytes() == 4 * 2**30
    (machine / "memory.max").write_text("max\n")
    assert memory.total_bytes() == 16 * 2**30


def test_where_linux_does_not_say_the_system_is_asked(machine, monkeypatch):
    (machine / "memory.max").unlink()
    (machine / "meminfo").write_text("MemTotal:  16777216 kB\n")
    pages = {"SC_AVPHYS_PAGES": 1000, "SC_PHYS_PAGES": 2000, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__)
    assert memory.available_bytes() == 4_096_000
    (machine / "meminfo").unlink()
    assert memory.total_bytes() == 8_192_000
    monkeypatch.delattr(os, "sysconf")
    assert memory.available_bytes() is None


def test_what_does_not_fit_is_refused_in_one_sentence(machine):
    memory.refuse_beyond("DMAP", "a fit", 3 * 2**30, "Lower k.")
    told = r"^DMAP: a fit must fit into memory; got 3\.2 GB wanted and 3\.2 GB free\. Lower k\.$"
    with pytest.raises(MemoryBudgetError, match=told):
        memory.refuse_beyond("DMAP", "a fit", 3 * 2**30 + 1, "Lower k.")


def test_where_nothing_is_known_nothing_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    memory.refuse_beyond("DMAP", "a fit", 2**60, "Lower k.")
