"""A run by hand, with the tracking API alone: no framework, no ceremony."""

import math
from pathlib import Path

import fitscribe

fitscribe.log_param("learning_rate", 0.1)  # no run is open: one starts by itself
for step in range(1000):
    fitscribe.log_metric("loss", math.exp(-step / 200), step=step)
fitscribe.set_tag("author", "me")
Path("notes.txt").write_text("the file may change the next moment")
fitscribe.log_artifact("notes.txt")
Path("notes.txt").write_text("it did")

run = fitscribe.active_run()
print("params:", run.data.params)
print("last loss:", round(run.data.metrics["loss"], 6))
history = fitscribe.MlflowClient().get_metric_history(run.info.run_id, "loss")
print("points:", len(history), "steps:", history[0].step, "to", history[-1].step)
notes = fitscribe.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="notes.txt")
print("notes:", Path(notes).read_text())
fitscribe.end_run()
