"""Real disks that are full, closed or gone, under a real training script, in mount namespaces of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest

from fitscribe.testing.endpoint import Endpoint

DEAD = "http://127.0.0.1:9"

TRAINING = textwrap.dedent("""
    import os, resource, signal, sys, time
    import fitscribe

    STEPS, FILL = int(os.environ["STEPS"]), os.environ["FILL"].split()

    def fill(folder):
        with open(os.path.join(folder, "filler"), "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    def rss():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    fitscribe.set_tracking_uri(sys.argv[1])
    with fitscribe.start_run(run_name="disk"):
        fitscribe.log_param("lr", 0.1)
        fitscribe.log_metrics({"loss": 9.0}, step=0)
        time.sleep(0.2)
        for folder in FILL:
            fill(folder)
        before, began = rss(), time.perf_counter()
        for step in range(1, STEPS):
            fitscribe.log_metrics({"loss": 1 / step}, step=step)
        seconds = time.perf_counter() - began
        fitscribe.set_tag("late", "yes")
        print(f"{1e6 * seconds / STEPS:.1f} us, {(rss() - before) / 1e6:.0f} MB")
        if os.environ.get("RETURN"):
            for folder in FILL:
                os.unlink(os.path.join(folder, "filler"))
            time.sleep(float(os.environ["RETURN"]))
            os.kill(os.getpid(), signal.SIGKILL)
    print("trained")
""")


def namespaces() -> bool:
    try:
        return subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not namespaces(), reason="small disks are mounted in a user's own mount namespace")


class Done(NamedTuple):
    lines: list[str]  # on standard error
    out: str


@pytest.fixture
def train(tmp_path: Path):
    """Run the training in a shell that has mounted a small disk at `work`, and one at `tmp`; then other commands."""
    for name in ("work", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "train.py").write_text(TRAINING)

    def run(uri: str, *, fill: str, steps: int = 3000, options: str = "size=2m", after: str = "", **more: str) -> Done:
        shell = f"mount -t tmpfs -o {options} none work && mount -t tmpfs -o size=2m none tmp && cd work && "
        shell += f'"{sys.executable}" ../train.py {uri}; code=$?; {after or ":"}; exit $code'
        env = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "FILL": fill, "STEPS": str(steps), **more}
        env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
        done = subprocess.run(
            ["unshare", "-rm", "sh", "-c", shell], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip
        assert "trained" in done.stdout or more.get("RETURN"), done.stderr
        assert done.returncode == (137 if more.get("RETURN") else 0), done.stderr
        print(done.stdout, done.stderr)
        return Done([line for line in done.stderr.splitlines() if not line.startswith("Killed")], done.stdout)

    return run


def steps_of(endpoint: Endpoint) -> list[int]:
    run = endpoint.ledger.named("disk")
    assert (run.params, run.tags["late"]) == ({"lr": "0.1"}, "yes")
    return [step for _, _, step in run.points["loss"]]


def test_a_full_disk_is_left_for_the_one_of_temporary_files(train):
    with Endpoint() as endpoint:
        done = train(endpoint.uri, fill=".", after="find ../tmp -type f")
    assert steps_of(endpoint) == list(range(3000))
    assert endpoint.ledger.named("disk").status == "FINISHED"
    (line,) = done.lines
    assert "work/.fitscribe/journal cannot be written (No space left on device)" in line
    assert ".journal" not in done.out, "nothing is left behind"


def test_with_every_disk_full_everything_arrives_by_memory(train):
    with Endpoint() as endpoint:
        done = train(endpoint.uri, fill=". ../tmp", steps=20_000)
    assert steps_of(endpoint) == list(range(20_000))
    (line,) = done.lines
    assert line.endswith("what is recorded waits in memory alone until it is delivered")


def test_a_disk_that_cannot_be_written_at_all(train):
    with Endpoint() as endpoint:
        done = train(endpoint.uri, fill="", options="ro", steps=3000)
    assert steps_of(endpoint) == list(range(3000))
    assert len(done.lines) == 1


def test_with_every_disk_full_and_the_endpoint_dead_what_is_lost_is_counted(train):
    with Endpoint() as endpoint:
        after = f'rm filler ../tmp/filler; fitscribe sync --to {endpoint.uri}; find . ../tmp -name "*.journal"'
        done = train(DEAD, fill=". ../tmp", steps=400_000, after=after, FITSCRIBE_EXIT_PATIENCE="0.5")
    (line,) = (line for line in done.lines if "are lost" in line)
    lost, thinned = (int(number) for number in re.findall(r"(\d+) (?:record|metric point)\(s\)", line))
    assert thinned > 100_000
    run = endpoint.ledger.named("disk")
    kept = len(run.points["loss"])
    assert 400_000 <= kept + thinned + lost <= 400_010
    assert float(done.out.split(" MB")[0].split(",")[1]) < 60
    assert ".journal" not in done.out


def test_memory_goes_to_disk_once_there_is_room_and_survives_a_kill(train):
    with Endpoint() as endpoint:
        train(DEAD, fill=". ../tmp", steps=5000, RETURN="14", after=f"fitscribe sync --to {endpoint.uri}")
    assert steps_of(endpoint) == list(range(5000))


def test_a_folder_deleted_during_training_costs_nothing(train, tmp_path):
    script = (tmp_path / "train.py").read_text()
    (tmp_path / "train.py").write_text(
        script.replace("    for step in", "    import shutil; shutil.rmtree('.fitscribe')\n    for step in")
    )
    with Endpoint() as endpoint:
        done = train(DEAD, fill="", steps=3000, RETURN="12", after=f"fitscribe sync --to {endpoint.uri}")
    assert steps_of(endpoint) == list(range(3000))
    assert len(done.lines) <= 2


def test_what_was_in_the_refuge_at_a_kill_is_found_from_the_home_folder(train):
    with Endpoint() as endpoint:
        done = train(DEAD, fill=".", RETURN="0", after=f"ls ../tmp/*/*; fitscribe sync --to {endpoint.uri}")
    assert ".home" in done.out
    assert steps_of(endpoint) == list(range(3000))
    assert endpoint.ledger.named("disk").status == "FAILED"


def test_a_model_that_no_disk_takes_is_left_out_and_the_script_goes_on(train, tmp_path):
    pytest.importorskip("sklearn")
    script = (tmp_path / "train.py").read_text()
    model = "from sklearn.linear_model import LogisticRegression as L; import fitscribe.sklearn\n    "
    model += "fitscribe.sklearn.log_model(L().fit([[0], [1]], [0, 1]), 'model')\n    "
    (tmp_path / "train.py").write_text(script.replace("before, began", model + "before, began"))
    with Endpoint() as endpoint:
        done = train(endpoint.uri, fill=". ../tmp", steps=10)
    assert steps_of(endpoint) == list(range(10))
    assert endpoint.ledger.named("disk").tags["fitscribe.left_out"] == "model"
    assert [line for line in done.lines if "no disk takes the model (No space left on device)" in line]
