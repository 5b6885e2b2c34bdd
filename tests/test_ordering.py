"""What takes long begins first."""

import ordering


def test_files_that_take_long_are_there_and_begin_before_others():
    assert [name for name in ordering.DEAR if not (ordering.HERE / name).exists()] == []
    places = [ordering.place(ordering.HERE / name) for name in ordering.DEAR if name.endswith(".py")]
    assert places == sorted(places) and len(set(places)) == len(places)
    rest = (ordering.HERE / "test_errors.py", ordering.HERE.parent / "docs" / "examples.py")
    assert {ordering.place(path) for path in rest} == {len(ordering.DEAR)}
