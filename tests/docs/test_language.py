"""Text that users read is plain American English: documentation, docstrings, and messages.

Each kind of phrase to avoid has a pattern, a replacement, and sentences that it must catch. To list
what would be found in the source code, file by file: ``pytest tests/docs/test_language.py -k src``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from conftest import ROOT

#: What is checked: files, and folders with everything in them that `PASSAGES` can read.
ROOTS: Final[tuple[str, ...]] = (
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "mkdocs.yml", "docs", "demo_configs",
    "src",
)  # fmt: skip
#: Pages that are still to be rewritten.


class Lapse(NamedTuple):
    """A kind of phrase to avoid, what to write instead, and sentences that contain it."""

    name: str
    pattern: re.Pattern[str]
    instead: str
    examples: tuple[str, ...]


def _any(*patterns: str, flags: int = re.IGNORECASE) -> re.Pattern[str]:
    """Match any of the patterns as whole words; a space stands for any white space."""
    return re.compile("|".join(rf"\b(?:{p})\b" for p in patterns).replace(" ", r"\s+"), flags)


_FRAMES: Final = r"(?:frame|plane|stack|snap|exposure|burst|channel)s?"
_TIME: Final = r"[\d.,]+ (?:s|ms|µs|seconds?|minutes?|hours?)\b|too long|longer|a while"
_ISE: Final = (
    "apolog|categor|central|character|custom|digit|emphas|final|formal|general|initial|"
    "local|maxim|memor|minim|normal|optim|organ|parallel|priorit|quant|random|real|recogn|serial|"
    "special|stabil|standard|summar|synchron|util|vector|visual"
)
LAPSES: Final = (
    Lapse(
        "tell", _any("tell|tells|telling|told"), "report, show, return",
        ("The writer tells the view.", "An option was told to the stream."),
    ),
    Lapse(
        "say", _any("say|says|saying|said"), "report, state, show",
        ("The log says why.", "What is lost is said."),
    ),
    Lapse(
        "take, of frames",
        _any(
            rf"{_FRAMES}(?: [\w-]+){{0,4}} (?:taken|took)",
            rf"(?:take|takes|taking|took|taken) (?:[\w-]+ ){{0,2}}?{_FRAMES}(?! time)",
            rf"(?:disk|buffer|queue) (?:(?:has|can) )?(?:take|takes|taken|took)(?! (?:{_TIME}))",
            r"(?:take|takes|took|taken) nothing",
        ),
        "accept, acquire, write",
        (
            "5 frames were not taken.", "A frame that was never\ntaken is a hole.",
            "The camera takes the frame.", "Take such frames one by one.",
            "The disk takes 90 MB/s.", "It raises, and takes nothing.",
        ),
    ),
    Lapse(
        "bring", _any("bring|brings|bringing|brought"), "deliver, write, load",
        ("The frames that it brought down.", "Every event brings two frames."),
    ),
    Lapse(
        "lie", _any("lie|lies|lying|lied|lain"), "be, be located",
        ("Each tile lies where the stage was.", "A network disk that lies about locks."),
    ),
    Lapse("lets", _any("lets"), "allow, can", ("The backend lets a reader in.",)),
    Lapse(
        "come", _any(r"(?:come|comes|came)(?! (?:from|with)\b)"), "arrive, be acquired, follow",
        ("A frame comes late.", "What came is being written.", "Frames that have not come are 0."),
    ),
    Lapse(
        "is down",
        _any(r"(?:is|are|was|were|be|been|being) (?:(?:all|not|once|already|never|\w+ly) )*down"),
        "is written, is on disk",
        ("Its pixels are down.", "Nothing is really down."),
    ),
    Lapse(
        "as asked", _any(r"as (?:[\w-]+ ){0,3}asked", r"what (?:is|was) asked(?: for)?"),
        "as requested",
        ("The stage did not move as asked.", "It is saved as it was asked for."),
    ),
    Lapse(
        "all the same",
        _any(
            r"(?<!\bare\s)(?<!\bis\s)(?<!\bbe\s)(?<!\bwere\s)all the same"
            r"(?! (?:size|shape|type|dtype|length|kind|value|unit|for|to|as)\b)"
        ),
        "anyway",
        ("It is tried all the same, and marked.",),
    ),
    Lapse(
        "beside", _any("besides?"), "next to, also, in addition",
        ("The table is beside the file.", "Besides, it is slow."),
    ),
    Lapse(
        "nobody, whoever", _any("nobody", "whoever"), "no one, anyone who; name the actor",
        ("Nobody knows when.", "Whoever listens is called."),
    ),
    Lapse(
        "what is X is Y",
        _any(
            r"what (?:is|was|are|were) "
            r"(?:(?!(?:what|and|or|that|if|how|where|which|who|when|as|than)\b)[\w'-]+ ){1,5}?"
            r"(?:is|was|are|were)"
        ),
        "name the thing: The buffered frames are ...",
        ("What is in memory is still written.", "What is left is removed."),
    ),
    Lapse(
        "that is none",
        _any(r"(?<!\bthere\s)(?:is|are|was|were) none(?! of)", flags=0),
        "is not one; name what it is",
        ("It replaces a store that is none.",),
    ),
    Lapse(
        "takes its time", _any("(?:take|takes|took|taking) (?:its|their) time"), "is slow",
        ("A disk that takes its time.",),
    ),
    Lapse(
        "British spelling",
        _any(
            r"\w*(?:colour|behaviour|neighbour|favour|honour|flavour|labour|humour)\w*",
            r"\w*(?:cancel|label|model|travel|signal|marshal|level)l(?:ed|ing|er|ers)",
            rf"\w*(?:{_ISE})is(?:e|es|ed|er|ers|ing|ation|ations|able)",
            r"\w*(?:metre|centre|litre|fibre)[sd]?", "analys(?:e|ed|ing|er|ers)",
            "greys?|greyscale|programmes?|whilst|amongst|towards|artefacts?|defence|licence",
            "(?:mis)?spelt|learnt|burnt|judgement|fulfil|skilful|ageing",
        ),
        "American spelling",
        (
            "The colour.", "The run was cancelled.", "Cancelling.", "Its neighbours.",
            "It is initialised.", "5 micrometres.", "Grey.", "A misspelt field.", "Mislabelled.",
            "It must be organised.", "Unrecognisable behaviour.",
        ),
    ),
)  # fmt: skip
FINE: Final = (
    "It takes a minute, and writing takes 8 µs for a frame.",
    "The disk takes 3 ms to respond. Several steps were taken.",
    "Errors come from the backend, and the demo camera comes with the package.",
    "It shows what is missing and what is stored. The files are all the same size.",
    "`frame` is `None`; write it with a `told` attribute, and `not_as_asked` is a column.",
    "The colors of neighbors, canceled; an optimistic, realistic cancellation, 5 micrometers.",
    "Scale it down. A stack acquired downward. If there is none, see the analyses.",
)


def _blank(pattern: str, text: str, by: str = "", flags: int = re.MULTILINE) -> str:
    """Replace what matches, and keep its line breaks, so that line numbers stay right."""
    return re.sub(pattern, lambda m: by + "\n" * m[0].count("\n"), text, flags=flags)


def _without_inline_code(text: str) -> str:
    return _blank(r"(`+)(?:(?!\n\s*\n).)+?\1", text, by="code", flags=re.DOTALL)


def markdown_passages(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the text of a page without code, comments, and the targets of links."""
    text = _blank(r"^```.*?^```$", file.read_text(encoding="utf-8"), flags=re.M | re.DOTALL)
    text = _blank(r"<!--.*?-->", text, flags=re.DOTALL)
    text = _blank(r"^(?: {4}|::: ).*$", text)
    text = _without_inline_code(text)
    text = _blank(r"(?<=\])\([^)]*\)", text)
    for match in re.finditer(r"(?:.+\n?)+", text):
        yield text.count("\n", 0, match.start()) + 1, match[0]


