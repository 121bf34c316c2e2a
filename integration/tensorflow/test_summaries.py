"""What loops write with `tf.summary`: metrics and artifacts of the active run, or of one for the folder."""

from __future__ import annotations

import gc
import json
import sys
import time

import numpy
import pytest
import tensorflow as tf

import fitscribe
from fitscribe import overhead
from fitscribe.current import entered
from fitscribe.records import RunEnded
from fitscribe.run import Run


@pytest.fixture
def writer(autolog, tmp_path):
    made = tf.summary.create_file_writer(str(tmp_path / "digits"))
    yield made
    made.close()


def trained(writer, steps=5):
    """A loop over GradientTape, as in TensorFlow's tutorials."""
    weight = tf.Variable(0.0)
    for step in range(steps):
        with tf.GradientTape() as tape:
            loss = (weight - 3.0) ** 2
        weight.assign_sub(0.1 * tape.gradient(loss, weight))
        with writer.as_default():
            tf.summary.scalar("loss", loss, step=step)


def test_scalars_of_a_loop_are_metrics_of_a_run_for_its_folder(recorder, writer):
    trained(writer)
    run = recorder.run()
    assert run.name == "digits"
    assert [step for step, _ in recorder.history(run, "loss")] == [0, 1, 2, 3, 4]
    assert recorder.history(run, "loss")[0][1] == 9.0
    assert recorder.status(run) == "RUNNING"
    writer.close()
    assert recorder.status(run) == "FINISHED"


def test_in_a_users_run_they_are_told_there(recorder, writer):
    mine = Run.start("mine", by_user=True)
    with entered(mine):
        trained(writer)
    mine.end()
    writer.close()
    assert len(recorder.history(recorder.run(), "loss")) == 5


def test_one_writer_in_two_runs_of_the_user_tells_each_its_own(recorder, writer):
    for name in ("one", "two"):
        mine = Run.start(name, by_user=True)
        with entered(mine):
            trained(writer, steps=2)
        mine.end()
    assert [len(recorder.history(run, "loss")) for run in recorder.runs()] == [2, 2]


def test_train_and_test_below_one_folder_are_one_run(recorder, autolog, tmp_path):
    parts = [tf.summary.create_file_writer(str(tmp_path / "night" / part)) for part in ("train", "test")]
    for writer in parts:
        trained(writer, steps=3)
    run = recorder.run()
    assert run.name == "night"
    assert len(recorder.history(run, "train/loss")) == len(recorder.history(run, "test/loss")) == 3
    parts[0].close()
    assert recorder.status(run) == "RUNNING"
    parts[1].close()
    assert recorder.status(run) == "FINISHED"


def test_a_writer_that_is_let_go_of_ends_its_run(recorder, autolog, tmp_path):
    writer = tf.summary.create_file_writer(str(tmp_path / "gone"))
    trained(writer)
    del writer
    gc.collect()
    assert recorder.status(recorder.run()) == "FINISHED"


def test_the_run_ends_as_of_the_last_value(recorder, writer):
    trained(writer)
    last = time.time()
    time.sleep(0.3)
    writer.close()
    run = recorder.run()
    assert recorder.status(run) == "FINISHED"
    ended = next(record for record in recorder.said if isinstance(record, RunEnded))
    assert ended.at / 1000 <= last + 0.1


def test_steps_are_those_that_were_given_also_as_default_and_variable(recorder, writer):
    step = tf.Variable(7, dtype=tf.int64)
    with writer.as_default(step=step):
        tf.summary.scalar("a", 1.0)
        step.assign(9)
        tf.summary.scalar("a", 2.0)
        tf.summary.scalar("a", 3.0, step=tf.constant(11, tf.int64))
    assert recorder.history(recorder.run(), "a") == [(7, 1.0), (9, 2.0), (11, 3.0)]


