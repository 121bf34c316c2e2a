"""A linear regression, recorded by one line, and read back: params, metrics, tags and artifacts."""

import numpy as np
from sklearn.linear_model import LinearRegression

import fitscribe

fitscribe.autolog()

X = np.array([[1, 1], [1, 2], [2, 2], [2, 3]])
y = np.dot(X, np.array([1, 2])) + 3

with fitscribe.start_run(run_name="linear regression") as run:
    LinearRegression().fit(X, y)
    fitscribe.log_text("y = 1 * x0 + 2 * x1 + 3", "truth.txt")  # by hand, beside what is recorded by itself

found = fitscribe.get_run(run.info.run_id)
for name in ("params", "metrics", "tags"):
    print(f"{name}:")
    for key, value in sorted(getattr(found.data, name).items()):
        print(f"  {key} = {value}")
print("artifacts:")
for file in fitscribe.MlflowClient().list_artifacts(run.info.run_id):
    print(f"  {file.path}{'/' if file.is_dir else ''}")
