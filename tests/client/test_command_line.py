"""The command line: what it prints, and how it ends."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

import fitscribe
from fitscribe import delivery, discovery
from fitscribe.cli import main
from fitscribe.cli.tables import artifact_tree, duration, number, runs_table, size
from fitscribe.entities import FileInfo, Run, RunData, RunInfo
from fitscribe.transport import Answer

START = 1_700_000_000_000
MOMENT = f"{datetime.fromtimestamp(START / 1000):%Y-%m-%d %H:%M:%S}"
IDS = ["a" * 32, "b" * 32, "c" * 32]


def shown(renderable: Any, width: int = 120) -> list[str]:
    console = Console(width=width, file=io.StringIO())
    console.print(renderable)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def run(index: int, metrics: dict[str, float], params: dict[str, str], **info: Any) -> Run:
    about = {"status": "FINISHED", "start_time": START, "end_time": START + 90_000, "run_name": f"run {index}"}
    return Run(RunInfo(IDS[index], "1", **{**about, **info}), RunData(metrics, params))


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.replace("┃", "│").strip("│").split("│")]


def test_a_table_of_runs():
    runs = [run(0, {"acc": 0.912345}, {"C": "1", "kernel": "rbf"}), run(1, {"acc": 0.8}, {"C": "2", "kernel": "rbf"})]
    lines = shown(runs_table(runs, width=120))
    assert [cells(lines[i]) for i in (1, 3, 4)] == [
        ["run", "id", "status", "start", "duration", "acc", "C", "kernel"],
        ["run 0", "aaaaaaaa", "finished", MOMENT, "1 min 30 s", "0.91234", "1", "rbf"],
        ["run 1", "bbbbbbbb", "finished", MOMENT, "1 min 30 s", "0.8", "2", "rbf"],
    ]


def test_a_narrow_terminal_shows_what_tells_runs_apart():
    same = {f"same_{i}": "x" for i in range(5)}
    runs = [run(i, {"acc": i / 10}, {**same, "depth": str(i)}) for i in range(2)]
    lines = shown(runs_table(runs, width=83), 83)
    assert cells(lines[1])[:6] == ["run", "id", "status", "duration", "acc", "depth"]
    assert max(map(len, lines)) <= 83


def test_runs_that_lack_something_have_an_empty_cell_and_brackets_are_text():
    runs = [run(0, {"acc": 1.0}, {"layers": "[bold]64[/bold]"}), run(1, {}, {}, run_name="[red]x")]
    lines = shown(runs_table(runs, width=120))
    assert [cells(lines[i])[:1] + cells(lines[i])[5:] for i in (3, 4)] == [
        ["run 0", "1", "[bold]64[/bold]"],
        ["[red]x", "", ""],
    ]


def test_no_runs_are_an_empty_table():
    assert cells(shown(runs_table([], width=80))[1]) == ["run", "id", "status", "start", "duration"]


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0.0 s"),
        (9_900, "9.9 s"),
        (59_000, "59 s"),
        (61_000, "1 min 1 s"),
        (7_260_000, "2 h 1 min"),
        (2.5 * 86.4e6, "2.5 days"),
    ],
)
def test_durations(milliseconds, words):
    assert duration(START, START + int(milliseconds)) == words


def test_a_run_under_way_has_no_end():
    assert duration(START, None).endswith("days …")


def test_sizes_and_numbers():
    assert [size(n) for n in (0, 999, 1000, 123_456, 5_000_000_000)] == ["0 B", "999 B", "1.0 kB", "123 kB", "5.0 GB"]
    assert [number(x) for x in (1.0, 0.123456789, 1e-9, float("nan"))] == ["1", "0.12346", "1e-09", "nan"]


def test_a_tree_of_artifacts():
    files = {
        "": [FileInfo("model", True), FileInfo("plot.png", False, 2000)],
        "model": [FileInfo("model/MLmodel", False, 5)],
    }
    assert shown(artifact_tree(files.__getitem__)) == [
        "artifacts",
        "├── model/",
        "│   └── MLmodel  5 B",
        "└── plot.png  2.0 kB",
    ]
    assert shown(artifact_tree(lambda path: [])) == ["artifacts", "└── none"]
    many = [FileInfo(f"f{i}", False, 1) for i in range(5)]
    assert shown(artifact_tree(lambda path: many, most=2)) == [
        "artifacts",
        "├── f0  1 B",
        "├── f1  1 B",
        "└── … and more",
    ]


class Tracking:
    """A server of two experiments: a search with its two candidates, and a run of its own."""

    def __init__(self, knows_null: bool = True) -> None:
        self.knows_null, self.filters = knows_null, []

    def send(self, method: str, path: str, body: Any = None) -> Answer:
        answer: Any = getattr(self, path.rpartition("mlflow/")[2].replace("/", "_").replace("-", "_"))(body)
        return answer if isinstance(answer, Answer) else Answer(200, answer)

    def experiments_search(self, body: Any) -> Any:
        return {"experiments": [{"experiment_id": "1", "name": "one"}]}

    def experiments_get_by_name(self, body: Any) -> Any:
        return Answer(404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"})

    def runs_search(self, body: Any) -> Any:
        words = body.get("filter", "")
        self.filters.append(words)
        if "IS NULL" in words and not self.knows_null:
            return Answer(400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "Invalid comparator 'IS'"})
        if "!!" in words:
            return Answer(400, {"error_code": "INVALID_PARAMETER_VALUE", "message": f"{words}\n  ^ here"})
        if "IS NULL" in words or "LIKE 'aaa%'" in words:
            return {"runs": [self.one(0)]}
        return {"runs": [self.one(1, IDS[0])] if "parentRunId" in words else [self.one(0), self.one(1, IDS[0])]}

    def one(self, index: int, parent: str = "") -> dict[str, Any]:
        info = {"run_id": IDS[index], "experiment_id": "1", "run_name": f"run {index}", "status": "FINISHED"}
        times = {"start_time": START, "end_time": START + 1000, "artifact_uri": "s3://bucket/1"}
        metrics = [{"key": "acc", "value": 0.5}, {"key": "bad", "value": "NaN"}]
        tags = [{"key": "mlflow.parentRunId", "value": parent}] if parent else []
        return {
            "info": info | times,
            "data": {"metrics": metrics, "params": [{"key": "C", "value": "1"}], "tags": tags},
        }

    def runs_get(self, body: Any) -> Any:
        return {"run": self.one(0)}

    def close(self) -> None:
        return None


@pytest.fixture
def tracking(monkeypatch: pytest.MonkeyPatch) -> Tracking:
    there = Tracking()
    monkeypatch.setattr("fitscribe.reading.endpoint.open_transport", lambda uri: there)
    monkeypatch.setenv("COLUMNS", "120")
    return there


def call(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def test_runs_are_listed_without_their_children(tracking):
    result = call("runs", "--uri", "http://tracking.test")
    assert result.exit_code == 0
    assert [cells(line)[0] for line in result.output.splitlines() if "│" in line] == ["run 0"]
    assert tracking.filters == ["tags.mlflow.parentRunId IS NULL"]


def test_a_server_that_knows_no_null_gives_the_same_list(tracking):
    tracking.knows_null = False
    result = call("runs", "--uri", "http://tracking.test", "--json")
    assert [one["info"]["run_name"] for one in json.loads(result.output)] == ["run 0"]


def test_the_children_of_a_run_by_the_beginning_of_its_id(tracking):
    result = call("runs", "--uri", "http://tracking.test", "--children", "aaa", "--filter", "metrics.acc > 0", "--json")
    assert json.loads(result.output)[0]["data"] == {
        "metrics": {"acc": 0.5, "bad": "nan"},
        "params": {"C": "1"},
        "tags": {"mlflow.parentRunId": IDS[0]},
    }
    assert tracking.filters == [
        "attributes.run_id LIKE 'aaa%'",
        f"tags.mlflow.parentRunId = '{IDS[0]}' AND metrics.acc > 0",
    ]


def test_a_filter_that_is_wrong_is_shown_as_the_server_says_it(tracking):
    result = call("runs", "--uri", "http://tracking.test", "--filter", "a !! b")
    assert (result.exit_code, result.output) == (1, "Error: a !! b\n  ^ here\n")


def test_an_experiment_that_is_not_there(tracking):
    result = call("runs", "--uri", "http://tracking.test", "--experiment", "two")
    assert (result.exit_code, result.output) == (1, "Error: there is no experiment 'two' at http://tracking.test\n")


def test_one_run_with_all_it_has(tracking):
    result = call("runs", "show", "aaa", "--uri", "http://tracking.test")
    assert result.exit_code == 0
    lines = [line.rstrip() for line in result.output.splitlines()]
    assert lines[:4] == ["run 0", IDS[0], "experiment 1", "finished after 1.0 s"]
    assert [cells(line) for line in lines if line.startswith("│")] == [
        ["C", "1"],
        ["acc", "0.5"],
        ["bad", "nan"],
        ["↳ run 1", "bbbbbbbb", "finished", MOMENT, "1.0 s", "0.5", "1", "nan"],
    ]
    assert "nested runs: 1" in lines
    assert any("s3:" in line for line in lines)


def test_an_empty_folder_stays_empty():
    result = call("runs")
    assert (result.exit_code, result.output) == (0, f"no runs at {Path.cwd().joinpath('.fitscribe').as_uri()} yet\n")
    result = call("runs", "show", "aaa")
    assert (result.exit_code, result.output) == (
        1,
        f"Error: no runs at {Path.cwd().joinpath('.fitscribe').as_uri()} yet\n",
    )
    assert list(Path.cwd().iterdir()) == []


def test_the_doctor_says_what_is_in_place(tracking):
    journal = Path(".fitscribe/journal")
    journal.mkdir(parents=True)
    (journal / "host-1-a.journal").write_bytes(b"x" * 2000)
    result = call("doctor", "--uri", "http://kim:secret@tracking.test")
    assert result.exit_code == 0
    for words in (
        *("http://tracking.test", "answers in", "may be written to", "1 not fully sent (2.0 kB)"),
        *("host-1: its process is gone, cannot be read", "`fitscribe sync` sends what is left", " free"),
    ):
        assert words in result.output
    assert "secret" not in result.output


def test_the_doctor_ends_with_1_when_nobody_answers():
    result = call("doctor", "--uri", "http://127.0.0.1:1")
    assert result.exit_code == 1
    assert "not usable" in result.output
    assert "nothing waits to be sent" in result.output


def test_help_and_version_import_nothing_heavy():
    code = (
        "import sys; from click.testing import CliRunner; from fitscribe.cli import main;"
        "print([CliRunner().invoke(main, [word]).exit_code for word in ('--help', '--version')]);"
        "print(sorted({'rich', 'requests', 'sqlalchemy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[0, 0]", "[]"]


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "fitscribe", "nonsense"], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "No such command 'nonsense'" in done.stderr


def test_of_a_candidate_the_table_shows_the_mean_and_not_its_last_split(tmp_path):
    fitscribe.set_tracking_uri(tmp_path / "store")
    for place in range(2):
        with fitscribe.start_run(run_name=f"candidate {place}"):
            fitscribe.log_metrics({"test_score": 0.1 + place}, step=2)
            fitscribe.log_metrics({"mean_test_score": 0.5 + place})
    delivery.forget()
    output = CliRunner(env={"COLUMNS": "60"}).invoke(main, ["runs", "--uri", str(tmp_path / "store")]).output
    assert "mean_test_score" in output
    assert " test_score" not in output.replace("mean_test_score", "")


@pytest.fixture
def plugins(tmp_path):
    """Integrations of other packages on the path: one in use, and others that are not, each for its reason."""
    good = "from fitscribe import Integration\nintegration = Integration({0!r}, requires={1!r}, tested={2!r})\n"
    modules = {
        "zz_good": 'print("hello")\n' + good.format("zz_good", "pytest>=2", "<3"),
        "zz_old": good.format("zz_old", "pytest>=999", ""),
        "zz_absent": good.format("zz_absent", "zz-absent>=1", ""),
        "zz_broken": "raise ImportError('no luck')",
    }
    for name, content in modules.items():
        (tmp_path / f"{name}_scribe.py").write_text(content)
        names = [name, "zz_other"] if name == "zz_good" else [name]
        for package in names:
            info = tmp_path / f"{package}_scribe-1.2.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}-scribe\nVersion: 1.2\n")
            (info / "entry_points.txt").write_text(f"[fitscribe.integrations]\n{name} = {name}_scribe:integration\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        for name, value in {"_entries": None, "_loaded": {}, "_broken": set()}.items():
            patch.setattr(discovery, name, value)
        yield
    for name in modules:
        sys.modules.pop(f"{name}_scribe", None)


def test_the_integrations_are_listed_with_why_they_are_off(plugins):
    result = call("integrations")
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert any(line.startswith(f"zz_good pytest {pytest.__version__} >=2 <3 on zz") for line in lines)
    assert any(line.startswith("zz_good - shadowed zz") for line in lines)
    assert f"zz_good: it was tested with <3 and this is {pytest.__version__}" in lines
    assert "zz_good: zz_good = zz_good_scribe:integration (zz_good-scribe 1.2) is used" in lines
    assert any(line.startswith("zz_old pytest") and "wrong version" in line for line in lines)
    assert "zz_absent: zz_absent: zz-absent is not installed" in lines
    assert any(line.startswith("zz_broken: the integration zz_broken = zz_broken_scribe") for line in lines)
    assert any(line.startswith("sklearn ") and line.endswith("fitscribe") for line in lines)
    assert max(map(len, result.stdout.splitlines()[:10])) <= 80


def test_the_integrations_as_json_are_only_that_whatever_a_plugin_prints(plugins):
    result = call("integrations", "--json")
    found = {(each["name"], each["package"]): each for each in json.loads(result.stdout)}
    good = found["zz_good", "zz_good-scribe"]
    assert (good["state"], good["framework"], good["found"]) == ("on", "pytest", pytest.__version__)
    assert good["options"]["silent"] == "False"
    states = {each["state"] for each in found.values() if each["name"].startswith("zz_")}
    assert states == {"on", "shadowed", "wrong version", "not installed", "broken"}


def test_listing_integrations_imports_no_framework():
    code = (
        "import sys; from fitscribe.cli import main; main(['integrations', '--json'], standalone_mode=False);"
        "print(sorted({'sklearn', 'xgboost', 'torch', 'keras', 'pandas', 'numpy'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == ["[]"]
    assert {each["name"] for each in json.loads(done.stdout)} >= {"sklearn", "keras", "torch"}


def test_the_doctor_says_which_integrations_are_off_and_why(tracking, plugins):
    result = call("doctor", "--uri", "http://tracking.test")
    words = " ".join(result.output.split())
    assert f"zz_good {pytest.__version__}" in words
    assert "zz_old is off: zz_old: found pytest" in words
    assert "zz_broken is off: the integration zz_broken = " in words
    assert "not installed:" in words
    assert "zz_absent" in words


@pytest.mark.parametrize(
    ("uri", "variables", "words"),
    [
        ("http://kim:secret@tracking.test", {}, "Basic from the tracking URI"),
        ("http://tracking.test", {"MLFLOW_TRACKING_TOKEN": "secret"}, "Bearer from MLFLOW_TRACKING_TOKEN"),
        (
            "http://tracking.test",
            {"MLFLOW_TRACKING_USERNAME": "kim", "MLFLOW_TRACKING_PASSWORD": "secret"},
            "Basic from MLFLOW_TRACKING_USERNAME and _PASSWORD",
        ),
        (
            "http://tracking.test",
            {"MLFLOW_WORKSPACE": "secret"},
            "no credentials; also the headers X-MLFLOW-WORKSPACE",
        ),
        ("http://tracking.test", {"MLFLOW_TRACKING_TOKEN": "se\ncret"}, "NOT usable: http://tracking.test: the token"),
        ("", {}, "credentials none needed"),
    ],
)
def test_the_doctor_says_what_kind_of_credentials_are_sent_and_never_what_they_are(
    tracking, monkeypatch, tmp_path, uri, variables, words
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = call("doctor", *(["--uri", uri] if uri else []))
    assert words in " ".join(result.output.split())
    assert "secret" not in result.output
    assert "cret" not in result.output.replace("secret", "")


def test_the_doctor_knows_the_credentials_of_netrc(tracking, monkeypatch, tmp_path):
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("machine tracking.test login kim password secret\n")
    result = call("doctor", "--uri", "http://tracking.test")
    assert "Basic from ~/.netrc" in result.output
    assert "secret" not in result.output
