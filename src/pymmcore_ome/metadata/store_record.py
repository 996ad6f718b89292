"""`StoreRecord`: how a store was declared, how it was made, and how it ended; and where it is kept.

One JSON object under the key ``pymmcore_ome``: of the root's attributes in Zarr, of `store.json` in
a folder of TIFF files, of an annotation in the OME-XML of one TIFF file. It holds the schema, so
that a store can be read back, finished or not, without guessing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from html import escape, unescape
from itertools import chain
from typing import Any, Final, Literal, get_args

from pymmcore_ome.errors import OptionError
from pymmcore_ome.frames import json_bytes
from pymmcore_ome.layout import ImageLayout, LevelPlan

KEY: Final = "pymmcore_ome"
#: The OME-XML of a Zarr store.
XML_KEY: Final = "OME/METADATA.ome.xml"
#: The document that goes into a single TIFF file as its ImageDescription.
DESCRIPTION_KEY: Final = "ome.xml"
_START: Final = (
    f'<StructuredAnnotations><CommentAnnotation ID="Annotation:{KEY}" Namespace="{KEY}"><Value>'
)
_END: Final = "</Value></CommentAnnotation>"
#: Where pymmcore-plus's own writer keeps its summary metadata, and its readers look for them.
_PLUS: Final = "pymmcore_plus"
#: Of the annotations of an OME-TIFF's planes: metadata of frames that OME has no place for.
FRAME_NAMESPACE: Final = f"{KEY}/frame"
_RESERVED: Final = (KEY, _PLUS, FRAME_NAMESPACE, "ome")

Status = Literal["complete", "canceled", "failed", "incomplete", "recovered"]


@dataclass(frozen=True)
class StoreRecord:
    """How a store was declared, how it was made, and how it ended.

    Attributes
    ----------
    version : str
        Version of pymmcore-ome that wrote the store.
    schema : dict
        The `StorageSchema`, as JSON.
    status : str
        ``"incomplete"`` from the first byte until the stream is closed.
    reason : str | None
        Why the run ended so, for ``"failed"`` and ``"canceled"``.
    backend : str
    started, ended : str | None
        ISO 8601, with offset from UTC.
    annotations : mapping of str to mapping
        What users added, by namespace.
    recovered : str | None
        When `recover` closed it; None for a store that its own program closed.
    runs : tuple of mapping
        One a run: ``started``, ``ended``, ``status``, and the ``frames`` that it added (None
        until it has ended).
    levels : mapping | None
        The resolution levels as `LevelPlan.to_record` has them; None: the full resolution alone.
    contrast : mapping of str to (low, high)
        The range of pixel values to show of each channel, by `window_key`.
    frames : dict
        ``planned`` (None: unbounded), ``written``, ``skipped``.
    acquisition : dict
        The sequence and the summary metadata of the acquisition.
    converted_from : mapping | None
        Of a converted store: ``path``, ``started``, ``status``, and ``version`` of the store that
        was converted, ``converted`` (when), and the ``options``.
    """

    version: str
    schema: Mapping[str, Any]
    status: Status = "incomplete"
    reason: str | None = None
    backend: str = ""
    started: str | None = None
    ended: str | None = None
    frames: Mapping[str, int | None] = field(default_factory=dict)
    acquisition: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    recovered: str | None = None
    levels: Mapping[str, Any] | None = None
    contrast: Mapping[str, Any] = field(default_factory=dict)
    runs: tuple[Mapping[str, Any], ...] = ()
    converted_from: Mapping[str, Any] | None = None

    def begin_run(self, started: str) -> StoreRecord:
        """Return the record of a store to which one more run writes; the store is open again."""
        run = {"started": started, "ended": None, "status": "incomplete", "frames": None}
        return replace(
            self, status="incomplete", reason=None, ended=None, recovered=None,
            runs=(*self.runs, run),
        )  # fmt: skip

    def end_run(self, status: Status, ended: str | None, frames: int) -> StoreRecord:
        """Return the record with the end of its last run.

        Parameters
        ----------
        status, ended
            Of the run.
        frames : int
            In the store.
        """
        if not self.runs:  # of an earlier version of the package
            return self
        *before, last = self.runs
        count = frames - sum(int(run.get("frames") or 0) for run in before)
        run = {**last, "ended": ended, "status": status, "frames": count}
        return replace(self, runs=(*before, run))

    def as_it_was(self, before: StoreRecord) -> StoreRecord:
        """Return the record of a complete store to which a run added nothing."""
        return replace(self, ended=before.ended, reason=before.reason, runs=before.runs)

    @property
    def level_plan(self) -> LevelPlan | None:
        """The resolution levels that the store has, or is to have."""
        return LevelPlan.of_record(self.levels)

    @property
    def levels_listed(self) -> LevelPlan | None:
        """The resolution levels that documents list: none before all are complete."""
        is_complete = self.levels is not None and self.levels.get("state") == "complete"
        return self.level_plan if is_complete else None

    def with_levels(self, plan: LevelPlan | None, *, is_complete: bool) -> StoreRecord:
        """Return the record of a store with these levels."""
        found = None if plan is None else plan.to_record(is_complete=is_complete)
        return replace(self, levels=found)

    def to_attributes(self) -> dict[str, Any]:
        """Return the record as attributes of the root."""
        attributes = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("annotations", "recovered", "levels", "runs", "contrast", "converted_from"):
            if not attributes[name]:
                del attributes[name]
        return attributes

    def annotated(self, namespace: str, mapping: Mapping[str, Any]) -> StoreRecord:
        """Return the record with an annotation; what its namespace had is updated.

        Raises
        ------
        OptionError
            On a namespace or a mapping that cannot be kept.
        """
        if not isinstance(namespace, str) or not namespace.strip():
            raise OptionError(f"namespace must be a text, got {namespace!r:.80}.")
        if namespace in _RESERVED:
            raise OptionError(f"Namespace {namespace!r} is reserved. Choose another one.")
        if not isinstance(mapping, Mapping) or not all(isinstance(key, str) for key in mapping):
            raise OptionError(
                f"An annotation must be a mapping with texts as keys, got {mapping!r:.80}."
            )
        plain = json.loads(json_bytes(dict(mapping)))
        both = {**self.annotations.get(namespace, {}), **plain}
        return replace(self, annotations={**self.annotations, namespace: both})

    def of_pymmcore_plus(self) -> dict[str, Any]:
        """Return the summary metadata as pymmcore-plus's own writer keeps it, once it is over."""
        summary = self.acquisition.get("summary")
        if self.status == "incomplete" or not isinstance(summary, Mapping) or not summary:
            return {}
        sequence = self.acquisition.get("sequence")
        return {"summary_metadata": {**summary, "mda_sequence": sequence}}

    def other_attributes(self) -> dict[str, Any]:
        """Return the attributes of the root that are not under our key."""
        summary = self.of_pymmcore_plus()
        return {_PLUS: summary} if summary else {}

    def map_annotations(self) -> str:
        """Return the MapAnnotations of an OME-XML, as text."""
        maps: dict[str, Mapping[str, Any]] = dict(self.annotations)
        if summary := self.of_pymmcore_plus():
            maps[_PLUS] = {"summary_metadata_json": json.dumps(summary["summary_metadata"])}
        return map_annotations(
            (f"Annotation:{number}", name, entries)
            for number, (name, entries) in enumerate(maps.items())
        )

    @classmethod
    def from_attributes(cls, attributes: Any) -> StoreRecord | None:
        """Read back what `to_attributes` returned; None when it is not a store record."""
        if not isinstance(attributes, Mapping):
            return None
        schema, status = attributes.get("schema"), str(attributes.get("status"))
        if status not in get_args(Status) or not isinstance(schema, Mapping):
            return None
        plain = {
            key: attributes.get(key)
            for key in ("version", "backend", "reason", "started", "ended", "recovered")
        }
        return cls(
            schema=schema,
            status=status,  # type: ignore[arg-type]  # one of them, as was just asked
            frames=_mapping(attributes.get("frames")),
            acquisition=_mapping(attributes.get("acquisition")),
            annotations=_mapping(attributes.get("annotations")),
            levels=_mapping(attributes.get("levels")) or None,
            runs=_runs(attributes.get("runs")),
            converted_from=_mapping(attributes.get("converted_from")) or None,
            contrast=_mapping(attributes.get("contrast")),
            version=str(plain.pop("version")),
            backend=str(plain.pop("backend")),
            **{key: None if value is None else str(value) for key, value in plain.items()},
        )


