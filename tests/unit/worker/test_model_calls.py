"""Calls of a model as a whole."""

from __future__ import annotations

from padiff_worker.model_calls import is_of_class, watch_calls


class Base:
    def __call__(self, x):
        return x + 1


class Model(Base):
    pass


class Other(Base):
    def __call__(self, x):
        return super().__call__(x) * 2


def test_calls_are_seen_before_they_are_made_and_return_what_they_return():
    seen, model = [], Model()
    remove = watch_calls(Model, seen.append)
    try:
        assert (model(1), Other()(1)) == (2, 4)
    finally:
        remove()
    assert seen == [model]
    assert "__call__" not in vars(Model)


def test_a_base_shows_the_calls_of_all_classes_below():
    seen, model, other = [], Model(), Other()
    remove = watch_calls(Base, seen.append)
    assert (model(1), other(1)) == (2, 4)
    remove()
    assert seen == [model, other]
    model(1)
    assert len(seen) == 2


def test_it_may_be_taken_off_while_a_call_is_seen_and_twice():
    removes = []

    def before(called):
        removes[0]()

    plain = Base.__call__
    removes.append(watch_calls(Base, before))
    assert Model()(1) == 2
    assert Base.__call__ is plain
    removes[0]()


def test_a_class_is_named_by_itself_or_a_base_bare_or_qualified():
    model = Model()
    assert all(is_of_class(model, name) for name in ("Model", "Base", f"{__name__}.Model"))
    assert not any(is_of_class(model, name) for name in ("Other", "mod.Model", "model", ""))
