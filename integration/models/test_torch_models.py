"""PyTorch modules, LightningModules, state dicts and checkpoints by all roads, and what users do to them."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import fitscribe
from fitscribe import delivery
from fitscribe.errors import MisuseError, NotFoundError, UntrustedModel

torch = pytest.importorskip("torch", reason="the frameworks are installed where everything is tested")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")


class Net(torch.nn.Module):
    def __init__(self, outputs=3):
        super().__init__()
        self.hidden, self.drop = torch.nn.Linear(4, 8), torch.nn.Dropout(0.5)
        self.norm, self.last = torch.nn.BatchNorm1d(8), torch.nn.Linear(8, outputs)

    def forward(self, x, scale=1.0):
        return self.last(self.drop(self.norm(torch.relu(self.hidden(x))))) * scale


def answer(net):
    net.eval()
    with torch.no_grad():
        return net(torch.tensor(X)).numpy()


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    delivery.forget()
    monkeypatch.chdir(tmp_path)
    yield
    delivery.forget()


def test_model_of_a_run_is_loaded_by_its_uri(net):
    with fitscribe.start_run():
        logged = fitscribe.pytorch.log_model(net, name="net", input_example=X)
    loaded = fitscribe.pytorch.load_model(logged.model_uri)
    assert not loaded.training
    np.testing.assert_array_equal(answer(loaded), answer(net))
    asked = fitscribe.pyfunc.load_model(logged.model_uri)
    np.testing.assert_allclose(asked.predict(X), answer(net), rtol=1e-6)
    assert logged.signature.outputs == [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}]


@pytest.mark.parametrize("form", ["pickle", "pt2", "safetensors"])
def test_writing_a_model_in_training_leaves_it_in_training_and_answers_as_at_rest(net, tmp_path, form):
    net.train()
    net.drop.eval()  # as who freezes a part does
    norm = net.norm.running_mean.clone()
    fitscribe.pytorch.save_model(net, tmp_path / "m", input_example=X[:1], serialization_format=form)
    assert [part.training for part in net.modules()] == [True, True, False, True, True]
    assert torch.equal(net.norm.running_mean, norm)
    loaded = fitscribe.pytorch.load_model(tmp_path / "m", **({"model": Net} if form == "safetensors" else {}))
    with torch.no_grad():
        np.testing.assert_allclose(loaded(torch.tensor(X)).numpy(), answer(net), rtol=1e-5, atol=1e-6)


def test_model_compiled_or_data_parallel_is_written_as_what_it_is_made_of(net, tmp_path):
    for number, around in enumerate([torch.compile(net), torch.nn.DataParallel(net)]):
        fitscribe.pytorch.save_model(around, tmp_path / str(number))
        loaded = fitscribe.pytorch.load_model(tmp_path / str(number))
        assert type(loaded).__name__ == "Net"
        np.testing.assert_array_equal(answer(loaded), answer(net))


def test_weights_alone_need_no_trust_and_a_class_or_a_module(net, tmp_path):
    net = Net(5)
    net.tied = net.last
    fitscribe.pytorch.save_model(net, tmp_path / "m", serialization_format="safetensors")
    assert "python_function" not in yaml.safe_load((tmp_path / "m" / "MLmodel").read_text())["flavors"]
    with pytest.raises(MisuseError, match=r"weights alone; give model= an instance of .*Net"):
        fitscribe.pytorch.load_model(tmp_path / "m")
    mine = Net(5)
    mine.tied = mine.last
    assert fitscribe.pytorch.load_model(tmp_path / "m", model=mine) is mine
    np.testing.assert_array_equal(answer(mine), answer(net))
    with pytest.raises(MisuseError, match=r"are not of this Net: .*size mismatch"):
        fitscribe.pytorch.load_model(tmp_path / "m", model=Net, model_kwargs={"outputs": 2})
    text = (tmp_path / "m" / "MLmodel").read_text()
    (tmp_path / "m" / "MLmodel").write_text("\n".join(line for line in text.splitlines() if "value:" not in line))
    assert fitscribe.pytorch.load_model(tmp_path / "m", model=mine) is mine


def test_a_pickle_of_somebody_else_is_refused_until_its_classes_are_named(tmp_path):
    """`weights_only` is tried first: a class that the user named to PyTorch loads without `trust`."""
    model = torch.nn.Linear(4, 3)
    fitscribe.pytorch.save_model(model, tmp_path / "m")
    content = yaml.safe_load((tmp_path / "m" / "MLmodel").read_text())
    content.pop("fitscribe_signature")
    (tmp_path / "m" / "MLmodel").write_text(yaml.safe_dump(content))
    with pytest.raises(UntrustedModel, match=r"data/model\.pth"):
        fitscribe.pytorch.load_model(tmp_path / "m")
    known = [torch.nn.Linear, torch._utils._rebuild_parameter, set, getattr]
    with torch.serialization.safe_globals(known[:3]):
        loaded = fitscribe.pytorch.load_model(tmp_path / "m")
    assert torch.equal(loaded.weight, model.weight)


def test_a_model_that_cannot_be_pickled_says_what(net, tmp_path):
    net.lock = threading.Lock()
    with pytest.raises(MisuseError, match=r"this Net cannot be pickled: cannot pickle '_thread\.lock'"):
        fitscribe.pytorch.save_model(net, tmp_path / "m")
    assert not list((tmp_path / "m").iterdir())
    with pytest.raises(MisuseError, match=r"a dict is no torch\.nn\.Module"):
        fitscribe.pytorch.save_model({}, tmp_path / "n")
    with pytest.raises(MisuseError, match="needs input_example"):
        fitscribe.pytorch.save_model(net, tmp_path / "o", serialization_format="pt2")
    with pytest.raises(MisuseError, match="use one of pickle, pt2, safetensors"):
        fitscribe.pytorch.save_model(net, tmp_path / "o", serialization_format="onnx")

    class Branching(torch.nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(MisuseError, match="this Branching cannot be exported: "):
        fitscribe.pytorch.save_model(Branching(), tmp_path / "p", serialization_format="pt2", input_example=X)


def test_a_full_disk_is_an_error_of_the_disk(net, tmp_path, monkeypatch):
    class Full(io.FileIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    def opened(self, mode):
        return Full(self, mode)

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(OSError, match="No space left"):
        fitscribe.pytorch.save_model(net, tmp_path / "m")


def test_model_larger_than_the_limit_is_refused_before_it_is_written(net, tmp_path):
    from fitscribe.models import pytorch

    with pytest.raises(MisuseError, match=r"larger than 0\.0001 MB"):
        pytorch.write(net, tmp_path, limit=100)
    assert not list(tmp_path.iterdir())


def test_exported_program_takes_any_number_of_rows_and_one_input(net, tmp_path):
    """MLflow's, traced with one row, took one row only; and it kept dropping out what is dropped in training."""
    net.train()
    fitscribe.pytorch.save_model(net, tmp_path / "m", serialization_format="pt2", input_example=torch.tensor(X[:1]))
    model = fitscribe.pyfunc.load_model(tmp_path / "m")
    for rows in (X, X[:1], X[:0]):
        assert model.predict(rows).shape == (len(rows), 3)
    np.testing.assert_array_equal(model.predict(X), model.predict(X))


