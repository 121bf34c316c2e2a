"""A network that sorts short texts, as word counts, into topics; by hand, what it confuses, in the same run."""

import keras
import numpy as np

import fitscribe

fitscribe.autolog()

WORDS, TOPICS = 200, 6
rng = np.random.default_rng(0)
keras.utils.set_random_seed(0)
topics = rng.dirichlet(np.full(WORDS, 0.1), TOPICS)  # how often each topic uses each word
labels = rng.integers(TOPICS, size=1200)
texts = np.stack([rng.multinomial(40, topics[label]) for label in labels]).astype("float32")
train, test = slice(1000), slice(1000, None)

model = keras.Sequential(
    [
        keras.Input((WORDS,)),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(TOPICS, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

with fitscribe.start_run(run_name="topics of texts"):
    model.fit(texts[train], labels[train], epochs=5, batch_size=32, validation_split=0.1, verbose=0)
    model.evaluate(texts[test], labels[test], verbose=0)
    guessed = np.argmax(model.predict(texts[test], verbose=0), axis=1)
    confused = np.zeros((TOPICS, TOPICS), int)
    np.add.at(confused, (labels[test], guessed), 1)
    fitscribe.log_text("\n".join(map(str, confused.tolist())), "confused.txt")

run = fitscribe.last_active_run()
print({key: run.data.params[key] for key in ("epochs", "batch_size", "loss_function", "total_params")})
print("epochs:", [point.step for point in fitscribe.Client().get_metric_history(run.info.run_id, "val_accuracy")])
print("good on new texts:", run.data.metrics["validation_accuracy"] > 0.8)
print([each.path for each in fitscribe.artifacts.list_artifacts(run_id=run.info.run_id)])
