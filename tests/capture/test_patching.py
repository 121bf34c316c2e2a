"""Functions are replaced and put back exactly, and travel through pickle as if nothing had happened."""

from __future__ import annotations

import dataclasses
import functools
import gc
import importlib
import inspect
import pickle
import subprocess
import sys
import textwrap
import warnings
import weakref

import cloudpickle
import pytest

from fitscribe import patching
from fitscribe.errors import Unavailable

SOURCE = '''
import functools

def train(x, scale=2):
    """Train."""
    return x * scale

def checked(func):
    @functools.wraps(func)
    def wrapper(x):
        return func(int(x))
    return wrapper

@checked
def score(x):
    """Score."""
    return x + 1

class Model:
    def fit(self, x): return ("Model", x)

class Child(Model):
    pass

class Own(Model):
    def fit(self, x): return ("Own", x)

class Deep(Own):
    def fit(self, x): return ("Deep", super().fit(x))

class Asking(Model):
    @property
    def fit(self): return lambda x: ("asked", x)

class Registering:
    seen = []
    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        Registering.seen.append(cls.__name__)

class Lazy:
    def __init__(self, fn): self.fn = fn
    def __get__(self, instance, owner=None): return functools.partial(self.fn, instance)

class Conditional:
    @Lazy
    def fit(self, x): return ("conditional", x)

class Mixin:
    def predict(self, x): return ("mixed in", x)

class Mixed(Mixin, Model):
    pass

class Apart(Mixin):
    pass

class Maybe(Model):
    @Lazy
    def predict(self, x): return ("maybe", x)

@checked
def loss(x):
    return -x

def plain(x):
    return x
'''