def test_whole_numbers_and_half_precision_are_numbers(recorder, writer):
    with writer.as_default():
        tf.summary.scalar("a", 3, step=0)
        tf.summary.scalar("b", tf.constant(0.5, tf.bfloat16), step=0)
        tf.summary.scalar("nan", float("nan"), step=0)
        tf.summary.write("raw", 4, step=0)
    run = recorder.run()
    assert recorder.history(run, "a") == [(0, 3.0)]
    assert recorder.history(run, "b") == [(0, 0.5)]
    assert recorder.history(run, "raw") == [(0, 4.0)]
    assert len(recorder.history(run, "nan")) == 1


def test_record_if_is_obeyed(recorder, writer):
    with writer.as_default():
        for step in range(10):
            with tf.summary.record_if(step % 5 == 0):
                tf.summary.scalar("a", 1.0, step=step)
    assert [step for step, _ in recorder.history(recorder.run(), "a")] == [0, 5]


def test_in_a_traced_function_values_come_from_the_file_once_each(recorder, writer):
    """Python sees them once, when the function is traced; eager ones before and after count once as well."""

    @tf.function
    def train(x, step):
        tf.summary.scalar("x", x, step=step)
        return x

    with writer.as_default():
        tf.summary.scalar("x", 100.0, step=100)
        for step in range(20):
            train(tf.constant(float(step)), tf.constant(step, tf.int64))
        tf.summary.scalar("x", 200.0, step=200)
    writer.close()
    run = recorder.run()
    assert recorder.status(run) == "FINISHED"
    assert recorder.history(run, "x") == [(100, 100.0), *((step, float(step)) for step in range(20)), (200, 200.0)]


def test_values_of_a_traced_function_are_there_before_the_users_run_ends(recorder, writer):
    @tf.function
    def train(x, step):
        tf.summary.scalar("x", x, step=step)

    for name in ("one", "two"):
        mine = Run.start(name, by_user=True)
        with entered(mine), writer.as_default():
            for step in range(3):
                train(tf.constant(1.0), tf.constant(step, tf.int64))
        mine.end()
    one, two = recorder.runs()
    assert [step for step, _ in recorder.history(one, "x")] == [0, 1, 2]
    ours = [type(record) for record in recorder.said if record.run == one.run]
    assert ours[-1] is RunEnded
    assert [step for step, _ in recorder.history(two, "x")] == [0, 1, 2]


def test_between_two_runs_of_the_user_traced_values_go_to_the_folders_own(recorder, writer):
    @tf.function
    def train(step):
        tf.summary.scalar("x", 1.0, step=step)

    def loop(first):
        with writer.as_default():
            for step in range(first, first + 3):
                train(tf.constant(step, tf.int64))

    loop(0)
    mine = Run.start("mine", by_user=True)
    with entered(mine):
        loop(10)
    mine.end()
    loop(20)
    writer.close()
    assert recorder.status(recorder.run("digits")) == "FINISHED"
    assert [step for step, _ in recorder.history(recorder.run("digits"), "x")] == [0, 1, 2, 20, 21, 22]
    assert [step for step, _ in recorder.history(recorder.run("mine"), "x")] == [10, 11, 12]


def test_a_traced_function_is_followed_while_it_runs(recorder, writer):
    @tf.function
    def train(step):
        tf.summary.scalar("x", 1.0, step=step)

    with writer.as_default():
        train(tf.constant(0, tf.int64))
        deadline = time.monotonic() + 10
        while not recorder.history(recorder.run(), "x") and time.monotonic() < deadline:
            time.sleep(0.05)
    assert recorder.history(recorder.run(), "x") == [(0, 1.0)]