def test_exported_program_of_two_inputs(tmp_path):
    class Sum(torch.nn.Module):
        def forward(self, left, right):
            return left + right

    example = (torch.ones(2, 4), torch.ones(2, 4))
    fitscribe.pytorch.save_model(Sum(), tmp_path / "m", export_model=True, input_example=example)
    loaded = fitscribe.pytorch.load_model(tmp_path / "m")
    assert torch.equal(loaded(torch.ones(5, 4), torch.ones(5, 4)), torch.full((5, 4), 2.0))
    with pytest.raises(MisuseError, match="has no python_function"):
        fitscribe.pyfunc.load_model(tmp_path / "m")


def test_pyfunc_answers_frames_with_frames_and_passes_params_on(net, tmp_path):
    fitscribe.pytorch.save_model(net, tmp_path / "m")
    model = fitscribe.pyfunc.load_model(tmp_path / "m")
    frame = pd.DataFrame(X, index=list("uvwxyz"))
    made = model.predict(frame)
    assert list(made.index) == list("uvwxyz")
    np.testing.assert_allclose(made.to_numpy(), answer(net), rtol=1e-6)
    backwards = X[::-1]
    backwards.flags.writeable = False
    np.testing.assert_allclose(model.predict(backwards), answer(net)[::-1], rtol=1e-6)
    with pytest.raises(MisuseError, match="a DataFrame, an array or a tensor, not a list"):
        model.predict(X.tolist())
    half = torch.nn.Linear(4, 2).to(torch.bfloat16)
    fitscribe.pytorch.save_model(half, tmp_path / "half")
    assert fitscribe.pyfunc.load_model(tmp_path / "half").predict(torch.tensor(X).bfloat16()).dtype == np.float32


