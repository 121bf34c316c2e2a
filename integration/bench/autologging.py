"""What autologging costs: imports, fits and searches of scikit-learn."""

from __future__ import annotations

from integration.bench.measuring import MODES, console, medians, ratio, table

__all__ = ["fits", "imports", "searches"]


def imports(uri: str, repeat: int) -> None:
    found = medians("imported", "-", uri, repeat, MODES)
    made = table("import and autolog()", "what", "mlflow ms", "fitscribe ms", "mlflow / fitscribe", "modules")
    ours, theirs = found["fitscribe"], found["mlflow"]
    made.add_row(
        "import X; X.autolog()", f"{theirs['ms']:.0f}", f"{ours['ms']:.1f}", ratio(theirs["ms"], ours["ms"]),
        f"{theirs['modules']:.0f} / {ours['modules']:.0f}",
    )  # fmt: skip
    console.print(made)


def fits(uri: str, repeat: int, title: str) -> None:
    made = table(
        f"LogisticRegression.fit, median of ten, {title}",
        "what", "none ms", "mlflow adds", "fitscribe adds", "mlflow / fitscribe", "ten fits", "mlflow", "fitscribe",
        "fitscribe delivered",
    )  # fmt: skip
    for argument in ("nomodels", "models"):
        found = medians("fits", argument, uri, repeat, MODES)
        none, theirs, ours = (found[mode] for mode in MODES)
        added = [each["ms"] - none["ms"] for each in (theirs, ours)]
        made.add_row(
            {"nomodels": "without the model", "models": "everything on"}[argument],
            f"{none['ms']:.1f}", *(f"{each:.1f} ms" for each in added), ratio(*added),
            *(f"{each['ten fits'] / 1000:.2f} s" for each in (none, theirs, ours)), f"{ours['delivered'] / 1000:.2f} s",
        )  # fmt: skip
    console.print(made)


def searches(uri: str, repeat: int, title: str) -> None:
    made = table(
        f"GridSearchCV, every candidate a child run, {title}",
        "what", "none s", "mlflow s", "fitscribe s", "fitscribe / none", "mlflow / fitscribe", "fitscribe delivered s",
    )  # fmt: skip
    for candidates in ("4", "50", "200"):
        found = medians("search", candidates, uri, repeat, MODES)
        none, theirs, ours = (found[mode]["ms"] / 1000 for mode in MODES)
        made.add_row(
            f"{candidates} candidates", f"{none:.2f}", f"{theirs:.2f}", f"{ours:.2f}", ratio(ours, none),
            ratio(theirs, ours), f"{found['fitscribe']['delivered'] / 1000:.2f}",
        )  # fmt: skip
    console.print(made)
