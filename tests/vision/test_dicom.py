"""DICOM against pydicom's own pipeline and the standard's formulas."""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests import tiny
from xai_audit.errors import ImageProblem
from xai_audit.index.rows import probe, probe_all
from xai_audit.run.manifest import record_of
from xai_audit.types import Entry
from xai_audit.vision.decode import decode
from xai_audit.vision.frames import frame_path

pydicom = pytest.importorskip("pydicom")

from pydicom.data import get_testdata_file  # noqa: E402
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.encaps import encapsulate  # noqa: E402
from pydicom.pixels.processing import (  # noqa: E402
    apply_color_lut,
    apply_modality_lut,
    apply_voi_lut,
    convert_color_space,
)  # fmt: skip
from pydicom.pixels.utils import pixel_array  # noqa: E402
from pydicom.uid import (  # noqa: E402
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)  # fmt: skip

LIMIT = 10**6
RNG = np.random.default_rng(0)
STORED = RNG.integers(0, 4096, (64, 80), dtype=np.uint16)
WINDOW = {"WindowCenter": 900, "WindowWidth": 1400}


def made(path, pixels, syntax=ExplicitVRLittleEndian, **tags):
    """A DICOM file of ``pixels``; the values of ``tags`` are the dataset's."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    plain = syntax if syntax not in (RLELossless, JPEG2000Lossless) else ExplicitVRLittleEndian
    data.file_meta.TransferSyntaxUID = plain
    data.SOPClassUID = data.SOPInstanceUID = "1.2.3"
    data.file_meta.MediaStorageSOPClassUID = data.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    colour = pixels.ndim == 3 and pixels.shape[-1] == 3
    data.SamplesPerPixel = 3 if colour else 1
    data.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        data.PlanarConfiguration = 0
    data.Rows, data.Columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    data.BitsAllocated = pixels.dtype.itemsize * 8
    data.BitsStored = tags.pop("BitsStored", data.BitsAllocated)
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    big = syntax == ExplicitVRBigEndian
    data.PixelData = (pixels.byteswap() if big else pixels).tobytes()
    data["PixelData"].VR = "OW" if data.BitsAllocated > 8 else "OB"
    for name, value in tags.items():
        setattr(data, name, value)
    if syntax != plain:
        data.compress(syntax, generate_instance_uid=False)
    data.save_as(path, enforce_file_format=True)
    return str(path)


def pixels(path):
    return decode(str(path), shorter_side=None, max_pixels=LIMIT)


def grey(path):
    found = pixels(path)
    assert (found == found[..., :1]).all()
    return found[..., 0]


def windowed(values, centre, width):
    """PS3.3 C.11.2.1.2.1, pixel by pixel, as 0..255."""
    out = np.zeros(values.shape)
    for place, value in np.ndenumerate(values.astype(float)):
        low, high = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
        share = (value - (centre - 0.5)) / (width - 1) + 0.5
        out[place] = 0 if value <= low else 255 if value > high else 255 * share
    return out


SYNTAXES = [
    ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian, RLELossless, JPEG2000Lossless,
]  # fmt: skip


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_slope_and_first_window_in_every_syntax(tmp_path, syntax, kind):
    path = made(
        tmp_path / "a.dcm", STORED, syntax, BitsStored=12, PhotometricInterpretation=kind,
        RescaleSlope=2, RescaleIntercept=-1024, WindowCenter=[40, 900], WindowWidth=[4000, 20],
    )  # fmt: skip
    expected = windowed(STORED * 2.0 - 1024, 40, 4000)
    expected = 255 - expected if kind == "MONOCHROME1" else expected
    assert np.abs(grey(path) - expected).max() <= 0.51
    found = probe(path, max_pixels=LIMIT)
    assert (found.format, found.mode, found.height, found.width) == ("DICOM", "L", 64, 80)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("signed", [False, True])
def test_windows_are_those_of_pydicom(tmp_path, function, signed):
    stored = STORED.astype(np.int16) - 2000 if signed else STORED
    path = made(tmp_path / "a.dcm", stored, **WINDOW, VOILUTFunction=function)
    data = pydicom.dcmread(path)
    seen = apply_voi_lut(apply_modality_lut(data.pixel_array, data), data, index=0)
    low, high = (-(2**15), 2**15 - 1) if signed else (0, 2**16 - 1)
    assert np.abs(grey(path) - (seen - low) / (high - low) * 255).max() <= 0.51


def table(entries, bits, first=0):
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item.add_new("LUTData", "US", entries)
    return [item]


def test_tables_of_modality_and_values_of_interest(tmp_path):
    entries = [int(v) for v in (np.arange(4096) ** 2 // 4096)[::-1]]
    path = made(tmp_path / "a.dcm", STORED, BitsStored=12, VOILUTSequence=table(entries, 12))
    data = pydicom.dcmread(path)
    seen = apply_voi_lut(data.pixel_array, data, index=0)
    np.testing.assert_array_equal(grey(path), np.rint(seen / 4095 * 255))
    modality = table([v // 16 for v in entries], 8)
    modality[0].ModalityLUTType = "US"
    path = made(tmp_path / "b.dcm", STORED, BitsStored=12, ModalityLUTSequence=modality,
                WindowCenter=128, WindowWidth=256)  # fmt: skip
    data = pydicom.dcmread(path)
    seen = windowed(apply_modality_lut(data.pixel_array, data), 128, 256)
    assert np.abs(grey(path) - seen).max() <= 0.51


def test_without_a_window(tmp_path):
    path = made(tmp_path / "a.dcm", (STORED >> 5).astype(np.uint8))
    np.testing.assert_array_equal(grey(path), STORED >> 5)
    path = made(tmp_path / "b.dcm", STORED, RescaleSlope=-1, RescaleIntercept=5)
    low, high = int(STORED.min()), int(STORED.max())
    expected = np.rint((high - STORED.astype(float)) / (high - low) * 255)
    np.testing.assert_array_equal(grey(path), expected)
    flat = made(tmp_path / "c.dcm", np.full((4, 6), 9, np.uint16))
    assert not grey(flat).any()


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
def test_colour(tmp_path, syntax):
    colour = RNG.integers(0, 256, (64, 80, 3), dtype=np.uint8)
    np.testing.assert_array_equal(pixels(made(tmp_path / "a.dcm", colour, syntax)), colour)


def test_colour_of_other_kinds(tmp_path):
    stored = RNG.integers(0, 256, (64, 80, 3), dtype=np.uint8)
    path = made(tmp_path / "a.dcm", stored, PhotometricInterpretation="YBR_FULL")
    expected = convert_color_space(stored, "YBR_FULL", "RGB")
    np.testing.assert_array_equal(pixels(path), expected)
    planes = np.moveaxis(stored, 2, 0).copy()
    path = made(tmp_path / "b.dcm", stored, PlanarConfiguration=1, PixelData=planes.tobytes())
    np.testing.assert_array_equal(pixels(path), stored)
    path = get_testdata_file("examples_palette.dcm", download=False)
    data = pydicom.dcmread(path)
    expected = apply_color_lut(data.pixel_array, data) / 65535 * 255
    assert np.abs(pixels(path) - expected).max() <= 0.51
    deep = RNG.integers(0, 65536, (64, 80, 3), dtype=np.uint16)
    assert np.abs(pixels(made(tmp_path / "c.dcm", deep)) - deep / 65535 * 255).max() <= 0.51


@pytest.mark.parametrize(
    "name",
    [
        "SC_rgb_dcmtk_+eb+cy+np.dcm",  # JPEG baseline, YBR_FULL_422
        "SC_rgb_jpeg_gdcm.dcm",  # JPEG lossless
        "MR_small_jpeg_ls_lossless.dcm",  # JPEG-LS
        "GDCMJ2K_TextGBR.dcm",  # JPEG 2000, YBR_RCT
        "JPGExtended.dcm",  # JPEG of 12 bits
        "examples_ybr_color.dcm",  # 30 frames
    ],
)
def test_files_of_other_programs(name):
    path = get_testdata_file(name, download=False)
    data = pydicom.dcmread(path)
    seen = pixel_array(path, index=0, raw=True)
    if data.PhotometricInterpretation.startswith("MONO"):
        if data.get("WindowCenter") is not None:
            seen = windowed(apply_modality_lut(seen, data), data.WindowCenter, data.WindowWidth)
        else:
            seen = (seen - seen.min()) / (np.ptp(seen)) * 255
        seen = np.repeat(seen[..., None], 3, axis=2)
    elif data.PhotometricInterpretation.startswith("YBR_FULL"):
        seen = convert_color_space(seen, data.PhotometricInterpretation, "RGB")
    found = pixels(path)
    assert np.ptp(found) > 100
    assert np.abs(found - seen.astype(float)).max() <= 0.51


def test_jpeg_of_pillow(tmp_path):
    from io import BytesIO

    from PIL import Image
    from pydicom.uid import JPEGBaseline8Bit

    photo = np.kron(RNG.integers(0, 256, (4, 6, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
    stream = BytesIO()
    Image.fromarray(photo).save(stream, "JPEG", quality=95, subsampling=0)
    path = made(tmp_path / "a.dcm", photo, PhotometricInterpretation="YBR_FULL")
    data = pydicom.dcmread(path)
    data.PixelData = encapsulate([stream.getvalue()])
    data["PixelData"].is_undefined_length = True
    data.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    data.save_as(path)
    expected = np.asarray(Image.open(stream))
    assert np.abs(pixels(path).astype(int) - expected).max() <= 3


def test_an_enhanced_object_gives_its_window_for_its_frames(tmp_path):
    window, numbers, shared = Dataset(), Dataset(), Dataset()
    window.WindowCenter, window.WindowWidth = 900, 1400
    numbers.RescaleSlope, numbers.RescaleIntercept, numbers.RescaleType = 2, -100, "US"
    shared.FrameVOILUTSequence, shared.PixelValueTransformationSequence = [window], [numbers]
    frames = np.stack([STORED, STORED[::-1], STORED * 0])
    path = made(tmp_path / "a.dcm", frames, BitsStored=12, NumberOfFrames=3,
                SharedFunctionalGroupsSequence=[shared])  # fmt: skip
    assert np.abs(grey(path) - windowed(STORED * 2.0 - 100, 900, 1400)).max() <= 0.51
    assert probe(path, max_pixels=LIMIT).frames == 3


def test_what_is_no_photo_and_what_is_broken(tmp_path):
    report = get_testdata_file("test-SR.dcm", download=False)
    with pytest.raises(ImageProblem, match="without pixels") as caught:
        probe(report, max_pixels=LIMIT)
    assert caught.value.status == "unsupported"
    path = made(tmp_path / "a.dcm", STORED)
    with pytest.raises(ImageProblem) as caught:
        probe(path, max_pixels=64 * 80 - 1)
    assert caught.value.status == "too_large"
    whole = Path(path).read_bytes()
    for end in (140, 200, 400, len(whole) - 100):
        (tmp_path / "b.dcm").write_bytes(whole[:end])
        with pytest.raises(ImageProblem) as caught:
            pixels(tmp_path / "b.dcm")
        assert caught.value.status in ("unreadable", "unsupported"), end


def deflated(path, start, *, length, before=b""):
    """The DICOM file of ``start`` with the elements ``before`` and 20 MB of zeros, deflated."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    zeros = engine.compress(b"\0" * (20 * 2**20)) + engine.flush()
    path.write_bytes(start[:140] + length.to_bytes(4, "little") + start[144:] + before + zeros)
    return str(path)


