"""A regression with a learning rate that falls by a schedule, stopped when it is no longer better; the best is kept."""

import keras
import numpy as np

import fitscribe

fitscribe.autolog()

rng = np.random.default_rng(0)
keras.utils.set_random_seed(0)
x = rng.normal(size=(80, 8)).astype("float32")
y = x[:, 0] - 2 * x[:, 1] + rng.normal(size=80).astype("float32")

model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(1)])
schedule = keras.optimizers.schedules.ExponentialDecay(0.05, decay_steps=10, decay_rate=0.9)
model.compile(keras.optimizers.Adam(schedule), "mse")
stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True)
model.fit(x, y, epochs=60, batch_size=8, validation_split=0.25, callbacks=[stop], verbose=0)

run = fitscribe.last_active_run()
client = fitscribe.Client()
rates = [point.value for point in client.get_metric_history(run.info.run_id, "learning_rate")]
print({key: run.data.params[key] for key in ("monitor", "patience", "optimizer_learning_rate")})
print("the rate falls:", rates == sorted(rates, reverse=True))
print("stopped early:", run.data.metrics["stopped_epoch"] < 59)
print("restored the best:", run.data.metrics["val_loss"] == run.data.metrics["best_val_loss"])
