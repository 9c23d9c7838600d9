"""The twenty units: where each stands in the slides' agenda, what it answers, and how many labels its paper had."""

from dataclasses import dataclass

GROUPS = {
    "Acquisition": "Medical data acquisition",
    "History": "Neural networks history",
    "Detection": "Medical applications",
    "Segmentation": "Medical applications",
    "Other answers": "Medical applications",
    "Exploration": "Network exploration",
    "Summary": "Summary",
}
"""The slides' agenda in their order and words, its longest part taken apart by what is answered: group to part."""

ANSWERS = ("a class", "a place", "an outline", "a match", "moments", "what is odd")
"""What one may ask of a picture or a cell, in it, of two pictures, of a recording, of healthy people alone."""

INPUTS = ("2D", "3D", "sequence", "table")


@dataclass(frozen=True)
class Unit:
    """One unit of the course.

    Attributes
    ----------
    slug
        Its name in files: two digits and a name.
    title
        A few words for a map.
    group
        Of `GROUPS`.
    answers, inputs
        Of `ANSWERS` and `INPUTS`, what its paper's network gives and sees; empty for units that serve every task.
    labelled
        How many labelled cases its paper had; 0 for methods without labels; None where the unit rests on no one paper
        or the number is not in this course's record.
    counted
        What these cases are.
    """

    slug: str
    title: str
    group: str
    answers: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    labelled: int | None = None
    counted: str = ""

    @property
    def number(self) -> int:
        """The unit's number, from 1."""
        return int(self.slug[:2])

    @property
    def part(self) -> str:
        """The part of the slides' agenda that it belongs to."""
        return GROUPS[self.group]

    @property
    def serves_all(self) -> bool:
        """Whether it is of use whatever is asked."""
        return not self.answers


# Numbers of labelled cases: Chan 1995, Setio 2016 (LIDC-IDRI), Roth 2016 (lymph nodes), Dou 2016, Maji 2016 (DRIVE, to
# train on), Moeskops 2016 (the smallest of three groups), Ronneberger 2015 (EM), Christ 2016 (with tumours), DiPietro
# 2016 (JIGSAWS), Bar 2015, Tajbakhsh 2016 (polyps).
UNITS = (
    Unit("01_modalities", "How pictures are made", "Acquisition"),
    Unit("02_challenges", "What makes them hard", "Acquisition"),
    Unit("03_cnn_history", "Networks of the 1990s", "History", ("a class", "a place"), ("2D",), 52, "films"),
    Unit("04_deep_cnns", "What depth changed", "History"),
    Unit("05_cad_multiview", "Nodules in nine planes", "Detection", ("a place",), ("3D",), 888, "scans"),
    Unit("06_cad_random_views", "Random views", "Detection", ("a place",), ("3D",), 176, "patients"),
    Unit("07_cad_3d_cascade", "Bleeds by a cascade", "Detection", ("a place",), ("3D",), 320, "scans"),
    Unit("08_vessel_ensemble", "Vessels by twelve nets", "Segmentation", ("an outline",), ("2D",), 20, "images"),
    Unit("09_multiscale_brain", "Brain at three scales", "Segmentation", ("an outline",), ("2D", "3D"), 15, "scans"),
    Unit("10_unet", "Cells by U-Net", "Segmentation", ("an outline",), ("2D",), 30, "images"),
    Unit("11_cascade_crf", "Liver, then lesions", "Segmentation", ("an outline",), ("3D",), 15, "scans"),
    Unit("12_cytometry_sae", "Sick cells, counted", "Other answers", ("a class",), ("table",)),
    Unit("13_anogan", "What is not healthy", "Other answers", ("what is odd",), ("2D",), 0, "ill cases"),
    Unit("14_voxelmorph", "Brains matched", "Other answers", ("a match",), ("2D", "3D"), 0, "outlines"),
    Unit("15_surgical_rnn", "Gestures over time", "Other answers", ("moments",), ("sequence",), 39, "trials"),
    Unit("16_transfer_features", "Borrowed features", "Exploration", ("a class",), ("2D",), 93, "films"),
    Unit("17_fine_tuning", "How deep to fine-tune", "Exploration", ("a class", "a place"), ("2D", "3D"), 40, "videos"),
    Unit(
        "18_crowdsourcing",
        "Labels from a crowd",
        "Exploration",
        ("a class", "a place"),
        ("2D", "3D"),
        0,
        "expert labels",
    ),
    Unit("19_public_datasets", "Public data, challenges", "Exploration"),
    Unit("20_summary", "The way back", "Summary"),
)