# Elements of group 0, which pydicom reads as they are; the last is deflated data of no bytes, too.
COMMANDS = {
    "none": b"",
    "one": struct.pack("<HHIH", 0, 0x0100, 2, 1),
    "an end": struct.pack("<HHI", 0, 0xFF00, 0xFF) + b"\xff\xff\3".ljust(0xFF, b"\0"),
}


@pytest.mark.parametrize("length", [None, 0, 10**6, 2**32 - 1])
@pytest.mark.parametrize("before", COMMANDS.values(), ids=COMMANDS)
def test_a_deflated_bomb_is_too_large_whatever_it_states(tmp_path, monkeypatch, length, before):
    from xai_audit.vision import dicom

    monkeypatch.setattr(dicom, "_MOST_INFLATED", 10 * 2**20)
    content = Path(made(tmp_path / "a.dcm", STORED, DeflatedExplicitVRLittleEndian)).read_bytes()
    true = int.from_bytes(content[140:144], "little")
    stated = true if length is None else length
    path = deflated(tmp_path / "a.dcm", content[: 144 + true], length=stated, before=before)
    with pytest.raises(ImageProblem) as caught:
        probe(path, max_pixels=LIMIT)
    assert caught.value.status == "too_large"


def test_a_patient_is_the_group_unless_a_table_gives_one(tmp_path):
    made(tmp_path / "a.dcm", STORED, PatientID="P 17 ")
    made(tmp_path / "b.dcm", STORED)
    entries = [Entry("a.dcm", "x"), Entry("a.dcm", "x", group="site"), Entry("b.dcm", "x")]
    rows = probe_all(entries, tmp_path, max_pixels=LIMIT, threads=1)
    hashed = hashlib.sha256(b"P 17").hexdigest()[:12]
    assert [row["group"] for row in rows] == [hashed, "site", None]


