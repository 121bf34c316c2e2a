"""Two ways around `fit`: a loop over batches of one's own, and a model that says what `fit` shall report."""

import keras
import numpy as np

import fitscribe

fitscribe.autolog()

rng = np.random.default_rng(0)
keras.utils.set_random_seed(0)
x = rng.normal(size=(256, 4)).astype("float32")
y = x.sum(axis=1, keepdims=True)


def made():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.05), "mse", metrics=["mae"])
    return model


model = made()
with fitscribe.start_run(run_name="a loop of my own"):
    for _ in range(20):
        rows = rng.integers(len(x), size=32)
        model.train_on_batch(x[rows], y[rows])
    model.evaluate(x, y, verbose=0)
loop = fitscribe.last_active_run()


class Penalized(keras.Model):
    """A model whose loss is its own: the error, and what large weights cost."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.cost = keras.metrics.Mean(name="cost_of_weights")

    def call(self, x):
        return self.dense(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        cost = 0.01 * keras.ops.sum(keras.ops.square(self.dense.kernel))
        self.cost.update_state(cost)
        return keras.ops.mean(keras.ops.square(y_pred - y)) + cost


penalized = Penalized()
penalized.compile("sgd")
penalized.fit(x, y, epochs=3, verbose=0)
fit = fitscribe.last_active_run()

history = fitscribe.Client().get_metric_history
steps = [point.step for point in history(loop.info.run_id, "loss")]
print("steps:", steps[0], "to", steps[-1], sorted(set(loop.data.metrics) & {"loss", "mae", "validation_loss"}))
print("epochs:", [point.step for point in history(fit.info.run_id, "cost_of_weights")])