@pytest.fixture
def framework(tmp_path, monkeypatch):
    (tmp_path / "fakeframework.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "fakeframework", raising=False)
    yield importlib.import_module("fakeframework")
    sys.modules.pop("fakeframework", None)


def snapshot(module):
    classes = [each for each in vars(module).values() if isinstance(each, type)]
    return {module: dict(vars(module)), **{cls: dict(vars(cls)) for cls in classes}}


@pytest.fixture
def seen():
    return []


@pytest.fixture
def watch(seen):
    def observer(original, args, kwargs):
        seen.append((original.__qualname__, args[1:] if original.__qualname__ != "train" else args, kwargs))
        return original(*args, **kwargs)

    return observer


def test_a_function_is_watched_and_put_back_as_the_same_object(framework, watch, seen):
    before = snapshot(framework)
    patch = patching.replace(framework, "fakeframework:train", watch)
    assert framework.train(3, scale=5) == 15
    assert framework.train.__doc__ == "Train."
    patch.undo()
    assert framework.train(3) == 6
    assert seen == [("train", (3,), {"scale": 5})]
    assert snapshot(framework) == before


def test_what_a_decorated_function_calls_is_watched_and_the_function_stays_the_same_object(framework, watch, seen):
    """Whoever imported it by name before is seen as well."""
    by_name, pickled = framework.score, pickle.dumps(framework.score)
    before, inner = snapshot(framework), by_name.__closure__[0].cell_contents
    patch = patching.replace(framework, "fakeframework:score>func", watch)
    assert by_name("3") == 4
    assert seen == [("score", (), {})]
    assert snapshot(framework) == before
    assert pickle.dumps(by_name) == pickled
    assert by_name.__doc__ == "Score."
    patch.undo()
    assert by_name.__closure__[0].cell_contents is inner
    assert (by_name("3"), len(seen)) == (4, 1)


def test_all_decorated_functions_of_a_module_are_watched_by_one_target(framework, watch, seen):
    before, score = snapshot(framework), framework.score
    inside = framework.score.__closure__[0].cell_contents
    patch = patching.replace(framework, "fakeframework:*>func", watch)
    assert (score("3"), framework.loss("3"), framework.plain(3)) == (4, -3, 3)
    assert [name for name, _, _ in seen] == ["score", "loss"]
    assert inspect.signature(framework.score.__closure__[0].cell_contents) == inspect.signature(inside)
    assert snapshot(framework) == before  # they are the same objects all the time
    patch.undo()
    framework.loss(3)
    assert len(seen) == 2
    assert score.__closure__[0].cell_contents is inside
    with pytest.raises(Unavailable, match="no function with a variable 'gone' any more"):
        patching.replace(framework, "fakeframework:*>gone", watch)


def test_without_such_a_variable_the_name_itself_is_watched(framework, watch, seen):
    before = snapshot(framework)
    patch = patching.replace(framework, "fakeframework:train>func", watch)
    assert framework.train(3) == 6
    assert seen == [("train", (3,), {})]
    patch.undo()
    assert snapshot(framework) == before


def test_an_inherited_method_leaves_no_residue(framework, watch, seen):
    before = snapshot(framework)
    patch = patching.replace(framework, "fakeframework:Child.fit", watch)
    assert framework.Child().fit(1) == ("Model", 1)
    assert framework.Model().fit(2) == ("Model", 2)
    patch.undo()
    patch.undo()
    assert "fit" not in vars(framework.Child)
    assert snapshot(framework) == before
    assert [args for _, args, _ in seen] == [(1,)]


def test_a_family_is_watched_today_and_later_and_put_back(framework, watch, seen):
    before = snapshot(framework)
    patch = patching.replace(framework, "fakeframework:Model+.fit", watch)

    class Later(framework.Child):
        def fit(self, x):
            return ("Later", x)

    mine = vars(Later)["fit"]
    assert Later().fit(1) == ("Later", 1)
    assert framework.Deep().fit(2) == ("Deep", ("Own", 2))
    assert framework.Child().fit(3) == ("Model", 3)
    assert framework.Asking().fit(4) == ("asked", 4)
    names = [name.rpartition(".<locals>.")[2] for name, _, _ in seen]
    assert names == ["Later.fit", "Deep.fit", "Own.fit", "Model.fit"]
    patch.undo()
    assert snapshot(framework) == before
    assert vars(Later)["fit"] is mine.__wrapped__
    assert "__init_subclass__" not in vars(framework.Model)


def test_a_family_can_take_in_its_mixins_and_its_descriptors(framework, watch, seen):
    before = snapshot(framework)
    targets = "fakeframework:Model*.predict", "fakeframework:Model*.predict.fn"
    patches = [patching.replace(framework, target, watch) for target in targets]

    class Later(framework.Mixin, framework.Model):
        def predict(self, x):
            return super().predict(x)

    class Strange(framework.Model):
        predict = type("Odd", (), {"__slots__": (), "__getattr__": lambda self, name: 1 / 0})()

    assert framework.Mixed().predict(1) == framework.Apart().predict(1) == Later().predict(1) == ("mixed in", 1)
    assert framework.Maybe().predict(1) == ("maybe", 1)
    assert [name.rpartition(".")[0].rpartition(".")[2] for name, _, _ in seen] == [
        "Mixin", "Mixin", "Later", "Mixin", "Maybe",
    ]  # fmt: skip
    for patch in reversed(patches):
        patch.undo()
    assert snapshot(framework) == before
    assert not hasattr(Later.predict, "__fitscribe__")
    assert not hasattr(vars(framework.Maybe)["predict"].fn, "__fitscribe__")
    framework.Maybe().predict(1)
    assert len(seen) == 5


def test_two_families_on_one_class_share_its_births(framework, watch):
    first = patching.replace(framework, "fakeframework:Model+.fit", watch)
    framework.Model.score = lambda self: 1
    second = patching.replace(framework, "fakeframework:Model+.score", watch)
    first.undo()

    class Later(framework.Model):
        def score(self):
            return 2

    assert hasattr(vars(Later)["score"], "__wrapped__")
    second.undo()
    assert "__init_subclass__" not in vars(framework.Model)
    assert not hasattr(vars(Later)["score"], "__wrapped__")


WRAPPING = """
import functools

class Wrapping:
    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "fit" in vars(cls):
            inner = vars(cls)["fit"]
            @functools.wraps(inner)
            def fit(self, x): return ("wrapped", inner(self, x))
            cls.fit = fit

class Mixin(Wrapping):
    pass

class Estimator:
    def fit(self, x): return x
"""


@pytest.mark.parametrize("order", [("Mixin", "Estimator"), ("Estimator", "Mixin")])
def test_a_method_that_its_framework_wraps_at_birth_is_put_back_too(tmp_path, monkeypatch, watch, order):
    (tmp_path / "wrapping.py").write_text(WRAPPING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "wrapping", raising=False)
    module = importlib.import_module("wrapping")
    bases = tuple(getattr(module, name) for name in order)
    patches = [patching.replace(module, f"wrapping:{name}+.fit", watch) for name in ("Estimator", "Mixin")]

    class Later(*bases):
        def fit(self, x):
            return x + 1

    assert Later().fit(1) == ("wrapped", 2)
    assert vars(Later)["fit"].__fitscribe__ == f"wrapping:{order[0]}+.fit"
    for patch in patches:
        patch.undo()
    assert not hasattr(vars(Later)["fit"], "__fitscribe__")
    assert Later().fit(1) == ("wrapped", 2)
    sys.modules.pop("wrapping")


def test_a_class_that_counts_its_subclasses_still_does(framework, watch):
    framework.Registering.fit = lambda self: None
    own = vars(framework.Registering)["__init_subclass__"]
    patch = patching.replace(framework, "fakeframework:Registering+.fit", watch)
    type("New", (framework.Registering,), {})
    patch.undo()
    assert framework.Registering.seen == ["New"]
    assert vars(framework.Registering)["__init_subclass__"] is own


def test_what_somebody_else_put_over_ours_stays(framework, watch):
    patch = patching.replace(framework, "fakeframework:Model.fit", watch)
    ours = framework.Model.fit

    @functools.wraps(ours)
    def theirs(self, x):
        return ours(self, x)

    framework.Model.fit = theirs
    patch.undo()
    assert framework.Model.fit is theirs
    assert framework.Model().fit(1) == ("Model", 1)


def test_the_function_inside_a_descriptor_can_be_watched(framework, watch, seen):
    descriptor = vars(framework.Conditional)["fit"]
    before = descriptor.fn
    patch = patching.replace(framework, "fakeframework:Conditional.fit.fn", watch)
    assert framework.Conditional().fit(1) == ("conditional", 1)
    patch.undo()
    assert descriptor.fn is before
    assert len(seen) == 1


def test_only_plain_functions_are_replaced(framework, watch):
    before = snapshot(framework)
    with pytest.raises(TypeError, match="only plain functions"):
        patching.replace(framework, "fakeframework:Asking.fit", watch)
    with pytest.raises(Unavailable, match="no 'gone' any more"):
        patching.replace(framework, "fakeframework:Model.gone", watch)
    with pytest.raises(Unavailable, match="has no 'Gone' any more"):
        patching.replace(framework, "fakeframework:Gone.fit", watch)
    with pytest.raises(ValueError, match="written 'module:Owner"):
        patching.split("no colon")
    assert snapshot(framework) == before


def test_a_target_is_watched_once(framework, watch):
    patch = patching.replace(framework, "fakeframework:Model.fit", watch)
    with pytest.raises(ValueError, match="watched already"):
        patching.replace(framework, "fakeframework:Model.fit", watch)
    patch.undo()


def test_watched_functions_and_bound_methods_survive_pickle(framework, watch):
    patch = patching.replace(framework, "fakeframework:Model+.fit", watch)
    for dumps in (pickle.dumps, cloudpickle.dumps):
        assert pickle.loads(dumps(framework.Own().fit))(1) == ("Own", 1)
        assert pickle.loads(dumps(framework.Own.fit)) is framework.Own.fit
    patch.undo()


def test_a_class_of_a_script_pickled_by_value_carries_no_state_into_a_worker(tmp_path):
    """In a process that watches nothing, the wrapper that came along calls straight through."""
    send = """
        import sys, types, cloudpickle
        from fitscribe import patching
        class Base:
            def fit(self, x): return x
        class Mine(Base):
            def fit(self, x): return x + 1
        heavy = object()
        def observer(original, args, kwargs, state=open(__file__)):
            return -1
        patching.replace(sys.modules["__main__"], "__main__:Base+.fit", observer)
        assert Mine().fit(1) == -1
        open(sys.argv[1], "wb").write(cloudpickle.dumps(Mine().fit))
    """
    receive = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb'))(1))"
    script = tmp_path / "send.py"
    script.write_text(textwrap.dedent(send))
    subprocess.run([sys.executable, script, tmp_path / "packed"], check=True)
    done = subprocess.run(
        [sys.executable, "-c", receive, tmp_path / "packed"], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "2"


def test_an_errors_traceback_and_a_warnings_line_are_as_without_us(framework):
    def heard(function):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with pytest.raises(ZeroDivisionError) as raised:
                function(0)
        return [each.name for each in raised.traceback], caught[0].filename

    @dataclasses.dataclass(frozen=True)
    class Refuses(ZeroDivisionError):
        """An error whose attributes cannot be set."""

    def train(x):
        warnings.warn("old", DeprecationWarning, stacklevel=2)
        raise Refuses

    def passes(original, args, kwargs):
        try:
            return original(*args, **kwargs)
        except BaseException as error:
            patching.unseen(error)
            raise

    passes.__code__ = patching.passing(passes.__code__)
    framework.train = train
    plain = heard(framework.train)
    patch = patching.replace(framework, "fakeframework:train", passes)
    assert framework.train is not train
    ours = heard(framework.train)
    patch.undo()
    assert ours == plain
    assert plain[1] == __file__


def test_a_method_lent_to_a_class_made_meanwhile_is_given_back(framework, watch):
    patch = patching.replace(framework, "fakeframework:Model+.fit", watch)
    lent = type("Lent", (framework.Model,), {"fit": framework.Own.fit})
    patch.undo()
    assert lent.fit is framework.Own.fit
    assert not hasattr(lent.fit, "__fitscribe__")


def test_what_gives_a_generator_or_a_coroutine_is_left_alone(framework, watch):
    patch = patching.replace(framework, "fakeframework:Model+.fit", watch)

    class Later(framework.Model):
        async def fit(self, x):
            return x

    class Stepwise(framework.Model):
        def fit(self, x):
            yield x

    assert inspect.iscoroutinefunction(Later.fit)
    assert inspect.isgeneratorfunction(Stepwise.fit)
    patch.undo()


def test_a_class_that_the_user_lets_go_of_is_gone(framework, watch):
    patch = patching.replace(framework, "fakeframework:Model+.fit", watch)

    def made():
        class Short(framework.Model):
            def fit(self, x):
                return super().fit(x)

        assert hasattr(Short.fit, "__fitscribe__")
        return weakref.ref(Short)

    gone = made()
    gc.collect()
    assert gone() is None
    patch.undo()