@pytest.mark.parametrize("patients", ["pp", "pq", "p-"])
def test_one_patient_of_all_photos_is_no_group(tmp_path, patients):
    lines = ["path,label,group"]
    for number, patient in enumerate(patients):
        made(tmp_path / f"{number}.dcm", STORED, PatientID=patient.strip("-"))
        lines.append(f"{number}.dcm,{'ab'[number]},")
    made(tmp_path / "own.dcm", STORED, PatientID="p")
    (tmp_path / "broken.dcm").write_bytes(b"")
    (tmp_path / "t.csv").write_text("\n".join([*lines, "own.dcm,a,site", "broken.dcm,a,site"]))
    command = ["dataset=csv", f"dataset.file={tmp_path / 't.csv'}", "stages=[index]"]
    result = tiny.audit([*command, "max_failed_fraction=1", f"output_dir={tmp_path / 'out'}"])
    assert result.returncode == 0, result.stderr
    rows = pq.read_table(tmp_path / "out" / "manifest.parquet").to_pylist()
    group = {row["image_id"]: row["group"] for row in rows}
    assert group["own.dcm"] == group["broken.dcm"] == "site"
    hashed = [hashlib.sha256(p.encode()).hexdigest()[:12] if p != "-" else None for p in patients]
    one = patients == "pp"
    assert [group["0.dcm"], group["1.dcm"]] == ([None, None] if one else hashed)
    assert ("all 2 DICOM files name the same patient" in result.stderr) == one


