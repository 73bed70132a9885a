"""What is free counts a container's limit."""

import psutil
import pytest

from hdsr import free_memory


def test_the_limit_of_a_container_counts(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1000}))
    monkeypatch.setattr(free_memory, "CGROUP", tmp_path)
    assert free_memory.free_bytes() == 1000
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 150\n")
    assert free_memory.free_bytes() == 1000
    for limit, free in ((900, 350), (2000, 1000), (500, 0)):
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        assert free_memory.free_bytes() == free
