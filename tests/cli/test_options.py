"""What the library's options are called at a terminal."""

from __future__ import annotations

import ast
import pickle

import pytest
import typer

from conftest import ROOT
from pymmcore_ome.cli.app import app
from pymmcore_ome.cli.arguments import option_name, shards
from pymmcore_ome.errors import Option, OptionError, PymmcoreOmeError, StoreExistsError

#: What no error of the command can tell of: no command sets it.
OF_PYTHON_ALONE = {"when_full"}


def options_in_errors() -> set[str]:
    """Return the name of every option that the source has an error tell of."""
    names = set()
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Option":
                assert isinstance(node.args[0], ast.Constant), file
                names.add(node.args[0].value)
    return names


def test_every_option_that_an_error_tells_of_is_one_of_the_command() -> None:
    found = options_in_errors()
    assert {"overwrite", "format", "unready"} <= found
    run = typer.main.get_command(app).commands["run"]  # type: ignore[attr-defined]
    flags = {option for param in run.params for option in param.opts}
    for name in found - OF_PYTHON_ALONE:
        assert option_name(Option(name)) == f"--{name}"
        assert option_name(Option(name)) in flags


@pytest.mark.parametrize(
    ("option", "in_python", "at_a_terminal"),
    [
        (Option("overwrite", True), "overwrite=True", "--overwrite"),
        (Option("format"), "format=", "--format"),
        (Option("unready", "record"), "unready='record'", "--unready record"),
        (Option("when_full", "block"), "when_full='block'", "when_full='block'"),
    ],
)
def test_option_is_told_as_its_face_calls_it(
    option: Option, in_python: str, at_a_terminal: str
) -> None:
    error = OptionError("Take overwrite=True.zarr, or ", option, ".")
    assert str(error) == f"Take overwrite=True.zarr, or {in_python}."
    assert error.message(option_name) == f"Take overwrite=True.zarr, or {at_a_terminal}."


@pytest.mark.parametrize("kind", [StoreExistsError, PymmcoreOmeError])
def test_error_with_an_option_is_an_error_like_any_other(kind: type[PymmcoreOmeError]) -> None:
    error = kind("a is there: ", Option("overwrite", True))
    assert error.args == ("a is there: overwrite=True",)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.message(option_name)) == (
        kind, "a is there: overwrite=True", "a is there: --overwrite",
    )  # fmt: skip
    assert str(kind()) == ""


def test_no_shards_are_an_option_too() -> None:
    assert shards("none") is False
    assert shards(None) is None
    assert shards("t=100, z=5") == {"t": 100, "z": 5}