def _runs(value: Any) -> tuple[Mapping[str, Any], ...]:
    runs = value if isinstance(value, list) else []
    return tuple(run for run in runs if isinstance(run, Mapping) and _is_count(run.get("frames")))


def _is_count(value: Any) -> bool:
    return value is None or type(value) is int


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def file_name(image: ImageLayout) -> str:
    """Return the name of an image's own file, in a folder with one TIFF file a position."""
    return f"{image.number}.ome.tiff"


def with_record(xml: Iterable[bytes], record: Mapping[str, Any], maps: str = "") -> Iterator[bytes]:
    """Yield an OME-XML with the store record in its StructuredAnnotations, its last element.

    Parameters
    ----------
    xml : iterable of bytes
    record : mapping
    maps : str
        Further annotations.
    """
    text = json.dumps(json.loads(json_bytes(record)))  # ASCII: XML cannot hold every character
    own = f"{_START}{escape(text, quote=False)}{_END}{maps}</StructuredAnnotations>"
    yield from _with_last(xml, own.encode("utf-8", "replace"))


def with_maps(xml: Iterable[bytes], maps: str) -> Iterator[bytes]:
    """Yield an OME-XML with annotations as its last element, if there are any."""
    if not maps:
        return iter(xml)
    text = f"<StructuredAnnotations>{maps}</StructuredAnnotations>"
    return _with_last(xml, text.encode("utf-8", "replace"))


def map_annotations(maps: Iterable[tuple[str, str, Mapping[str, Any]]]) -> str:
    """Return MapAnnotations as text.

    Parameters
    ----------
    maps : iterable of (str, str, mapping)
        ID, namespace, and entries of each; values other than text are written as JSON.
    """
    return "".join(
        f'<MapAnnotation ID="{identifier}" Namespace="{_xml(name)}"><Value>'
        + "".join(f'<M K="{_xml(k)}">{_xml(_text(v))}</M>' for k, v in entries.items())
        + "</Value></MapAnnotation>"
        for identifier, name, entries in maps
    )


def _xml(text: str) -> str:
    """Return text for an attribute or an element: no reference that Bio-Formats cannot read."""
    plain = (
        text
        if text.isprintable()
        else "".join(c if c.isprintable() or c == " " else " " for c in text)
    )
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _with_last(xml: Iterable[bytes], element: bytes) -> Iterator[bytes]:
    last = b""
    for piece in chain(xml, [None]):
        if piece is None:
            head, close, tail = last.rpartition(b"</OME>")
            yield head + element + close + tail
            return
        yield last
        last = piece


def record_of_xml(xml: bytes) -> Mapping[str, Any] | None:
    """Return the store record in an OME-XML, or None when it has none."""
    start = xml.rfind(_START.encode())
    end = xml.find(_END.encode(), start)
    if start < 0 or end < 0:
        return None
    try:
        record = json.loads(unescape(xml[start + len(_START) : end].decode("ascii")))
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