def test_files_of_the_user_go_with_the_model(net, tmp_path):
    (tmp_path / "words.txt").write_text("a b")
    fitscribe.pytorch.save_model(net, tmp_path / "m", extra_files=[tmp_path / "words.txt"])
    conf = yaml.safe_load((tmp_path / "m" / "MLmodel").read_text())["flavors"]["pytorch"]
    assert (tmp_path / "m" / conf["extra_files"][0]["path"]).read_text() == "a b"
    with pytest.raises(FileNotFoundError, match=r"none\.txt"):
        fitscribe.pytorch.save_model(net, tmp_path / "n", extra_files=["none.txt"])


def test_requirements_are_those_of_the_model(net, tmp_path):
    import lightning  # noqa: F401  imported, and no part of it

    fitscribe.pytorch.save_model(net, tmp_path / "m")
    names = [line.split("==")[0] for line in (tmp_path / "m" / "requirements.txt").read_text().splitlines()]
    assert names == ["mlflow", "cloudpickle", "numpy", "torch"]
    assert "+" not in (tmp_path / "m" / "requirements.txt").read_text()


def test_module_of_a_script_loads_in_a_process_that_never_saw_the_script(tmp_path):
    script = "\n".join(
        [
            "import torch, fitscribe",
            "class Own(torch.nn.Linear): pass",
            "fitscribe.pytorch.save_model(Own(4, 2), 'm')",
        ]
    )
    (tmp_path / "train.py").write_text(script)
    subprocess.run([sys.executable, "train.py"], cwd=tmp_path, check=True)
    code = "import fitscribe; print(type(fitscribe.pytorch.load_model('m')).__name__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "Own"


