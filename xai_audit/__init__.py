"""xai_audit examines whether an image classifier is right for the right reasons.

It explains a model's decisions on a folder of photos, measures where the relevance lies, and tests
by experiment which shortcuts (borders, corners, backgrounds, stamps, colours, ...) the model
relies on. The command line is ``python -m xai_audit --help``; from Python::

    import xai_audit

    run = xai_audit.audit(model, "photos/val", masks="masks", method="gradcam", output_dir="out")
    same = xai_audit.load("out")

The modules by layer; each imports only from layers above its own in this table:

    layer  module         what it holds
    -----  -------------  --------------------------------------------------------------------
        1  errors         the errors that users see, one line each
        1  types          the contracts of all plugins, and the data that they exchange
        1  schema         names and types of the columns of all tables
        1  language       the words that people read, and their language
        2  store          files in object stores: addresses, retries, a cache on the disk
        2  config         typed keys with their limits, composed by Hydra, built into plugins
        3  run            the files of an output folder: paths, record, manifest, reading back
        4  statistics     intervals, p-values and placements
        5  vision         photos: opening, decoding, the eval transform, regions
        6  network        the model: preparing, target layer, precision, batch size, seeds
        7  data           plugins: folders, tables and data sets of photos
        7  models         plugins: torchvision, timm, one's own
        7  methods        plugins: attribution methods
        7  masks          plugins: where the object is
        7  cues           plugins: candidate shortcuts
        8  work           what a stage is, its parts, and the driver that runs stages
        9  engines        where the parts are worked on
        9  index          image folder -> manifest
        9  score          heatmaps and regions -> where the relevance lies
        9  flags          images that are unusual for their class
        9  mixing         training photos whose surroundings say nothing of their class
       10  attribute      photos and model -> heatmaps
       10  demo           the embedded data set: rendered flowers with known shortcuts
       10  discovery      clusters of heatmaps that become cues
       11  evidence       availability, attention, reliance and the verdict of each cue
       12  faithfulness   whether the maps of a method can be trusted
       12  agreement      whether the methods agree
       12  confusion      what separates classes that the model confuses
       12  adversarial    the smallest changes that flip a decision
       12  augmentation   what flips, crops, rotations, colours, blur and noise change
       12  report         tables and photos -> HTML
       13  compare        what changed between finished audits
       14  gate           whether an audit holds to the rules that its user set
       15  pipeline       the stages in their order
       16  budget         as good an answer as some time allows
       16  estimate       what an audit would cost
       16  notebook       a run's answer, photos and proofs, as a notebook shows them
       17  arguments      arguments from Python -> overrides of the command line
       17  verbs          what the command line can do, one file a verb
       18  cli            command line -> verb -> exit code
       19  __main__       python -m xai_audit, python -m xai_audit.work
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

    from xai_audit.notebook.run import AuditRun

__version__ = "0.1.0"
__all__ = ["audit", "load"]


def audit(
    *given: object,
    masks: str | os.PathLike[str] | None = None,
    method: str | Sequence[str] | None = None,
    transform: object | None = None,
    config_dir: str | os.PathLike[str] | None = None,
    **keys: object,
) -> AuditRun:
    """The finished run of an audit of a model on photos; the same again resumes it.

    It does the same as the command line, with its keys and defaults; relative paths start from the
    current folder. Logging stays as the caller has set it up. In the main thread SIGINT and SIGTERM
    end it and finished parts are kept; in other threads signals are not handled. A module is
    audited as a copy: the caller's stays on its device, in its mode, with its gradients and hooks.

    Example:
        >>> run = audit(model, "photos/val", masks="masks", method="gradcam")
        >>> run = audit("resnet50", dataset, limit=200)
        >>> run = audit("dataset=imagefolder", "dataset.root=photos", "output_dir=out")

    Args:
        *given: the model, the photos, then overrides ``key=value`` as on the command line; each may
            be left out. The model is a ``torch.nn.Module`` whose forward gives (B, K) logits, a
            name of torchvision's or timm's, or ``package.module:callable``. The photos are a folder
            of class folders, a CSV or Parquet file, a folder of shards, an address in a store, or a
            dataset in memory whose item i is (image, label): its photos are taken as they are
            before its own transform, which becomes the model's.
        masks: of the objects: a folder, a COCO file, a CSV of boxes, or a choice of ``masks=``.
        method: an attribution method, or several.
        transform: what the model's input was made with in its evaluation, of torchvision's classes.
        config_dir: folder of YAML files of one's own, as ``--config-dir``.
        **keys: keys of the configuration: ``limit=60``, ``compute={"device": "cpu"}``.

    Raises:
        ConfigError: a key, a value, a dataset, a model or an output folder that cannot work.
        GateError: a rule of ``gate`` does not hold; the run is complete, in the error's ``folder``.
        TooManyFailuresError: more images failed than ``max_failed_fraction``; the run is complete.
        StoppedError: a signal ended it.
        PluginError: a plugin broke its contract.
    """
    from pathlib import Path

    from xai_audit.arguments.read import arguments
    from xai_audit.config.compose import compose

    found = arguments(given, masks=masks, method=method, transform=transform, keys=keys)
    folders = [] if config_dir is None else [Path(config_dir)]
    spec = compose(found.overrides, config_dirs=folders)
    from xai_audit.budget.within import audited

    run = load(audited(spec))
    run.keep(*found.held)
    return run


def load(folder: str | Path) -> AuditRun:
    """The run in ``folder``, an output folder or its address: its tables, answer and pictures.

    Torch is not imported, but for a proof. Of an address this machine keeps a copy.

    Example:
        >>> run = load("outputs/flowers/flowers/gradcam")
    """
    from xai_audit.notebook.run import AuditRun
    from xai_audit.run.home import paths_of

    return AuditRun(paths_of(folder).root)
