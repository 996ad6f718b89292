"""Sequences from files: what is read, and what is said of what cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import useq

from conftest import DEMO
from corpus import CORPUS
from pymmcore_ome.cli.sequence_file import load_sequence
from pymmcore_ome.cli.sequence_problems import left_out
from pymmcore_ome.errors import SequenceError

#: file name, text, words of the error.
#: A few lines of aliases that stand for 10^10 values.
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
REFUSED = [
    ("a.yaml", f"{BOMB}channels: *a9", ["not YAML", "aliases"]),
    ("a.yaml", f"{BOMB}<<: [*a9, *a9]", ["not YAML", "aliases"]),
    ("a.yaml", "a: &a {b: {c: *a}}", ["a value that contains the alias"]),
    ("a.yaml", "a: " + "[" * 5000 + "]" * 5000, ["not YAML"]),
    ("a.json", '{"a": ' + "[" * 5000 + "]" * 5000 + "}", ["a.json"]),
    ("a.yaml", "!!python/object/apply:os.getcwd []", ["not YAML"]),
    ("a.yaml", "channels: [a\nz: {", ["a.yaml, line 2", "not YAML", "  z: {\n   ^"]),
    ("a.yaml", "a: 1\n\tb: 2", ["a.yaml, line 2", "not YAML"]),
    ("a.json", '{"channels": ["DAPI",]}', ["a.json, line 1", "not JSON"]),
    ("a.yaml", "", ["has no sequence"]),
    ("a.yaml", "- 1", ["has no sequence"]),
    ("a.yaml", "1: 2", ["MDASequence has no such field"]),
    ("a.yaml", "channels: [D]\n\nchannels: [F]\n", ["channels: is set twice, in lines 1 and 3"]),
    ("a.yaml", "# hi\nchanels: [D]\n", ["line 2", "chanels", "did you mean 'channels'?"]),
    (
        "a.yaml",
        "channels:\n- {config: D}\n- {config: F, expsure: 3}\n",
        ["line 3: channels[1].expsure", "did you mean 'exposure'?"],
    ),
    (
        "a.yaml",
        "axis_order: tz\nz_plan: {range: nine}",
        [
            "line 2: z_plan: is none of these:",
            "ZRangeAround: range: Input should be a valid number",
            "(got 'nine'); step: missing",
            "ZTopBottom: top: missing",
        ],
    ),
    (
        "a.json",
        '{\n\t"z_plan": {"range": 3}}',
        ["line 2: z_plan: is none of these", "ZRangeAround: step: missing\n"],
    ),
    ("a.yaml", "time_plan:\n- {interval: 1, loops: 2}\n- {interval: 1}", ["line 3: time_plan[1]"]),
    ("a.yaml", "channels:\n- config: D\n- config: F\n  exposure: -3", ["line 4: channels[1].exp"]),
    (
        "a.yaml",
        "grid_plan: {rows: 2, columns: two}",
        ["grid_plan.rows", "GridRowsColumns: columns: ", "'two'"],
    ),
    ("a.yaml", "stage_positions:\n- {x: 0, y: left}", ["line 2: stage_positions[0].y", "'left'"]),
    (
        "a.yaml",
        "stage_positions:\n- x: 0\n  sequence:\n    channels:\n    - {config: D, exposure: a}",
        ["line 5: stage_positions[0].sequence.channels[0].exposure"],
    ),
    ("a.yaml", "axis_order: tq", ["line 1: axis_order", "t, p, g, c, z", "got 'tq'"]),
    (
        "a.yaml",
        "channels:\n- {confg: D}",
        ["channels[0].config: missing (did you write 'confg'"],
    ),
    (
        "a.yaml",
        "time_plan: {interval: 0.1, loop: 3}",
        ["TIntervalLoops: loops: missing (did you write 'loop' instead?)"],
    ),
    (
        "a.yaml",
        "time_plan: {interval: 5s, loops: 3}",
        ["Loops: interval: expected seconds"],
    ),
    (
        "a.yaml",
        "stage_positions:\n  plate: 24-wel\n  a1_center_xy: [0, 0]\n  selected_wells: [[0], [0]]",
        [
            "a.yaml, line 2: stage_positions.plate: there is no",
            "did you mean '24-well'?",
            "96-well",
        ],
    ),
    (
        "a.yaml",
        "stage_positions:\n  plate: 24-well\n  a1_center_xy: [0, 0]\n  selected_wells: [A1, b03]",
        ["line 4: stage_positions.selected_wells", "counted from 0: expected [[0, 1], [0, 2]]"],
    ),
    (
        "a.yaml",
        "stage_positions:\n  plate: 24-well\n  a1_center_xy: [0, 0]\n  selected_wells: [[7], [0]]",
        ["line 4: stage_positions.selected_wells", "index 7 is out of bounds", "size 4"],
    ),
    (
        "a.yaml",
        "stage_positions: {plate: 24-well, a1_centre_xy: [0, 0]}",
        ["a1_center_xy: missing (did you write 'a1_centre_xy' instead?)"],
    ),
    (
        "a.yaml",
        "chanels: [D]\nz_plan: {range: 3}\nchannels: [{config: D, expsure: 3}, {exposure: a}]\n"
        "stage_positions: [{x: 0, sequence: {axis_ordr: tc}}]\nz_plan: {range: 3}",
        [
            "a.yaml has 7 problems:",
            "line 1: chanels",
            "z_plan: is set twice",
            "z_plan: is none of these",
            "line 3: channels[0].expsure",
            "line 3: channels[1].exposure",
            "line 3: channels[1].config: missing",
            "line 4: stage_positions[0].sequence.axis_ordr",
        ],
    ),
    ("a.yaml", "stage_positions: {x: 0, y: 0}", ["expected a list of positions", "or a plate"]),
    ("a.yaml", f"{BOMB}metadata: {{b: *a9}}", ["stand for more than 1000000 values"]),
    ("a.yaml", f"{BOMB}channels: *a9", ["stand for more than 1000000 values"]),
    ("a.yaml", "a: &a [*a]\nmetadata: *a", ["a value that contains the alias"]),
    ("a.yaml", f"a: {'[' * 20_000}{']' * 20_000}", ["is not YAML"]),
]


def test_aliases_repeat_what_they_name(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(
        "channels: [&dapi {config: DAPI, exposure: 5}, {<<: *dapi, config: FITC}]\n"
        "stage_positions: [{x: 1, y: 2, sequence: {channels: [*dapi]}}]\n"
    )
    sequence = load_sequence(file)
    assert [(one.config, one.exposure) for one in sequence.channels] == [("DAPI", 5), ("FITC", 5)]
    assert sequence.stage_positions[0].sequence.channels[0].config == "DAPI"


@pytest.mark.parametrize(("name", "text", "words"), REFUSED)
def test_bad_file_is_refused_with_its_line(
    tmp_path: Path, name: str, text: str, words: list[str]
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SequenceError) as raised:
        load_sequence(tmp_path / name)
    for word in words:
        assert word in str(raised.value)


def test_missing_or_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SequenceError, match="does not exist"):
        load_sequence(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes("channels: [é]".encode("latin-1"))
    with pytest.raises(SequenceError, match="UTF-8"):
        load_sequence(tmp_path / "latin.yaml")


@pytest.mark.parametrize("file", sorted(DEMO.glob("*.yaml")), ids=lambda path: path.stem)
def test_demo_sequence_is_read_as_useq_reads_it(file: Path) -> None:
    assert load_sequence(file) == useq.MDASequence.from_file(file)


def test_a_byte_order_mark_and_json_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfchannels: [DAPI]")
    (tmp_path / "a.json").write_text('{\n\t"channels": ["DAPI"]\n}')
    wanted = useq.MDASequence(channels=["DAPI"])
    assert load_sequence(tmp_path / "a.yaml") == load_sequence(tmp_path / "a.json") == wanted


@pytest.mark.filterwarnings("ignore:Global grid plan")  # useq's own, on two of them
@pytest.mark.parametrize("name", sorted(CORPUS.keys() - {"setup event"}))  # useq cannot read that
def test_what_useq_writes_is_read_back(tmp_path: Path, name: str) -> None:
    sequence = CORPUS[name]()
    text = sequence.model_dump_json(exclude_unset=True)
    if json.loads(text):
        (tmp_path / "a.json").write_text(text)
        load_sequence(tmp_path / "a.json")


def test_plans_that_the_axis_order_leaves_out_are_told() -> None:
    sub = {"axis_order": "z", "channels": ["FITC"], "z_plan": {"range": 2, "step": 1}}
    sequence = useq.MDASequence(
        axis_order="pc", channels=["DAPI"], z_plan={"range": 2, "step": 1},
        stage_positions=[{"x": 0, "y": 0, "sequence": sub}],
    )  # fmt: skip
    told = list(left_out(sequence))
    assert [text.split()[0] for text in told] == ["z_plan", "stage_positions[0].sequence.channels"]
    assert list(left_out(useq.MDASequence(channels=["DAPI"]))) == []


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
def test_positions_may_be_lists_of_numbers(tmp_path: Path, name: str) -> None:
    fields = {
        "stage_positions": [[0, 0, 0], [1, 2], {"x": 3}],
        "channels": ["DAPI"],
    }
    (tmp_path / name).write_text(json.dumps(fields))
    positions = list(load_sequence(tmp_path / name).stage_positions)
    assert [(p.x, p.y, p.z) for p in positions] == [(0, 0, 0), (1, 2, None), (3, None, None)]