def python_passages(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the docstrings and string literals of a module: no identifiers, keys, or doctests."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    in_f_string = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    for node in ast.walk(tree):
        if id(node) in in_f_string:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            text = "".join(
                str(part.value) if isinstance(part, ast.Constant) else "value"
                for part in node.values
            )
        else:
            continue
        if re.search(r"\s", text.strip()) or text.istitle():
            text = _blank(r"^ *>>> .*(?:\n *\S.*)*", text)
            yield node.lineno, _without_inline_code(text)


def comment_passages(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the comments of a configuration, each block of lines as one text."""
    text = file.read_text(encoding="utf-8")
    for match in re.finditer(r"(?:^#.*\n?)+", text, re.MULTILINE):
        passage = _without_inline_code(re.sub(r"^# ?", "", match[0], flags=re.MULTILINE))
        yield text.count("\n", 0, match.start()) + 1, passage


def yaml_passages(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the comments of a file, then every other line: names and titles are text, too."""
    yield from comment_passages(file)
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.startswith("#"):
            yield number, line


PASSAGES: Final = {
    ".md": markdown_passages,
    ".py": python_passages,
    ".cfg": comment_passages,
    ".yaml": yaml_passages,
    ".yml": yaml_passages,
}


def offenders(file: Path) -> list[str]:
    """Return each phrase of a file that should be reworded: its line, kind, words, and cure."""
    found = [
        (first + passage.count("\n", 0, match.start()), lapse, " ".join(match[0].split()))
        for first, passage in PASSAGES[file.suffix](file)
        for lapse in LAPSES
        for match in lapse.pattern.finditer(passage)
    ]
    return [
        f"line {line}: {lapse.name}: {words!r} (instead: {lapse.instead})"
        for line, lapse, words in sorted(found, key=lambda item: item[0])
    ]


def files_of(root: str) -> list[Path]:
    """Return the files that a root stands for."""
    path = ROOT / root
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [file for file in files if file.suffix in PASSAGES]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each file; with ``-k src``, the source code is checked even if not in ROOTS."""
    if "checked_file" in metafunc.fixturenames:
        wanted = metafunc.config.getoption("keyword")
        roots = dict.fromkeys((*ROOTS, *(["src"] if wanted == "src" else [])))
        files = [file for root in roots for file in files_of(root)]
        ids = [file.relative_to(ROOT).as_posix() for file in files]
        metafunc.parametrize("checked_file", files, ids=ids)


def test_text_is_plain_american_english(checked_file: Path) -> None:
    found = offenders(checked_file)
    assert not found, f"{checked_file.relative_to(ROOT).as_posix()}:\n" + "\n".join(found)


@pytest.mark.parametrize("root", [*ROOTS, "src"])
def test_every_root_has_text(root: str) -> None:
    assert any(list(PASSAGES[file.suffix](file)) for file in files_of(root))


@pytest.mark.parametrize("lapse", LAPSES, ids=lambda lapse: lapse.name)
def test_sample_of_each_kind_is_caught_in_every_kind_of_file(lapse: Lapse, tmp_path: Path) -> None:
    for sentence in lapse.examples:
        lines = sentence.split("\n")
        texts = {
            "a.md": f"# Page\n\n- First.\n- {sentence}\n",
            "a.py": f'"""A module.\n\n{sentence}\n"""\n',
            "b.py": f'"""A module."""\n\nmessage = f"{{1}} of 2. {" ".join(lines)}"\n',
            "a.cfg": "Property,a,b,c\n" + "".join(f"# {line}\n" for line in lines),
            "a.yml": f"title: {' '.join(lines)}\n",
        }
        for name, text in texts.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
            found = offenders(tmp_path / name)
            assert any(f": {lapse.name}: " in line for line in found), (name, sentence)


@pytest.mark.parametrize("sentence", FINE)
def test_other_uses_of_these_words_are_fine(sentence: str, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(f"{sentence}\n", encoding="utf-8")
    (tmp_path / "a.py").write_text(f'"""{sentence}"""\n', encoding="utf-8")
    assert offenders(tmp_path / "a.md") == offenders(tmp_path / "a.py") == []


def test_code_and_identifiers_are_not_checked(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(
        "A `told` page.\n\n```python\ntold = 'frames came'\n```\n\n    colour = 1\n\n"
        "[link](what-is-said.md)\n\n::: pymmcore_ome.told\n",
        encoding="utf-8",
    )
    (tmp_path / "a.py").write_text(
        '"""A module.\n\n>>> said = "a b"\n>>> said\n\'colour of said\'\n\nThe end.\n"""\n\n'
        'told = {"said": 1, "taken": "came"}\ncolour = told["said"]  # nobody said so\n',
        encoding="utf-8",
    )
    (tmp_path / "a.cfg").write_text("Label,Colour,came\n# A stage.\n", encoding="utf-8")
    for name in ("a.md", "a.py", "a.cfg"):
        assert offenders(tmp_path / name) == []


def test_line_of_a_phrase_is_its_line(tmp_path: Path) -> None:
    page = tmp_path / "a.md"
    page.write_text("# A\n\n```python\n1\n```\n\nText `a\nb` and\nno one said.\n", encoding="utf-8")
    assert offenders(page) == ["line 9: say: 'said' (instead: report, state, show)"]