def test_each_frame_has_its_own_window(tmp_path):
    frames, groups = np.stack([STORED, STORED[::-1], STORED.T[:64, :64].repeat(2, 1)[:, :80]]), []
    for centre in (900, 2000, 3000):
        window, group = Dataset(), Dataset()
        window.WindowCenter, window.WindowWidth = centre, 1400
        group.FrameVOILUTSequence = [window]
        groups.append(group)
    path = made(tmp_path / "a.dcm", frames, BitsStored=12, NumberOfFrames=3,
                PerFrameFunctionalGroupsSequence=groups)  # fmt: skip
    for number, centre in enumerate((900, 2000, 3000), 1):
        expected = windowed(frames[number - 1], centre, 1400)
        assert np.abs(grey(frame_path(path, number)) - expected).max() <= 0.51
    assert (grey(path) == grey(frame_path(path, 1))).all()
    with pytest.raises(ImageProblem, match="no frame 4 of 3"):
        pixels(frame_path(path, 4))


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
def test_frames_in_every_syntax(tmp_path, syntax):
    frames = RNG.integers(0, 256, (3, 64, 80), dtype=np.uint8)
    path = made(tmp_path / "a.dcm", frames, syntax, NumberOfFrames=3)
    for number in (3, 1, 2):
        np.testing.assert_array_equal(grey(frame_path(path, number)), frames[number - 1])


def test_a_number_of_frames_that_cannot_be(tmp_path):
    for count in (10_001, 2**31 - 1):
        with pytest.raises(ImageProblem, match="frames, more than 10000") as caught:
            probe(made(tmp_path / "a.dcm", STORED, NumberOfFrames=count), max_pixels=LIMIT)
        assert caught.value.status == "too_large"
    path = made(tmp_path / "a.dcm", np.stack([STORED] * 2), NumberOfFrames=3)
    with pytest.raises(ImageProblem) as caught:
        pixels(frame_path(path, 3))
    assert caught.value.status == "unreadable"
    assert probe(made(tmp_path / "a.dcm", STORED, NumberOfFrames=-1), max_pixels=LIMIT).frames == 1


