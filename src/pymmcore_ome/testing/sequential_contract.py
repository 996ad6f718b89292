"""`SequentialZarrContract`: what a backend passes that writes every image front to back.

It checks that such a backend refuses what it cannot hold, in full and before it makes a
file, and fills holes; it accepts no frame that is lost.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pymmcore_ome.dataset import open_dataset, validate
from pymmcore_ome.errors import OptionError, OutOfOrderError, RepeatedFrameError
from pymmcore_ome.layout import FrameRouter
from pymmcore_ome.schema import Channel, Dimension, EventOrder, StorageSchema
from pymmcore_ome.stream import open_stream

from .contract import FRAME, SHAPE, Contract, jagged, loops
from .frames import encoded_frame

_REFUSED: dict[str, tuple[StorageSchema, list[str]]] = {
    "loops": (loops({"z": 3, "t": 2, "c": 2}), [r"\(z, t, c\).*stored as \(t, c, z\)"]),
    "unbounded": (
        loops({"z": None, "t": 2, "p": 2}),
        ["only the slowest stored axis", "order in which they are stored"],
    ),
    "rgb planes": (
        loops({"t": 2, "z": 2}).replace(rgb=True),
        ["red, green and blue.* z is between"],
    ),
    "no order": (jagged(3), ["order of frames must be known"]),
    "events": (
        jagged(2).replace(order=EventOrder(axes=("p", "z"), rows=((1, 1), (0, 0), (1, 0)))),
        [r"1 of 2 images.*image 1 \(image 1\) z 0 after z 1"],
    ),
    "grows": (
        StorageSchema(dimensions=(Dimension(name="t"), *FRAME), dtype="uint8", grows=True),
        ["grows with its frames"],
    ),
}


class SequentialZarrContract(Contract):
    """What every sequential backend for OME-Zarr must do.

    A subclass names `compressions` that its backend has.
    """

    compressions: tuple[str | None, ...] = (None,)

    def check(self, path: Path, schema: StorageSchema, numbers: dict[Any, int]) -> None:
        """Assert that exactly these frames are stored, by zarr-python and by tensorstore."""
        super().check(path, schema, numbers)
        for image in open_dataset(path).images:
            np.testing.assert_array_equal(self.read(path, image.path), image[...])

    @pytest.mark.parametrize(
        ("nest", "order"),
        [({"t": 2, "c": 2, "z": 3}, "ome"), ({"t": 2, "c": 2, "z": 3}, ["t", "c", "z"]),
         ({"t": 3, "p": 2, "c": 2, "z": 2}, "ome"), ({"p": 2, "t": 3, "c": 2}, "acquisition"),
         ({"t": 2, "c": 2, "cam": 2, "z": 1}, "ome"), ({"p": 3}, "ome"), ({"z": 4}, "ome"),
         ({"t": 1, "z": 3, "p": 2, "g": 2, "c": 1}, "ome")],
    )  # fmt: skip
    def test_orders_of_storage_that_are_acquired_read_back(
        self, path: Path, nest: dict[str, int], order: Any
    ) -> None:
        schema = loops(nest, order=order)
        self.check(path, schema, self.write(path, schema))
        assert validate(path) == []

    @pytest.mark.parametrize(
        "nest",
        [{"t": 3, "z": 4, "c": 2}, {"t": 2, "p": 2, "z": 3, "c": 2}, {"t": None, "z": 3, "c": 2},
         {"t": 2, "z": 3, "c": 2, "cam": 2}, {"t": 1, "z": 3, "p": 2, "c": 2},
         {"p": 2, "t": 2, "z": 1, "c": 2}],
    )  # fmt: skip
    @pytest.mark.parametrize("came", [None, [0, 1, 4, 5, 9, 10], [3, 7], [0]])
    @pytest.mark.parametrize("chunks", [None, {"t": 2, "z": 2, "c": 2}])
    def test_loops_in_another_order_than_storage_read_back_or_are_refused(
        self, path: Path, nest: dict[str, Any], came: list[int] | None, chunks: Any
    ) -> None:
        schema = loops(nest)
        count = len(FrameRouter(schema)) if nest["t"] else 14
        came = [number for number in came or range(count) if number < count]
        options: Any = {"backend": self.backend, "chunks": chunks}
        if not self.backend.reorders and nest.get("z") != 1:
            with pytest.raises(OptionError, match="acquire in storage order"):
                open_stream(path, schema, **options)
            return
        numbers: dict[Any, int] = {}
        plan = list(islice(FrameRouter(schema).frames(), count))
        with open_stream(path, schema, **options) as stream:
            for number in came:
                address = stream.append(encoded_frame(number, SHAPE), at=plan[number][0])
                numbers[address.image, address.index] = number
            if came != list(range(count)):
                with pytest.raises((OutOfOrderError, RepeatedFrameError)):
                    stream.append(encoded_frame(99, SHAPE), at=plan[came[-1]][0])
        self.check(path, schema, numbers)

    @pytest.mark.parametrize("came", [[0, 3, 4, 7, 11], [11], [5, 6, 7], [0, 1, 2, 9, 10]])
    @pytest.mark.parametrize("chunks", [None, {"t": 2, "c": 2}])
    def test_holes_read_as_zero(self, path: Path, came: list[int], chunks: Any) -> None:
        schema = loops({"t": 3, "p": 2, "c": 2})
        numbers = self.write(path, schema, came, chunks=chunks)
        self.check(path, schema, numbers)
        assert f"{12 - len(came)} of 12 planned frames are missing" in validate(path)[0]

    def test_skipped_frames_and_sparse_channels_read_as_zero(self, path: Path) -> None:
        channels = (Channel(name="a"), Channel(name="b", every=2))
        dims = (Dimension(name="t", size=5), Dimension(name="c", coords=channels))
        schema = StorageSchema(dimensions=(*dims, *FRAME), dtype="uint16")
        numbers: dict[Any, int] = {}
        with open_stream(path, schema, backend=self.backend) as stream:
            for number in range(len(FrameRouter(schema))):
                if number in (0, 3, 4):
                    stream.skip()
                    continue
                address = stream.append(encoded_frame(number, SHAPE))
                numbers[address.image, address.index] = number
        assert len(numbers) == 5
        self.check(path, schema, numbers)

    @pytest.mark.parametrize("nest", [{"t": 2, "p": 2}, {"p": 2, "c": 2, "z": 1}, {"c": 2}])
    def test_rgb_frames_read_back(self, path: Path, nest: dict[str, int]) -> None:
        self.check_rgb(path, nest)

    @pytest.mark.parametrize("first", ["t", "c"])
    def test_unbounded_axis_grows(self, path: Path, first: str) -> None:
        self.check_unbounded(path, first)

    def test_unbounded_axis_with_gaps_reads_back(self, path: Path) -> None:
        schema = loops({"t": None, "p": 2, "z": 2})
        numbers: dict[Any, int] = {}
        with open_stream(path, schema, backend=self.backend, chunks={"t": 2}) as stream:
            for number, (t, p, z) in enumerate([(1, 0, 1), (4, 0, 0), (0, 1, 1), (5, 0, 0)]):
                address = stream.append(encoded_frame(number, SHAPE), at={"t": t, "p": p, "z": z})
                numbers[address.image, address.index] = number
        assert [image.shape for image in open_dataset(path).images] == [(6, 2, 6, 8), (1, 2, 6, 8)]
        self.check(path, schema, numbers)

    @pytest.mark.parametrize(
        ("chunks", "shards"),
        [(None, None), ({"y": 3, "x": 5}, None), ({"t": 2, "z": 3}, None),
         ({"y": 3}, {"t": 2, "y": 6}), (None, {"t": 2, "z": 3}), ({"z": 2}, {"z": 4, "t": 8})],
    )  # fmt: skip
    def test_chunks_shards_and_compression_read_back(
        self, path: Path, chunks: Any, shards: Any
    ) -> None:
        schema = loops({"t": 3, "z": 3})
        for compression in self.compressions:
            numbers = self.write(
                path, schema, [0, 1, 3, 4, 8], chunks=chunks, shards=shards,
                compression=compression, overwrite=True,
            )  # fmt: skip
            self.check(path, schema, numbers)

    @pytest.mark.parametrize("nest", [{"p": 300, "t": 2}, {"t": 2, "p": 40}])
    def test_many_images_read_back(self, path: Path, nest: dict[str, int]) -> None:
        schema = loops(nest)
        numbers = self.write(path, schema)
        by_image: dict[str, list[int]] = {}
        for (image, _), number in numbers.items():
            by_image.setdefault(image, []).append(number)
        for image in list(by_image)[:: max(1, nest["p"] // 8)]:
            expected = [encoded_frame(number, SHAPE) for number in by_image[image]]
            np.testing.assert_array_equal(self.read(path, image), expected)

    @pytest.mark.parametrize("chunks", [None, {"t": 4}])
    def test_frame_out_of_order_is_refused_and_nothing_lost(self, path: Path, chunks: Any) -> None:
        schema = loops({"t": 4, "p": 2, "c": 2})
        numbers: dict[Any, int] = {}
        steps: list[tuple[tuple[int, int, int], type[Exception] | None]] = [
            ((1, 0, 0), None), ((0, 0, 1), OutOfOrderError), ((1, 0, 0), RepeatedFrameError),
            ((0, 1, 1), None), ((0, 1, 0), OutOfOrderError), ((1, 0, 1), None),
            ((3, 0, 1), None), ((3, 0, 0), OutOfOrderError), ((2, 1, 0), None),
        ]  # fmt: skip
        with open_stream(path, schema, backend=self.backend, chunks=chunks) as stream:
            for number, ((t, p, c), refused) in enumerate(steps):
                at, frame = {"t": t, "p": p, "c": c}, encoded_frame(number, SHAPE)
                if refused is not None:
                    with pytest.raises(refused, match=rf"{{t: {t}, p: {p}, c: {c}}}"):
                        stream.append(frame, at=at)
                    continue
                address = stream.append(frame, at=at)
                numbers[address.image, address.index] = number
            assert stream.progress.frames_appended == len(numbers) == 5
        self.check(path, schema, numbers)
        assert len(open_dataset(path).frames()) == 5

    def test_next_place_of_the_plan_is_kept_when_it_is_refused(self, path: Path) -> None:
        schema = loops({"t": 3})
        with open_stream(path, schema, backend=self.backend) as stream:
            stream.append(encoded_frame(1, SHAPE), at={"t": 1})
            with pytest.raises(OutOfOrderError, match="tensorstore"):
                stream.append(encoded_frame(0, SHAPE))
            stream.skip(2)
            stream.append(encoded_frame(2, SHAPE))
        self.check(path, schema, {("", (1,)): 1, ("", (2,)): 2})

    @pytest.mark.parametrize("case", _REFUSED)
    def test_orders_that_it_cannot_hold_are_refused_at_open(self, path: Path, case: str) -> None:
        schema, reasons = _REFUSED[case]
        with pytest.raises(OptionError) as refused:
            open_stream(path, schema, backend=self.backend, compression="lzw", bigtiff=False)
        for reason in [*reasons, "compression 'lzw'", "classic TIFF, are for OME-TIFF"]:
            assert refused.match(reason)
        assert not path.exists()
        assert list(path.parent.iterdir()) == []