def test_images_texts_sounds_and_histograms_are_artifacts(recorder, writer):
    with writer.as_default():
        tf.summary.image("faces", numpy.zeros((2, 4, 4, 3)), step=3, max_outputs=2)
        tf.summary.text("config", "lr = 0.1", step=0)
        tf.summary.text("table", [["a", "b"], ["1", "2"]], step=0)
        tf.summary.audio("voice", tf.zeros([1, 100, 1]), 8000, step=1)
        for step in range(5):
            tf.summary.histogram("layer/weights", tf.constant([0.0, 1.0, 1.0]), step=step, buckets=2)
    writer.close()
    run = recorder.run()
    assert recorder.status(run) == "FINISHED"
    files = recorder.artifacts(run)
    faces = [path for path in files if path.startswith("images/faces#0%step%3%timestamp%") and path.endswith(".png")]
    assert len(faces) == 1
    assert files[faces[0]].startswith(b"\x89PNG")
    assert files["texts/config/step_0.txt"] == b"lr = 0.1\n"
    assert files["texts/table/step_0.txt"] == b"a | b\n1 | 2\n"
    assert files["audio/voice/step_1.wav"].startswith(b"RIFF")
    rows = json.loads(files["histograms/layer/weights.json"])
    assert [row["step"] for row in rows] == [0, 1, 2, 3, 4]
    assert rows[0]["buckets"] == [[0.0, 0.5, 1.0], [0.5, 1.0, 2.0]]


def test_a_tag_leads_out_of_no_folder(recorder, writer):
    with writer.as_default():
        tf.summary.write("../../etc/passwd", "x", step=0)
    run = recorder.run()
    writer.close()
    assert recorder.status(run) == "FINISHED"
    assert list(recorder.artifacts(run)) == ["texts/etc/passwd/step_0.txt"]


def test_a_loop_without_summaries_records_nothing(recorder, autolog):
    weight = tf.Variable(0.0)
    with tf.GradientTape() as tape:
        loss = weight**2
    tape.gradient(loss, weight)
    assert recorder.runs() == []


def test_without_a_writer_a_summary_records_nothing(recorder, autolog):
    tf.summary.scalar("loss", 1.0, step=0)
    assert recorder.runs() == []


def test_without_tensorboard_the_error_stays_the_users(recorder, writer, monkeypatch):
    """A program that runs only while it is watched would be worse; `tf.summary.write` needs no TensorBoard."""
    for name in [name for name in sys.modules if name.split(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with writer.as_default():
        with pytest.raises(Exception, match="TensorBoard is not installed"):
            tf.summary.scalar("loss", 1.0, step=0)
        tf.summary.write("loss", 2.0, step=1)
    assert recorder.history(recorder.run(), "loss") == [(1, 2.0)]


def test_a_step_that_is_missing_is_the_users_error(recorder, writer):
    with writer.as_default(), pytest.raises(ValueError, match="No step set"):
        tf.summary.scalar("loss", 1.0)


def test_log_summaries_false_records_none(recorder, writer, autolog):
    autolog(log_summaries=False)
    trained(writer)
    assert recorder.runs() == []


def test_a_writer_from_before_autolog_is_heard(recorder, tmp_path):
    writer = tf.summary.create_file_writer(str(tmp_path / "early"))
    fitscribe.tensorflow.autolog()
    trained(writer, steps=2)
    assert len(recorder.history(recorder.run(), "loss")) == 2
    writer.close()
    assert recorder.status(recorder.run()) == "FINISHED"
    fitscribe.tensorflow.autolog(disable=True)


def test_two_writers_to_one_folder_are_one_run(recorder, autolog, tmp_path):
    writers = [tf.summary.create_file_writer(str(tmp_path / "same")) for _ in range(2)]
    for writer in writers:
        trained(writer, steps=2)
    for writer in writers:
        writer.close()
    assert len(recorder.history(recorder.run(), "loss")) == 4


def test_another_rank_records_nothing(recorder, writer, monkeypatch):
    config = {"cluster": {"worker": ["localhost:1", "localhost:2"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    trained(writer)
    assert recorder.runs() == []


def test_a_loop_costs_the_training_thread_microseconds(recorder, autolog, tmp_path):
    """Hundreds of microseconds is what `tf.summary.scalar` costs by itself."""
    writer = tf.summary.create_file_writer(str(tmp_path / "fast"))
    lost = []
    with writer.as_default():
        for step in range(300):
            before = overhead.spent()
            tf.summary.scalar("loss", 0.5, step=step)
            lost.append(overhead.spent() - before)
    writer.close()
    assert min(lost) < 0.1  # milliseconds; the recorder of the test is most of it