def folders(root, *, apart):
    """Two classes of photos, two frames a file or each in a file of its own, with masks of each."""
    for name in "ab":
        place, masks = root / "images" / name, root / "masks" / name
        place.mkdir(parents=True)
        masks.mkdir(parents=True)
        rng = np.random.default_rng(ord(name))
        for file in range(4):
            frames = rng.integers(0, 256, (2, 64, 80), dtype=np.uint8)
            patient = f"{name}{file}"
            if not apart:
                made(place / f"{file}.dcm", frames, NumberOfFrames=2, PatientID=patient)
            for number, frame in enumerate(frames, 1):
                if apart:
                    made(place / f"{file}-{number}.dcm", frame, PatientID=patient)
                mask = np.zeros((64, 80), np.uint8)
                mask[8 * number : 40, 10:50] = 255
                stem = f"{file}-{number}" if apart else f"{file}#{number}"
                Image.fromarray(mask).save(masks / f"{stem}.png")


def test_frames_are_the_photos_that_they_would_be_in_files_of_their_own(tmp_path):
    found = {}
    for apart in (False, True):
        root, out = tmp_path / f"root{apart}", tmp_path / f"out{apart}"
        folders(root, apart=apart)
        done = tiny.audit(tiny.overrides(root, out, "model.kwargs={num_classes: 2}"))
        assert done.returncode == 0, done.stderr
        line = "8 DICOM files have several frames: each of 16 is a photo"
        assert (line in done.stderr) != apart
        tables = [pd.read_parquet(out / name) for name in ("attributions", "scores")]
        groups = pd.read_parquet(out / "manifest.parquet")[["image_id", "group", "status"]]
        found[apart] = [*tables, groups]
    (heatmaps, scores, groups), theirs = found[False], found[True]
    assert sorted(set(heatmaps.image_id))[:3] == ["a/0.dcm#1", "a/0.dcm#2", "a/1.dcm#1"]
    assert groups.group.nunique() == 8
    assert (scores.mass_object.notna() & (scores.score_status == "ok")).all()
    for mine, other in zip((heatmaps, scores, groups), theirs, strict=True):
        mine = mine.assign(
            image_id=mine.image_id.str.replace(r"\.dcm#(\d)$", r"-\1.dcm", regex=True)
        )
        pd.testing.assert_frame_equal(mine, other)


@pytest.mark.parametrize("patient", ["", "p"])
def test_frames_of_one_file_are_a_group_where_their_patient_is_none(tmp_path, patient):
    for name in "ab":
        (tmp_path / "photos" / name).mkdir(parents=True)
        frames = np.stack([STORED, STORED])
        made(tmp_path / "photos" / name / "1.dcm", frames, NumberOfFrames=2, PatientID=patient)
        made(tmp_path / "photos" / name / "2.dcm", STORED, PatientID=patient)
    made(tmp_path / "photos" / "b" / "1.dcm#2", STORED, PatientID=patient)  # a file's own name
    command = ["dataset=imagefolder", f"dataset.root={tmp_path / 'photos'}", "stages=[index]"]
    result = tiny.audit([*command, f"output_dir={tmp_path / 'out'}"])
    assert result.returncode == 0, result.stderr
    manifest = pq.read_table(tmp_path / "out" / "manifest.parquet")
    group = dict(zip(*(manifest.column(name).to_pylist() for name in ("image_id", "group")),
                     strict=True))  # fmt: skip
    assert group == {
        "a/1.dcm#1": "a/1.dcm", "a/1.dcm#2": "a/1.dcm", "a/2.dcm": None, "b/1.dcm#1": "b/1.dcm",
        "b/1.dcm#2~": "b/1.dcm", "b/1.dcm#2": None, "b/2.dcm": None,
    }  # fmt: skip
    records = [record_of(manifest, row, tmp_path / "photos") for row in range(manifest.num_rows)]
    assert all(pixels(record.path).shape == (64, 80, 3) for record in records)
