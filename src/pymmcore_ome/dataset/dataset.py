"""`open_dataset`: read a store back, finished or not. It never writes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pymmcore_ome.disk import StoreLocation, local_path
from pymmcore_ome.errors import NotAStoreError, SchemaError
from pymmcore_ome.frames import NOT_AS_ASKED, provisional, read_table
from pymmcore_ome.layout import Layout, grown_plan, layout_of
from pymmcore_ome.metadata import Status, StoreRecord
from pymmcore_ome.schema import Position, StorageSchema

from .image import Image, data_array, missing_library
from .stored import Stored, StoredTiff, StoredZarr

if TYPE_CHECKING:
    import pyarrow
    import xarray

_FACTS: Final = ("delta_t_s", "exposure_ms", "x_um", "y_um", "z_um", "channel", NOT_AS_ASKED)
_DEEPEST: Final = 5  # folders between a chunk's file and the root: well, field, array


class Dataset:
    """A store that this package wrote. Made by `open_dataset`.

    Attributes
    ----------
    path : Path
    location : StoreLocation
        Its path and format.
    stored : Stored
        Its documents and arrays on disk.
    record : StoreRecord
        How the store was declared, made and ended.
    layout : Layout
    images : list of Image
        In order of first visit.
    """

    def __init__(self, stored: Stored, record: StoreRecord, layout: Layout) -> None:
        self.stored = stored
        self.location = stored.location
        self.path = stored.location.path
        self.record = record
        self.layout = layout
        levels = record.levels_listed
        self.images = [Image(stored, image, levels) for image in layout.images]

    @property
    def status(self) -> Status:
        """``complete``, ``canceled``, ``failed``, ``incomplete`` or ``recovered``."""
        return self.record.status

    @property
    def schema(self) -> StorageSchema:
        """What the store was declared to contain."""
        return self.layout.schema

    @property
    def acquisition(self) -> Mapping[str, Any]:
        """The sequence and the summary metadata of the acquisition."""
        return self.record.acquisition

    @property
    def annotations(self) -> Mapping[str, Mapping[str, Any]]:
        """What users added to the store, by namespace."""
        return self.record.annotations

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The runs that wrote the store, one dict each: first the run that made it.

        Keys: ``started`` and ``ended`` (ISO 8601; None for unknown), ``status``, ``frames`` (that
        the run added; None for unknown).
        """
        return [dict(run) for run in self.record.runs]

    @property
    def lost_table(self) -> str | None:
        """What to do about a frame table that is not where it was written; None: it is there.

        An OME-TIFF may have been moved or renamed without it.
        """
        table = self.location.table
        written = self.record.frames.get("written")
        if not written or table.exists() or provisional(table).exists():
            return None
        return (
            f"the frame table {table.name} is not next to its store, so it is not known which of "
            f"the {written} written frames are where. Move or rename it together with the store"
        )

    def frames(self) -> list[dict[str, Any]]:
        """Return one dict a stored frame, in order of arrival.

        Keys: ``image`` (path), ``index`` (tuple, storage order without Y and X),
        ``event_index``, ``delta_t_s``, ``exposure_ms``, ``x_um``, ``y_um``, ``z_um``,
        ``channel``, ``metadata``.
        """
        return _in_order(read_table(self.location.table))

    def not_as_asked(self) -> list[dict[str, Any]]:
        """Return the frames with settings that failed to apply, as `frames` lists them.

        The core rejected a setting, and the engine acquired the frame anyway: a stage did not
        move, a channel was not set. Which one, and why, is text in
        ``frame["metadata"]["not_as_asked"]``.
        """
        return _in_order(row for row in read_table(self.location.table) if is_marked(row))

    def table(self) -> pyarrow.Table:
        """Return the frame table as an Arrow table, with the extra ``analysis``.

        One row a stored frame, in order of arrival. Columns: ``image`` and ``label``; the index in
        the array by axis (``t``, ``c``, ``z``); that of the event (``event_t``, ``event_p``, …);
        ``delta_t_s``, ``exposure_ms``, ``x_um``, ``y_um``, ``z_um``, ``channel``,
        ``not_as_asked``; and all other metadata, a column a key.

        Raises
        ------
        OptionError
            When pyarrow is not installed.
        """
        return frame_table(self)

    def xarray(self) -> xarray.DataTree:
        """Return all images as an xarray tree, with the extra ``analysis``.

        A node an image, by its name, and below it a node a resolution level: the full resolution
        of image ``Pos0`` is ``tree["Pos0/0/image"]``, as `Image.xarray` returns it. Slashes in
        names become underscores.

        Raises
        ------
        OptionError
            When xarray or dask is not installed.
        """
        return data_tree(self)

    def __repr__(self) -> str:
        return f"<Dataset {self.path.name!r} {self.status}, {len(self.images)} images>"


