"""From three trainings to a served model: the best one is registered, loaded by its alias and asked over HTTP."""

import json
import subprocess
import sys
import urllib.request

from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

import fitscribe

fitscribe.autolog(log_input_examples=True)
X, y = load_wine(return_X_y=True, as_frame=True)
X, X_test, y, y_test = train_test_split(X, y, random_state=0)
for depth in (1, 2, 6):
    with fitscribe.start_run(run_name=f"depth {depth}"):
        forest = RandomForestClassifier(10, max_depth=depth, random_state=0).fit(X, y)
        fitscribe.log_metric("test_accuracy", (forest.predict(X_test) == y_test).mean())

fitscribe.flush(120)  # seconds that what is on its way may take; without it, a read waits for ten
[best] = fitscribe.search_runs(order_by=["metrics.test_accuracy DESC"], max_results=1, output_format="list")
version = fitscribe.register_model(f"runs:/{best.info.run_id}/model", "wine")
fitscribe.MlflowClient().set_registered_model_alias("wine", "champion", version.version)
print("registered:", version.name, version.version, "of the run", best.info.run_name)

champion = fitscribe.pyfunc.load_model("models:/wine@champion")
print("loaded:", [str(column["name"]) for column in champion.metadata.signature.inputs][:3], "...")
print("predicted:", [int(each) for each in champion.predict(X_test[:3])])

command = [sys.executable, "-m", "fitscribe", "models", "serve", "-m", "models:/wine@champion", "-p", "0"]
with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
    address = server.stdout.readline().split()[2]  # models:/wine@champion at http://127.0.0.1:.../invocations ...
    body = json.dumps({"dataframe_split": X_test[:3].to_dict(orient="split")}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    print("served:", json.load(urllib.request.urlopen(request))["predictions"])
    server.terminate()