def test_state_dict_of_a_run_is_read_without_trust(net):
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.tensor(X)).sum().backward()
    optimizer.step()
    state = {"model": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    with fitscribe.start_run() as run:
        fitscribe.pytorch.log_state_dict(state, "checkpoint")
        fitscribe.pytorch.log_state_dict(net.state_dict(), "weights", serialization_format="safetensors")
    delivery.the_delivery().flush(60)
    found = fitscribe.pytorch.load_state_dict(f"runs:/{run.info.run_id}/checkpoint")
    assert found["epoch"] == 3
    assert torch.equal(found["model"]["last.weight"], net.last.weight)
    assert torch.equal(found["optimizer"]["state"][0]["exp_avg"], optimizer.state_dict()["state"][0]["exp_avg"])
    weights = fitscribe.pytorch.load_state_dict(f"runs:/{run.info.run_id}/weights")
    assert torch.equal(weights["last.weight"], net.last.weight)
    fitscribe.pytorch.save_state_dict({"x": net}, "odd")
    with pytest.raises(UntrustedModel, match=r"state_dict\.pth"):
        fitscribe.pytorch.load_state_dict("odd")
    assert isinstance(fitscribe.pytorch.load_state_dict("odd", trust=True)["x"], Net)
    with pytest.raises(MisuseError, match="a state dict is a dict, not a Net"):
        fitscribe.pytorch.save_state_dict(net, "none")
    Path("empty").mkdir()
    with pytest.raises(NotFoundError, match="no state dict in"):
        fitscribe.pytorch.load_state_dict("empty")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A LightningModule after a training, its trainer, and a checkpoint of it."""
    lightning = pytest.importorskip("lightning", reason="the frameworks are installed where everything is tested")

    class Module(lightning.LightningModule):
        def __init__(self, width=8):
            super().__init__()
            self.save_hyperparameters()
            self.net = torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.Dropout(0.5), torch.nn.Linear(width, 1))

        def forward(self, x):
            return self.net(x)

        def training_step(self, batch, number):
            return torch.nn.functional.mse_loss(self(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters())

    data = torch.utils.data.TensorDataset(torch.randn(32, 4), torch.randn(32, 1))
    trainer = lightning.Trainer(
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
    )
    model = Module(width=6)
    trainer.fit(model, torch.utils.data.DataLoader(data, batch_size=8))
    file = tmp_path_factory.mktemp("checkpoints") / "last.ckpt"
    trainer.save_checkpoint(file)
    return model, trainer, file


@pytest.mark.filterwarnings("ignore")
def test_lightning_module_is_written_without_its_trainer(trained, tmp_path):
    model, trainer, _ = trained
    fitscribe.lightning.save_model(model, tmp_path / "m", input_example=torch.tensor(X))
    assert model.trainer is trainer
    loaded = fitscribe.lightning.load_model(tmp_path / "m")
    assert loaded._trainer is None
    np.testing.assert_array_equal(answer(loaded), answer(model))
    with zipfile.ZipFile(tmp_path / "m" / "data" / "model.pth") as archive:
        pickled = next(archive.read(name) for name in archive.namelist() if name.endswith("data.pkl"))
    assert b"DataLoader" not in pickled
    names = {line.split("==")[0] for line in (tmp_path / "m" / "requirements.txt").read_text().splitlines()}
    assert {"torch", "lightning", "cloudpickle"} <= names
    with pytest.raises(MisuseError, match="a Linear is no LightningModule"):
        fitscribe.lightning.log_model(torch.nn.Linear(1, 1))


@pytest.mark.filterwarnings("ignore")
def test_lightning_module_is_exported(trained, tmp_path):
    model, trainer, _ = trained
    fitscribe.lightning.save_model(model, tmp_path / "m", input_example=X, serialization_format="pt2")
    assert model.trainer is trainer
    np.testing.assert_allclose(fitscribe.pyfunc.load_model(tmp_path / "m").predict(X), answer(model), rtol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_checkpoint_is_loaded_by_path_and_from_a_run(trained, tmp_path):
    model, _, file = trained
    for found in (
        fitscribe.lightning.load_checkpoint(type(model), checkpoint=file),
        fitscribe.pytorch.load_checkpoint(type(model), checkpoint=file, kwargs={"width": 6}),
    ):
        np.testing.assert_array_equal(answer(found), answer(model))
    with fitscribe.start_run() as run:
        fitscribe.log_artifact(file, "checkpoints")
        fitscribe.set_tag("mlflow.latest_checkpoint_artifact", f"checkpoints/{file.name}")
    delivery.the_delivery().flush(60)
    found = fitscribe.lightning.load_checkpoint(type(model), run.info.run_id)
    np.testing.assert_array_equal(answer(found), answer(model))
    with pytest.raises(NotFoundError):
        fitscribe.lightning.load_checkpoint(type(model), run.info.run_id, epoch=7)
    with pytest.raises(MisuseError, match="epoch or global_step, not both"):
        fitscribe.lightning.load_checkpoint(type(model), run.info.run_id, epoch=7, global_step=1)
    content = torch.load(file, weights_only=False)
    torch.save({**content, "evil": threading.Event}, tmp_path / "evil.ckpt")
    with pytest.raises(UntrustedModel, match=r"evil\.ckpt"):
        fitscribe.lightning.load_checkpoint(type(model), checkpoint=tmp_path / "evil.ckpt")
    shutil.copy(file, tmp_path / "mine.ckpt")
    assert fitscribe.lightning.load_checkpoint(type(model), checkpoint=tmp_path / "mine.ckpt").hparams.width == 6