def open_dataset(path: str | os.PathLike[str]) -> Dataset:
    """Open a store for reading, of either format and whatever its status.

    Raises
    ------
    NotAStoreError
        When the path does not exist, or is not a store that this package wrote.
    """
    root = local_path(path)
    if (replaced := StoreLocation.of_interrupted(root)) is not None:
        raise NotAStoreError(
            f"{root} was being replaced when its program ended, and {replaced.set_aside} is the "
            "store that was there before. Put it back with `pymmcore-ome recover`."
        )
    if not root.exists():
        raise NotAStoreError(f"{root} does not exist.")
    location = StoreLocation.of_existing(root)
    if location is None:
        whole = _store_around(root)
        what = "is neither an OME-Zarr store nor an OME-TIFF." if whole is None else whole
        raise NotAStoreError(f"{root} {what}")
    if location.table.exists() and not location.table.is_file():
        raise NotAStoreError(f"{root} is damaged: {location.table} is not a file.")
    stored = _stored(location)
    record = StoreRecord.from_attributes(stored.store_record)
    if record is None:
        if (whole := _store_around(root)) is not None:
            raise NotAStoreError(f"{root} {whole}")
        raise NotAStoreError(
            f"{root} was not written by pymmcore-ome. Open it with a general reader, such as "
            "napari, zarr.open or tifffile."
        )
    try:
        schema = StorageSchema.of_fields(record.schema)
        if schema.grows and schema.images is None:
            schema = _with_found_images(schema, stored)
        return Dataset(stored, record, layout_of(schema, stored.named))
    except (
        SchemaError,
        OSError,
        LookupError,
        ValueError,
        TypeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise NotAStoreError(
            f"{root} is damaged: its description cannot be read: {error}"
        ) from error


def is_marked(row: Mapping[str, Any]) -> bool:
    """Whether a setting of the frame failed to apply."""
    return bool((row.get("metadata") or {}).get(NOT_AS_ASKED))


def _in_order(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of the frame table in order of arrival, without the columns of internal use."""
    found = sorted(rows, key=lambda row: int(row.get("arrival", 0)))
    for row in found:
        row.pop("arrival", None)
        row.pop("checksum", None)
    return found


def _stored(location: StoreLocation) -> Stored:
    return StoredZarr(location) if location.format == "ome-zarr" else StoredTiff(location)


def _store_around(path: Path) -> str | None:
    """Return which store a path is a part of (an image, a frame table); None: of none."""
    beside = path.with_name(path.name.removesuffix(".frames.jsonl"))
    for whole in (beside, *path.parents[:_DEEPEST]):
        location = None if whole == path else StoreLocation.of_existing(whole)
        attributes = None if location is None else _stored(location).store_record
        if StoreRecord.from_attributes(attributes) is not None:
            return f"is a part of the store {whole}. Give that path."
    return None


def _with_found_images(schema: StorageSchema, stored: Stored) -> StorageSchema:
    """Return the schema of a growing store that was not closed, with the images it has so far.

    Their positions and channels are in the frame table only: `recover` reads them.
    """
    plans = tuple(
        grown_plan(
            schema,
            at={"image": number},
            position=Position(name=found.name),
            sizes=found.sizes,
            channels={},
            camera=found.camera,
        )
        for number, found in enumerate(stored.found_images())
    )
    return schema.replace(images=plans or None)


def data_tree(dataset: Dataset) -> xarray.DataTree:
    """Return all images as an xarray tree: a node an image, by name, and below it one a level."""
    try:
        import xarray
    except ImportError as error:
        raise missing_library("Labeled arrays need xarray", error) from error
    by_image: dict[str, list[dict[str, Any]]] = {}
    for row in dataset.frames():
        by_image.setdefault(row["image"], []).append(row)
    nodes: dict[str, xarray.Dataset] = {
        "/": xarray.Dataset(attrs={"status": dataset.status, "store": str(dataset.path)})
    }
    for image in dataset.images:
        rows = None if dataset.lost_table else by_image.get(image.path, [])
        for level in image.levels:
            name = image.name.replace("/", "_")
            nodes[f"/{name}/{level.level}"] = data_array(level, rows).to_dataset()
    return xarray.DataTree.from_dict(nodes)


def frame_table(dataset: Dataset) -> pyarrow.Table:
    """Return the frame table as an Arrow table, with the columns of `flat_rows`."""
    try:
        import pyarrow
    except ImportError as error:
        raise missing_library("Arrow tables need pyarrow", error) from error
    rows = flat_rows(dataset)
    columns = {name: _one_kind([row[name] for row in rows]) for name in (rows[0] if rows else ())}
    return pyarrow.table(columns)


def flat_rows(dataset: Dataset) -> list[dict[str, Any]]:
    """Return one row for each frame, in order of arrival, all with the same columns.

    ``image`` and ``label``; the index in the array by axis (``t``, ``c``, ``z``); the index of
    the event (``event_t``, ``event_p``, …); time, exposure, stage coordinates, channel; the
    settings that failed to apply, or None; and all other metadata of the frame. Device properties
    are named ``Device-Property``, as in Micro-Manager; nested metadata is JSON.
    """
    images = {image.path: image for image in dataset.images}
    rows: list[dict[str, Any]] = []
    axes: dict[str, None] = {}
    events: dict[str, None] = {}
    rest: dict[str, None] = {}
    for frame in dataset.frames():
        image = images.get(frame["image"])  # a damaged table may name an unknown one
        place = {} if image is None else dict(zip(image.axes, frame["index"], strict=False))
        event = {f"event_{axis}": n for axis, n in frame["event_index"].items()}
        more = dict(_more(frame["metadata"]))
        marked = frame["metadata"].get(NOT_AS_ASKED)
        axes |= dict.fromkeys(place)
        events |= dict.fromkeys(event)
        rest |= dict.fromkeys(more)
        row = {"image": frame["image"], "label": None if image is None else image.label}
        facts = {name: frame.get(name) for name in _FACTS}
        facts[NOT_AS_ASKED] = "; ".join(map(str, marked)) if isinstance(marked, list) else marked
        rows.append({**more, **row, **place, **event, **facts})  # our columns win
    columns = ["image", "label", *axes, *events, *_FACTS]
    columns += [name for name in rest if name not in columns]
    return [{name: row.get(name) for name in columns} for row in rows]


def _more(metadata: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in metadata.items():
        if name == "property_values" and isinstance(value, list):
            for item in value:
                known = item if isinstance(item, dict) else {"prop": name, "val": item}
                yield f"{known.get('dev')}-{known.get('prop')}", known.get("val")
        elif isinstance(value, (dict, list)):
            yield name, json.dumps(value, ensure_ascii=False)
        else:
            yield name, value


def _one_kind(values: Sequence[Any]) -> Iterable[Any]:
    """Return values that fit into one column: numbers of one kind, or text."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) < 2:
        return values
    if kinds <= {int, float}:
        return [None if value is None else float(value) for value in values]
    return [None if value is None else str(value) for value in values]
