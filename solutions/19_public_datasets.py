# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lab 19: whose data, whose win
#
# Public data sets come as folders of files that nobody at your hospital named, with licences that few read. Challenges rank the
# networks that were trained on them, and the winner's name is printed. Both are used every day, and both hide traps. In this lab
# you write what keeps you out of them.
#
# **You will be able to**
#
# - put the slices of a scan in the order in which they lie in the patient;
# - find the elements of a DICOM header that still tell who was scanned;
# - choose data sets by modality, size and licence;
# - score grades of disease so that a large error costs more than a small one;
# - rank the teams of a challenge with missing cases and ties, in two ways;
# - say how much a ranking owes to the cases that happened to be drawn.
#
# **Time:** about 110 minutes. **Before this:** the lesson *Public data, and what a winner is worth*.
#
# **Cost:** {{cost}}
#
# The scan, the patient, the teams and the graders are **simulated**. The catalogue is real. What you write runs on real headers
# and real tables of results, too.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import numpy as np
import pandas as pd
from scipy import stats

from medcourse import agreement, challenge, datasets, effects, metrics, plots, testing
from medcourse.testing import close

testing.begin_lab(seed=19)
plots.use_style()

# %% [markdown]
# ## Exercise 1: the order of slices
#
# A hospital's archive hands over a folder. Its files are called `IM1A3F`, `IM0B20` and so on. Each holds one slice, and a header that says
# where the slice lies. Two entries of it are enough, both along the patient's own axes (x to the left, y to the back, z to the head):
#
# - `ImagePositionPatient`, $p$, in millimetres: where the middle of the slice's first pixel is;
# - `ImageOrientationPatient`, $r$ and $c$, without a unit: vectors of length 1 along a row and along a column of the image.
#
# Their cross product is at right angles to the slice. The height of a slice along it is
#
# $$ h = p \cdot n, \qquad n = r \times c. $$
#
# This works for slices in any direction. File names do not, and `InstanceNumber` need not: some scanners count from the head, some from the feet,
# and a copy may count anew. Now look at what names do to a simulated chest:

# %% tags=["picture"] picture="by_name"
chest = datasets.make_chest(
    spacing_mm=(5, 5, 5), height_mm=280, nodules_per_scan=0, nodes_per_scan=0, small_nodes_per_scan=0, seed=3
)
export = datasets.make_dicom_export(
    chest.volume, spacing_mm=(5.0, 5.0, 5.0), n_missing=0, n_duplicates=0, scout=False, seed=19
)
rows = {name: header.pixel_array[len(header.pixel_array) // 2] - 1024 for name, header in export.files}  # HU
by_name = np.stack([rows[name] for name in sorted(rows)])  # (slices, X), from the feet to the head?
plots.show_image(
    datasets.window_hu(by_name[::-1], level=-300, width=1400),
    "Simulated chest from the front, slices by file name",
    spacing_mm=5.0,
    alt="A picture of stripes: rows of a chest, stacked in the order of their file names, so that heart, lungs and liver alternate at random.",
)

# %% [markdown]
# **Predict first:** a network for lung nodules gets this volume. Would it stop with an error?
#
# Put the slices in order. Three more traps lie in such a folder. The planner's image (*scout*), another series, lies in between. A slice may be
# there twice under two names. And a series may be tilted.


# %% nbgrader={"grade": false, "grade_id": "sort_series", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sort_series(headers: list) -> list:
    """Return the names of the files of a scan, in the order in which the slices lie in the patient.

    Parameters
    ----------
    headers : list of dict
        One for each file: "file" and "series" (str), "number" (int, the InstanceNumber), "position" (3 numbers, mm) and
        "orientation" (6 numbers without a unit: along a row, then along a column).

    Returns
    -------
    list of str
        Files of the series that has most files, lowest height first. A slice that lies less than 0.05 mm above the last
        one kept is a copy and is left out; of slices at the very same height the one that comes first in `headers` is
        kept. `headers` stays as it is.
    """
    ### BEGIN SOLUTION
    series = [header["series"] for header in headers]
    largest = max(set(series), key=series.count)
    slices = []
    for header in headers:
        if header["series"] == largest:
            normal = np.cross(header["orientation"][:3], header["orientation"][3:])
            slices.append((float(np.dot(header["position"], normal)), header["file"]))
    slices.sort(key=lambda each: each[0])  # stable: equals stay in the order of the headers
    kept = []
    for height, file in slices:
        if not kept or height - kept[-1][0] >= 0.05:
            kept.append((height, file))
    return [file for _, file in kept]
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint</summary>
#
# `np.cross(a, b)` and `np.dot(a, b)` do the geometry. Sort pairs of height and file name by their height alone, with
# `key=`: Python's sort then keeps equals in the order in which they came, whereas whole pairs of one height would be put in the order
# of their names. Then walk through them, and compare each height with that of the last slice you kept.
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "sort_series_position", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# By position, whatever names and numbers say.
flat = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
places = {"IM03": (12.0, 1), "IM01": (-3.0, 4), "IM04": (2.0, 3), "IM02": (7.0, 2)}
headers = [
    {"file": file, "series": "1.2", "number": number, "position": [-100.0, -90.0, z], "orientation": flat}
    for file, (z, number) in places.items()
]
close(sort_series(headers), ["IM01", "IM04", "IM02", "IM03"], "four axial slices at 12, -3, 2 and 7 mm", "lowest first")
### BEGIN HIDDEN TESTS
chance = testing.hidden_rng("sort_series_position")
heights = 2.5 * chance.permutation(9) - 70
many = [
    {
        "file": f"S{i}",
        "series": "1.2",
        "number": int(n),
        "position": [5.0 - 3 * i, 40.0 - i, float(z)],
        "orientation": flat,
    }
    for i, (z, n) in enumerate(zip(heights, chance.permutation(9)))
]
ordered, after = testing.inout(sort_series, many)
close(ordered, [f"S{i}" for i in np.argsort(heights)], "nine axial slices whose numbers tell nothing", "sort by height")
close(
    [each["file"] for each in after[0]],
    [f"S{i}" for i in range(9)],
    "the list of headers after the call",
    "sort a copy",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "sort_series_normal", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Along the normal of the slices: these are coronal, they lie behind each other.
front = [1.0, 0.0, 0.0, 0.0, 0.0, -1.0]
headers = [
    {"file": file, "series": "1.2", "number": k + 1, "position": [0.0, y, 50.0 + k], "orientation": front}
    for k, (file, y) in enumerate([("a", 30.0), ("b", -10.0), ("c", 10.0)])
]
close(sort_series(headers), ["b", "c", "a"], "coronal slices at y = 30, -10 and 10 mm", "row x column, in this order?")
### BEGIN HIDDEN TESTS
chance = testing.hidden_rng("sort_series_normal")
for axis in range(3):
    turn = np.linalg.qr(chance.normal(size=(3, 3)))[0]  # any direction
    normal = np.cross(turn[0], turn[1])
    heights = chance.permutation(6) * 1.5
    headers = [
        {
            "file": f"T{i}",
            "series": "7",
            "number": i,
            "position": (h * normal + 30 * chance.normal() * turn[0] + 30 * chance.normal() * turn[1]).tolist(),
            "orientation": [*turn[0], *turn[1]],
        }
        for i, h in enumerate(heights)
    ]
    close(
        sort_series(headers),
        [f"T{i}" for i in np.argsort(heights)],
        "six oblique slices that are shifted within their planes",
        "only the height along row x column counts",
    )
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "sort_series_traps", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# The scout is left out, and so is the second copy of a slice.
flat, front = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0, -1.0]
headers = [
    {"file": "scout", "series": "1", "number": 1, "position": [0.0, 0.0, 9.0], "orientation": front},
    {"file": "late", "series": "2", "number": 2, "position": [0.0, 0.0, 5.0], "orientation": flat},
    {"file": "copy", "series": "2", "number": 2, "position": [0.0, 0.0, 5.0], "orientation": flat},
    {"file": "early", "series": "2", "number": 1, "position": [0.0, 0.0, 0.0], "orientation": flat},
]
close(
    sort_series(headers),
    ["early", "late"],
    "a scout, a slice at 0 mm and one at 5 mm twice",
    "one series, each place once",
)
### BEGIN HIDDEN TESTS
# Two copies of a slice, one of them moved by rounding; two slices that are thin, and no copies.
close_by = [("p", 0.0), ("q", 10.02), ("r", 10.0), ("s", 10.5), ("t", 10.6), ("u", 9.0)]
headers = [
    {"file": file, "series": "2", "number": 9, "position": [1.0, 1.0, z], "orientation": flat} for file, z in close_by
]
headers = [*headers, {"file": "x", "series": "1", "number": 1, "position": [0.0, 0.0, 4.0], "orientation": flat}]
got = sort_series(headers)
close(
    len(got), 5, "the number of slices at 0, 9, 10, 10.02, 10.5 and 10.6 mm", "0.02 mm is rounding, 0.1 mm is a slice"
)
close(got[3:], ["s", "t"], "the last two of them", "keep slices that are 0.1 mm apart")
rounded = [{**header, "position": [1.0, 1.0, z]} for header, z in zip(headers, [10.02, 10.04, 12.0])]
close(len(sort_series(rounded)), 2, "the number of slices at 10.02, 10.04 and 12 mm", "how far apart are they?")
exact = [{**header, "position": [1.0, 1.0, 3.0]} for header in headers[:3]]
close(sort_series(exact), ["p"], "three files at one place, p first", "keep the one that comes first in the list")
### END HIDDEN TESTS

# %% [markdown]
# The same chest with your order:

# %% tags=["picture"] picture="by_position"
plain = [
    {
        "file": name,
        "series": str(header.SeriesInstanceUID),
        "number": int(header.InstanceNumber),
        "position": [float(v) for v in header.ImagePositionPatient],
        "orientation": [float(v) for v in header.ImageOrientationPatient],
    }
    for name, header in export.files
]
by_position = np.stack([rows[name] for name in sort_series(plain)])  # (slices, X), from the feet to the head
plots.show_image(
    datasets.window_hu(by_position[::-1], level=-300, width=1400),
    "Simulated chest from the front, slices by position",
    spacing_mm=5.0,
    alt="A chest seen from the front: two dark lungs with vessels, the pale heart between them, the domes of the diaphragm below.",
)

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: two dark lungs with the heart between them and the diaphragm below, instead of stripes](attachment:by_position.png)
#
# </details>
#
# <details><summary>What you predicted: would the network stop?</summary>
#
# No. The array has the right shape and the right numbers. It would answer, and nobody would know.
#
# </details>
#
# What if a slice was lost on the way? The stack is then one slice too short, and everything above it moves down. With $s$ the median distance of
# neighbours, a step $d$ between two slices hides $\operatorname{round}(d / s) - 1$ of them.


# %% nbgrader={"grade": false, "grade_id": "missing_heights", "locked": false, "schema_version": 3, "solution": true, "task": false}
def missing_heights(heights: np.ndarray) -> list:
    """Return the heights at which slices are missing.

    Parameters
    ----------
    heights : (N,) array, mm
        Of at least three slices, sorted, no two at one place.

    Returns
    -------
    list of float
        In ascending order, evenly spaced within each gap. Empty if no step is 1.5 times the median step or more.
    """
    ### BEGIN SOLUTION
    steps = np.diff(heights)
    step = np.median(steps)
    missing = []
    for low, gap in zip(heights, steps):
        n_parts = int(np.floor(gap / step + 0.5))  # halves go up
        missing += [float(low + gap * k / n_parts) for k in range(1, n_parts)]
    return missing
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "missing_heights_gap", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# One slice is missing at 6 mm, two are missing at 12 and 14 mm.
close(
    missing_heights(np.array([0.0, 2, 4, 8, 10, 16, 18, 20])),
    [6.0, 12.0, 14.0],
    "heights of 0, 2, 4, 8, 10, 16, 18 and 20 mm",
    "a step of three hides two slices",
)
### BEGIN HIDDEN TESTS
close(len(missing_heights(np.array([-4.0, -1.5, 1.0, 3.5]))), 0, "the number of missing slices at steps of 2.5 mm")
close(
    missing_heights(np.array([0.0, 1, 2.2, 3.2, 3.2 + 1.5, 5.7, 6.7])),
    [3.95],
    "a step of 1.5 where the median is 1",
    "from 1.5 times the median on, a slice is missing",
)
close(len(missing_heights(np.array([0.0, 1, 2, 3.4, 4.4]))), 0, "the number of missing slices in a step of 1.4 medians")
close(
    len(missing_heights(np.array([0.0, 1, 2, 2.6, 3.6, 4.6]))), 0, "the number of missing slices after one short step"
)
close(
    missing_heights(np.array([-90.0, -87, -84, -72, -69, -66])),
    [-81.0, -78.0, -75.0],
    "three missing slices below 0 mm",
    "evenly within the gap",
)
close(missing_heights(np.array([0.0, 10, 13, 16, 19])), [10 / 3, 20 / 3], "a gap of 10 where slices lie 3 mm apart")
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2: who was scanned?
#
# Before a scan leaves the hospital, its header must stop naming the patient. DICOM's own list of what to remove
# ([PS3.15, table E.1-1](https://dicom.nema.org/medical/dicom/current/output/chtml/part15/chapter_E.html)) has hundreds of rows; the course
# has a short one. Three things slip through again and again:
#
# - **sequences**: an element may hold a list of further headers, and one of these the patient's number;
# - **private elements** of a manufacturer, whose group number is odd: nobody outside knows what they hold;
# - **burned in text**: name and date drawn into the pixels, as ultrasound and old films have it. A header may admit it.

# %% tags=["experiment"]
example = datasets.make_dicom_export(n_slices=3, n_missing=0, n_duplicates=0, scout=False, seed=2).files[0][1]
print(f"short list: {len(datasets.BASIC_PROFILE)} attributes; the head of a simulated header:")
print("\n".join(str(example).splitlines()[:14]))

# %% [markdown]
# Headers come to you as dictionaries: keyword to text, a sequence as a list of such dictionaries, a private element under its number, as in
# `"(0009,1010)"`: four hexadecimal digits of the group, four of the element.


# %% nbgrader={"grade": false, "grade_id": "find_identity", "locked": false, "schema_version": 3, "solution": true, "task": false}
def find_identity(header: dict, profile: list) -> list:
    """List what a header still tells about the person or the visit.

    Parameters
    ----------
    header : dict
        Keyword to text; a list of dicts for a sequence, which may hold sequences in turn. Private elements have their
        number for a key, as in "(0009,1010)"; so have standard ones without a keyword, as in "(0010,4321)".
    profile : list of str
        Keywords that must be empty or absent.

    Returns
    -------
    list of str
        Sorted paths of: elements of the profile that hold more than spaces; all private elements, empty or not;
        "BurnedInAnnotation" where it is "YES". The path of an element in a sequence names the sequence and the item, as
        in "RequestAttributesSequence[0].AccessionNumber".
    """
    ### BEGIN SOLUTION
    found = []
    for key, value in header.items():
        if isinstance(value, list):
            for i, item in enumerate(value):
                found += [f"{key}[{i}].{path}" for path in find_identity(item, profile)]
        elif key.startswith("("):
            if int(key[1:5], 16) % 2 == 1:
                found.append(key)
        elif key == "BurnedInAnnotation":
            if value.strip() == "YES":
                found.append(key)
        elif key in profile and value.strip():
            found.append(key)
    return sorted(found)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint</summary>
#
# A function may call itself: what `find_identity` says of an item becomes part of the answer, with the sequence's name and the item's number put
# before it. `int("000B", 16)` reads hexadecimal digits.
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "find_identity_profile", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# What the profile names, unless it is empty.
header = {"PatientName": "Muster^Erika", "Modality": "CT", "PatientID": "  ", "StudyDate": "20260316", "Rows": "512"}
profile = ["StudyDate", "PatientID", "PatientName", "InstitutionName"]
close(
    find_identity(header, profile),
    ["PatientName", "StudyDate"],
    "a name, a date and an empty number",
    "spaces are empty",
)
### BEGIN HIDDEN TESTS
clean = {"Modality": "MR", "PatientName": "", "PatientIdentityRemoved": "YES", "BurnedInAnnotation": "NO"}
close(len(find_identity(clean, profile)), 0, "the number of findings in a clean header")
close(
    find_identity(
        {"StationName": "CT-2", "InstitutionName": "0", "Comment": "PatientName"}, ["InstitutionName", "StationName"]
    ),
    ["InstitutionName", "StationName"],
    "an institution called 0",
    "sorted; every text but an empty one counts",
)
others = {"IssuerOfPatientID": "Musterstadt", "Manufacturer": "ACME"}
close(
    len(find_identity(others, ["PatientID", "ManufacturerModelName"])),
    0,
    "the number of findings in IssuerOfPatientID and Manufacturer, where the profile has PatientID and ManufacturerModelName",
    "a keyword is a whole word",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "find_identity_private", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Odd groups are private; burned in text is a finding.
header = {"(0009,1010)": "COPY 4711", "(0010,4321)": "new", "BurnedInAnnotation": "YES", "PatientName": ""}
close(
    find_identity(header, ["PatientName"]),
    ["(0009,1010)", "BurnedInAnnotation"],
    "a private element and burned in text",
)
### BEGIN HIDDEN TESTS
header = {"(000B,1001)": "", "(0018,9999)": "9", "(00E1,1021)": "x", "(7FDE,0011)": "x", "(7FDF,0010)": "x"}
close(
    find_identity(header, []),
    ["(000B,1001)", "(00E1,1021)", "(7FDF,0010)"],
    "groups 000B, 0018, 00E1, 7FDE and 7FDF",
    "hexadecimal; the group's number is odd; empty ones count",
)
close(
    len(find_identity({"BurnedInAnnotation": "NO"}, ["Modality"])), 0, "the number of findings without burned in text"
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "find_identity_nested", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Sequences hold headers of their own.
header = {"Modality": "CT", "RequestAttributesSequence": [{"AccessionNumber": "A77", "Reason": "cough"}]}
close(
    sorted(find_identity(header, ["AccessionNumber"])),
    ["RequestAttributesSequence[0].AccessionNumber"],
    "a number in a sequence",
    "look into each item",
)
### BEGIN HIDDEN TESTS
deep = {
    "Sources": [
        {"PatientID": ""},
        {"Inner": [{"(0011,0001)": "x"}, {"PatientID": "7", "BurnedInAnnotation": "YES"}], "PatientID": "8"},
    ],
    "Empty": [],
    "PatientID": "9",
}
close(
    sorted(find_identity(deep, ["PatientID"])),
    [
        "PatientID",
        "Sources[1].Inner[0].(0011,0001)",
        "Sources[1].Inner[1].BurnedInAnnotation",
        "Sources[1].Inner[1].PatientID",
        "Sources[1].PatientID",
    ],
    "a sequence in a sequence",
    "every level, with the path that leads there",
)
_, after = testing.inout(find_identity, deep, ["PatientID"])
close(after[1], ["PatientID"], "the profile after the call", "leave it as it is")
### END HIDDEN TESTS

# %% [markdown]
# Now the whole simulated export, and what the course's own check finds in it:


# %% tags=["experiment"]
def as_dict(header) -> dict:
    """A pydicom header as a plain dictionary, without pixels and without the names of private blocks."""
    out = {}
    for element in header:
        if element.keyword == "PixelData" or element.tag.is_private_creator:
            continue
        key = str(element.tag) if element.tag.is_private else element.keyword
        out[key] = [as_dict(item) for item in element.value] if element.VR == "SQ" else str(element.value)
    return out


export = datasets.make_dicom_export(n_slices=12, seed=19)
profile = [name for name, action in datasets.BASIC_PROFILE.items() if action != "U"]
mine = sorted({path for _, header in export.files for path in find_identity(as_dict(header), profile)})
print(
    f"found by you: {len(mine)}; planted: {len(export.identifying)}; missed: {sorted(export.identifying - set(mine))}"
)
datasets.check_identity(export.files)

# %% [markdown]
# Rows of the kind `uid` are identifiers that must be replaced by others. Whether they were cannot be seen from the file, nor can a face that could be
# drawn from the slices of a head. A clean report is no proof.
#
# ## Exercise 3: which data may you use?
#
# The course's catalogue has a row for each of its public data sets. Licences decide what you may build. The most common ones are Creative Commons:
#
# | licence | you must name the source | you may sell what you make | you may change it |
# |---|---|---|---|
# | CC0 | no | yes | yes |
# | CC BY, CC BY-SA | yes | yes | yes (SA: and share it alike) |
# | CC BY-NC, CC BY-NC-SA | yes | **no** | yes (SA: and share it alike) |
# | CC BY-ND | yes | yes | **no** |
# | CC BY-NC-ND | yes | **no** | **no** |
# | none stated, own terms | ask | ask | ask |
#
# Nobody but a lawyer can say whether a trained network is a changed copy of its data. Be careful, and take data whose licence allows both.

# %% tags=["experiment"]
table = datasets.load_catalogue()
table.groupby(["modality", "access"]).size().unstack(fill_value=0)

# %% tags=["experiment"]
table[["name", "modality", "task", "cases", "size_gb", "licence", "access", "evidence"]].sample(6, random_state=19)

# %% [markdown]
# **Predict first:** of all the data sets in the table, which share may go into a product without asking anyone?


# %% nbgrader={"grade": false, "grade_id": "choose_datasets", "locked": false, "schema_version": 3, "solution": true, "task": false}
def choose_datasets(entries: list, modality: str, largest_gb: float, product: bool) -> list:
    """Choose data sets that can be downloaded at once, fit on the disk, and may be used.

    Parameters
    ----------
    entries : list of dict
        Each with "name", "modality", "access", "licence" (str) and "size_gb" (number; None where unknown).
    modality : str
        "any", or the one that is wanted.
    largest_gb : float
        Of all chosen ones alone, not of their sum. Unknown sizes do not fit.
    product : bool
        True: only licences that begin with "CC0" or "CC BY" and have neither NC nor ND among their parts, which are
        joined by hyphens and spaces, as in "CC BY-NC-SA 4.0". False: any licence will do.

    Returns
    -------
    list of str
        Names of entries with access "open", the smallest first; those of one size in the order of `entries`.
    """

    ### BEGIN SOLUTION
    def allows_products(licence):
        parts = licence.replace("-", " ").split()
        return (parts[:1] == ["CC0"] or parts[:2] == ["CC", "BY"]) and "NC" not in parts and "ND" not in parts

    chosen = [
        entry
        for entry in entries
        if modality in ("any", entry["modality"])
        and entry["access"] == "open"
        and entry["size_gb"] is not None
        and entry["size_gb"] <= largest_gb
        and (not product or allows_products(entry["licence"]))
    ]
    return [entry["name"] for entry in sorted(chosen, key=lambda entry: entry["size_gb"])]
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint</summary>
#
# `"CC BY-NC-SA 4.0".replace("-", " ").split()` gives the parts. What a licence begins with is not what it contains: some texts
# mention another licence later on.
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "choose_datasets_fit", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Modality, access and size; the smallest first.
rows = [
    ("big", "CT", "open", "CC BY 4.0", 90.0),
    ("form", "CT", "agreement", "CC BY 4.0", 1.0),
    ("mid", "CT", "open", "own terms", 20.0),
    ("eye", "OCT", "open", "CC0", 0.5),
    ("small", "CT", "open", "CC0", 2.0),
    ("unknown", "CT", "open", "CC0", None),
]
entries = [dict(zip(("name", "modality", "access", "licence", "size_gb"), row)) for row in rows]
close(choose_datasets(entries, "CT", 20.0, False), ["small", "mid"], "open CT of at most 20 GB, not for a product")
### BEGIN HIDDEN TESTS
close(choose_datasets(entries, "any", 100.0, False), ["eye", "small", "mid", "big"], "anything open of at most 100 GB")
close(len(choose_datasets(entries, "MR", 100.0, False)), 0, "the number of MR data sets where there are none")
equal = [{**entries[k], "size_gb": 3.0} for k in (4, 3, 2)]
close(choose_datasets(equal, "any", 3.0, False), ["small", "eye", "mid"], "three of one size", "keep their order")
gone = [{**entries[4], "access": access, "name": access} for access in ("gone", "register", "open")]
close(choose_datasets(gone, "CT", 50.0, False), ["open"], "one each of gone, register and open", "only what is open")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "choose_datasets_product", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# For a product, what is not allowed in so many words is not allowed.
texts = ["CC BY 4.0", "CC BY-NC 4.0", "CC0", "not stated", "CC BY-SA 4.0", "CC BY-NC-ND 2.5"]
entries = [
    {"name": text, "modality": "CT", "access": "open", "licence": text, "size_gb": 1.0 + k}
    for k, text in enumerate(texts)
]
close(
    sorted(choose_datasets(entries, "CT", 50.0, True)),
    sorted(["CC BY 4.0", "CC0", "CC BY-SA 4.0"]),
    f"the licences {', '.join(texts)} for a product",
    "no NC, no ND, nothing unnamed",
)
### BEGIN HIDDEN TESTS
texts = [
    "CC BY-ND 4.0",
    "none; elsewhere CC BY-SA 4.0",
    "CC BY-SA-NC 4.0",
    "not CC0",
    "CC BY 3.0",
    "CC sampling",
    "BY CC0",
    "CC0 1.0",
    "CC BY 4.0 UNCHANGED",
    "CC0 AND THANKS",
]
entries = [
    {"name": text, "modality": "CT", "access": "open", "licence": text, "size_gb": 1.0 + k}
    for k, text in enumerate(texts)
]
close(
    sorted(choose_datasets(entries, "any", 50.0, True)),
    sorted(["CC BY 3.0", "CC0 1.0", "CC BY 4.0 UNCHANGED", "CC0 AND THANKS"]),
    f"the licences {', '.join(texts)} for a product",
    "how does it begin, and is NC or ND one of its parts?",
)
close(len(choose_datasets(entries, "any", 50.0, False)), 10, "how many of ten open ones will do outside of products")
### END HIDDEN TESTS

# %% tags=["experiment"]
entries = [{**row, "size_gb": None if np.isnan(row["size_gb"]) else row["size_gb"]} for row in table.to_dict("records")]
free = choose_datasets(entries, "any", np.inf, True)
print(
    f"{len(free)} of {len(entries)} may go into a product without asking; below 1 GB: {choose_datasets(entries, 'any', 1.0, True)}"
)

# %% [markdown]
# ## Exercise 4: a grade that is far off
#
# Diabetic retinopathy is graded from 0 (none) to 4 (proliferative). To call a 4 a 0 is worse than to call it a 3. Kaggle's challenge of 2015 therefore
# scored by the *quadratic weighted kappa*. Let $O_{ij}$ be the share of eyes with the true grade $i$ that were given $j$, and $E_{ij}$ the share
# that chance would give two raters who use the grades as often as these two: the product of the margins of $O$. Then
#
# $$ \kappa = 1 - \frac{\sum_{ij} w_{ij} O_{ij}}{\sum_{ij} w_{ij} E_{ij}}, \qquad w_{ij} = \frac{(i - j)^2}{(K - 1)^2}. $$
#
# 1 is perfect, 0 is as good as chance. About three of four eyes of that challenge have no retinopathy.
#
# **Predict first:** a program says *none* for every eye. What is its accuracy, what is its kappa?


# %% nbgrader={"grade": false, "grade_id": "quadratic_kappa", "locked": false, "schema_version": 3, "solution": true, "task": false}
def quadratic_kappa(truth: np.ndarray, given: np.ndarray, n_grades: int) -> float:
    """Return the quadratic weighted kappa of two lists of grades.

    Parameters
    ----------
    truth, given : (N,) arrays of int
        Grades from 0 to n_grades - 1. Some grades may not occur.
    n_grades : int
        K, at least 2.

    Returns
    -------
    float
        1.0 where both lists hold one and the same grade only.
    """
    ### BEGIN SOLUTION
    observed = np.zeros((n_grades, n_grades))
    np.add.at(observed, (truth, given), 1 / len(truth))
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0))
    i, j = np.indices((n_grades, n_grades))
    weights = (i - j) ** 2  # over (K - 1)^2, which cancels
    by_chance = (weights * expected).sum()
    return float(1 - (weights * observed).sum() / by_chance) if by_chance > 0 else 1.0
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint</summary>
#
# Count into a K by K table, one row a true grade. `np.outer(rows, columns)` is the table of products. Weights that are all multiplied
# by the same number change nothing.
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "quadratic_kappa_value", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Four eyes of grades 0, 0, 1, 2; one 0 was called 1, the 2 was called 0.
close(
    quadratic_kappa(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 3),
    -0.25,
    "truth 0, 0, 1, 2 and grades 0, 1, 1, 0",
    "two steps off weigh four times as much as one",
)
### BEGIN HIDDEN TESTS
chance = testing.hidden_rng("quadratic_kappa_value")
for n_grades in (3, 5):
    truth = chance.integers(0, n_grades, 80)
    given = np.clip(truth + chance.integers(-1, 3, 80), 0, n_grades - 1)
    expected = agreement.quadratic_kappa(truth, given)  # which the course holds against scikit-learn's
    close(quadratic_kappa(truth, given, n_grades), expected, f"80 eyes in {n_grades} grades", "margins of both raters?")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "quadratic_kappa_limits", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Perfect is 1, and one grade for all is worth nothing.
close(quadratic_kappa(np.array([0, 1, 4, 2]), np.array([0, 1, 4, 2]), 5), 1.0, "grades that are all right")
close(quadratic_kappa(np.array([0, 0, 0, 4]), np.array([0, 0, 0, 0]), 5), 0.0, "grade 0 for all, three of four right")
### BEGIN HIDDEN TESTS
close(quadratic_kappa(np.array([0, 4, 0, 4]), np.array([4, 0, 4, 0]), 5), -1.0, "grades that are turned around")
close(quadratic_kappa(np.array([3, 3]), np.array([3, 3]), 5), 1.0, "one and the same grade", "0/0: they agree")
alike = quadratic_kappa(np.array([0, 0, 0, 0]), np.array([0, 1, 0, 2]), 3)
close(alike, 0.0, "truth 0, 0, 0, 0 and grades 0, 1, 0, 2 of three", "one true grade, but not one grade")
some = quadratic_kappa(np.array([0, 1, 4, 4]), np.array([0, 4, 4, 1]), 5)
close(some, 5 / 17, "grades 0, 1 and 4 only", "a step from 1 to 4 is three grades, though 2 and 3 never occur")
### END HIDDEN TESTS

# %% [markdown]
# scikit-learn has it, too. Twelve simulated graders, and the program that says *none*:

# %% tags=["experiment"]
from sklearn.metrics import cohen_kappa_score

made = datasets.make_gradings(2000, noise=np.linspace(0.1, 1.2, 12), seed=19)
graders = np.vstack([made.grades, np.zeros_like(made.truth)])
comparison = pd.DataFrame(
    {
        "accuracy": (graders == made.truth).mean(axis=1),
        "kappa, yours": [quadratic_kappa(made.truth, grades, 5) for grades in graders],
        "kappa, scikit-learn": [cohen_kappa_score(made.truth, grades, weights="quadratic") for grades in graders],
    },
    index=[*(f"noise {noise:.1f}" for noise in np.linspace(0.1, 1.2, 12)), "none for all"],
)
comparison.round(3)

# %% [markdown]
# <details><summary>What you predicted: <em>none</em> for every eye</summary>
#
# Its accuracy is the share of healthy eyes, about three of four. Its kappa is 0: whoever says the same to everyone has told nothing.
#
# </details>
#
# ## Exercise 5: rank the teams
#
# A table with a row a case and a column a team. Three choices make a ranking of it, and challenges often leave them unsaid:
#
# - **missing cases:** where a team handed in nothing, the table holds NaN. Leave NaN out, and a team gains by being silent where it is hard. Instead it
#   gets the *worst* possible score there;
# - **the order of steps:** *mean, then rank* (`"mean"` for short) compares the teams' means $\bar s_t = \frac{1}{C} \sum_c s_{ct}$. *Rank, then mean* (`"rank-then-mean"`) ranks the teams
#   in each case, and compares the means of these ranks: a single case costs a last rank at most;
# - **ties:** equals share the better rank, and the next rank is left out: 1, 1, 3.
#
# **Predict first:** a team is best in nine of ten cases and fails in the tenth (a Dice of 0). Under which order of steps does it win?


# %% nbgrader={"grade": false, "grade_id": "rank_teams", "locked": false, "schema_version": 3, "solution": true, "task": false}
def rank_teams(scores: np.ndarray, how: str, worst: float, higher_is_better: bool) -> np.ndarray:
    """Rank the teams of a challenge.

    Parameters
    ----------
    scores : (C, T) array
        Cases by teams; NaN where a team handed in nothing. It is left as it is.
    how : str
        "mean" (means are ranked) or "rank-then-mean" (ranks within each case are averaged, and these means ranked).
    worst : float
        The score of a missing case.
    higher_is_better : bool
        True for a Dice, False for a distance.

    Returns
    -------
    (T,) array
        1 for the best; equals share the better rank, in the ranking and within a case. Means that differ by less than
        1e-9 are equal.
    """
    ### BEGIN SOLUTION
    filled = np.where(np.isnan(scores), worst, scores)
    badness = -filled if higher_is_better else filled
    if how == "rank-then-mean":
        badness = stats.rankdata(badness, method="min", axis=1)
    return stats.rankdata(badness.mean(axis=0).round(9), method="min")
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint</summary>
#
# `stats.rankdata(values, method="min")` gives equals the smaller rank, with 1 for the *smallest* value; `axis=1` ranks within each row.
# Turn the sign around where more is better.
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "rank_teams_order", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Three teams, two cases: the mean decides.
dice = np.array([[0.9, 0.7, 0.8], [0.5, 0.8, 0.9]])
close(rank_teams(dice, "mean", 0.0, True), np.array([3, 2, 1]), "Dice with means of 0.7, 0.75 and 0.85")
close(
    rank_teams(dice, "mean", 9.0, False),
    np.array([1, 2, 3]),
    "the same numbers as distances",
    "less is better",
)
### BEGIN HIDDEN TESTS
chance = testing.hidden_rng("rank_teams_order")
many = chance.random((9, 6))
for better in (True, False):
    close(
        rank_teams(many, "mean", 0.0, better),
        challenge.rank_teams(many, higher_is_better=better),
        f"nine cases, six teams, higher_is_better={better}",
    )
_, after = testing.inout(rank_teams, np.array([[0.5, np.nan], [0.2, 0.1]]), "mean", 0.0, True)
close(float(np.isnan(np.asarray(after[0])).sum()), 1.0, "how many NaN the table holds after the call", "work on a copy")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "rank_teams_missing", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# The first team is silent in the hard case.
dice = np.array([[0.90, 0.85], [np.nan, 0.40]])
close(rank_teams(dice, "mean", 0.0, True), np.array([2, 1]), "a team without a result for the hard case")
### BEGIN HIDDEN TESTS
for how, worst, expected in [
    ("mean", 100.0, [2, 1]),
    ("mean", 5.5, [1, 2]),
    ("rank-then-mean", 5.5, [2, 1]),
]:
    silent = np.array([[1.0, 3.0], [np.nan, 5.0], [np.nan, 4.8]])
    got = rank_teams(silent, how, worst, False)
    close(got, np.array(expected), f"a missing distance, worst is {worst}, {how}", "the worst score, not 0")
for how in ("mean", "rank-then-mean"):
    nothing = np.array([[np.nan, 0.2, 0.1], [np.nan, 0.3, 0.1]])
    close(rank_teams(nothing, how, 0.0, True), np.array([3, 1, 2]), f"a team that handed in nothing, {how}")
zero = np.array([[np.nan, 0.0], [np.nan, 0.0], [0.5, 0.4]])  # whatever equals get within a case, the third decides
close(
    rank_teams(zero, "rank-then-mean", 0.0, True),
    np.array([1, 2]),
    "a silent team beside one with a Dice of 0, rank, then mean",
    "silence is worth the worst score, and no rank of its own",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "rank_teams_ties", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Equals share the better rank.
dice = np.array([[0.9, 0.8, 0.9, 0.1], [0.7, 0.8, 0.7, 0.1]])
close(
    rank_teams(dice, "mean", 0.0, True),
    np.array([1, 1, 1, 4]),
    "means of 0.8, 0.8, 0.8 and 0.1",
    "1, 1, 1, 4",
)
### BEGIN HIDDEN TESTS
rounding = np.array([[0.1, 0.3], [0.2, 0.0]])
close(rank_teams(rounding, "mean", 0.0, True), np.array([1, 1]), "0.1 + 0.2 and 0.3", "equal but for rounding")
within = np.array([[0.5, 0.5, 0.4], [0.5, 0.6, 0.7], [0.5, 0.4, 0.4]])
close(
    rank_teams(within, "rank-then-mean", 0.0, True),
    challenge.rank_teams(within, how="rank-then-mean"),
    "ties within cases, rank, then mean",
    "equals share the better rank there, too",
)
apart = np.array([[0.500001, 0.5]])
close(rank_teams(apart, "mean", 0.0, True), np.array([1, 2]), "0.500001 and 0.5", "1e-6 is a difference")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "rank_teams_steps", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Best in two of three cases, and lost in the third.
dice = np.array([[0.81, 0.80, 0.7], [0.82, 0.80, 0.7], [0.0, 0.80, 0.7]])
close(rank_teams(dice, "mean", 0.0, True), np.array([3, 1, 2]), "a team with one failure, mean, then rank")
close(rank_teams(dice, "rank-then-mean", 0.0, True), np.array([1, 1, 3]), "a team with one failure, rank, then mean")
### BEGIN HIDDEN TESTS
chance = testing.hidden_rng("rank_teams_steps")
many = chance.random((7, 5)).round(1)
for better in (True, False):
    close(
        rank_teams(many, "rank-then-mean", 0.0, better),
        challenge.rank_teams(many, how="rank-then-mean", higher_is_better=better),
        f"seven cases, five teams, rank, then mean, higher_is_better={better}",
        "rank within each case",
    )
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>What you predicted: nine of ten</summary>
#
# Under *rank, then mean* it wins among few teams: nine first ranks and one last. (Among twenty, a last rank is dear, too.) Under *mean, then rank* the failure may cost it more than the nine wins are worth.
# Neither is wrong. A challenge has to say beforehand which one it means, and why.
#
# </details>
#
# ## Exercise 6: would it win again?
#
# The test set is a sample of patients. Draw as many cases again *from the table, with replacement*, rank, and repeat: the bootstrap. All teams
# get the same draw, because a hard case is hard for all. With $B$ draws, the share that team $t$ wins is
#
# $$ q_t = \frac{1}{B} \sum_b \frac{[\text{rank}_{bt} = 1]}{\text{number of winners in draw } b}. $$


# %% nbgrader={"grade": false, "grade_id": "bootstrap_ranks", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bootstrap_ranks(scores: np.ndarray, n_resamples: int, seed: int) -> np.ndarray:
    """Return the ranks of the teams in other draws of the cases.

    Parameters
    ----------
    scores : (C, T) array
        No NaN; higher is better. `challenge.rank_teams(table)` of the course ranks it by means, or write it yourself.
    n_resamples : int
        Number of draws, B. Each draws C of the C cases with replacement.
    seed : int
        For `np.random.default_rng(seed)`.

    Returns
    -------
    (B, T) array
        By the teams' means in each draw, 1 for the best. Equals share the better rank, and the next rank is left out:
        1, 1, 3.
    """
    ### BEGIN SOLUTION
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(scores), size=(n_resamples, len(scores)))
    return np.stack([challenge.rank_teams(scores[draw]) for draw in draws])
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "bootstrap_ranks_paired", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# The second team is a hair worse in each case: no draw of cases can turn them around.
first = np.array([0.2, 0.9, 0.5, 0.7, 0.3, 0.8, 0.6])
ranks = np.asarray(bootstrap_ranks(np.column_stack([first - 0.01, first]), 50, seed=1))
close(tuple(ranks.shape), (50, 2), "the shape for 50 draws of two teams")
close(
    ranks, np.tile([2, 1], (50, 1)), "ranks where one team is 0.01 better in each case", "the same cases for all teams"
)
### BEGIN HIDDEN TESTS
again, other = (np.asarray(bootstrap_ranks(np.eye(8)[:, :5], 40, seed=s)) for s in (3, 3))
close(again, other, "the same seed twice", "use the seed, and no other source of chance")
third = np.asarray(bootstrap_ranks(np.eye(8)[:, :5], 40, seed=4))
assert np.mean(np.abs(third - again)) > 0.1, "another seed should give other draws, but seed 4 gave those of seed 3"
_, after = testing.inout(bootstrap_ranks, np.eye(3), 4, 0)
close(after[0], np.eye(3), "the table after the call", "work on copies")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "bootstrap_ranks_draws", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# One good case of four: it is in a draw unless all four draws miss it.
table = np.array([[1.0, 0.1], [0.0, 0.1], [0.0, 0.1], [0.0, 0.1]])
ranks = np.asarray(bootstrap_ranks(table, 400, seed=2))
close(
    float(np.mean(ranks[:, 0] < 1.5)),
    1 - 0.75**4,
    "how often the team with one good case of four wins",
    "as many draws as cases, with replacement, each anew",
    atol=0.09,
)
### BEGIN HIDDEN TESTS
chance = testing.hidden_rng("bootstrap_ranks_draws")
scores = chance.normal(0.7, 0.1, (12, 4))
mine = np.asarray(bootstrap_ranks(scores, 200, seed=5)).mean(axis=0)
close(
    mine,
    challenge.bootstrap_ranks(scores, n_resamples=1000, seed=6).mean(axis=0),
    "mean ranks of four teams",
    "",
    atol=0.35,
)
last = np.array([[0.0, 0.1]] * 5 + [[1.0, 0.1]])
won = np.mean(np.asarray(bootstrap_ranks(last, 300, seed=7))[:, 0] < 1.5)
close(
    float(won),
    1 - (5 / 6) ** 6,
    "how often a team with one good case, the last of six, wins",
    "every case may come",
    atol=0.1,
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "bootstrap_ranks_ties", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Two teams that are alike in each case, and a third one that is worse: the same ranks in each draw.
alike = np.array([0.5, 0.7, 0.2, 0.9])
close(
    np.asarray(bootstrap_ranks(np.column_stack([alike, alike, alike - 0.1]), 6, seed=8)),
    np.tile([1, 1, 3], (6, 1)),
    "ranks of two teams that are alike and of a worse one",
    "equals share the better rank",
)
### BEGIN HIDDEN TESTS
chance = testing.hidden_rng("bootstrap_ranks_ties")
alike = chance.random(7)
close(
    np.asarray(bootstrap_ranks(np.column_stack([alike - 0.2, alike, alike - 0.2, alike - 0.1]), 6, seed=9)),
    np.tile([3, 1, 3, 2], (6, 1)),
    "ranks of four teams, of which the first and the third are alike and last",
    "equals share the better rank",
)
### END HIDDEN TESTS


# %% nbgrader={"grade": false, "grade_id": "winner_share", "locked": false, "schema_version": 3, "solution": true, "task": false}
def winner_share(ranks: np.ndarray) -> np.ndarray:
    """Return the share of draws that each team wins.

    Parameters
    ----------
    ranks : (B, T) array
        1 for the best; several teams may share it.

    Returns
    -------
    (T,) array
        Sums to 1: a win that m teams share is 1 / m for each.
    """
    ### BEGIN SOLUTION
    first = np.asarray(ranks) == 1
    return (first / first.sum(axis=1, keepdims=True)).mean(axis=0)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint</summary>
#
# `rng.integers(n, size=n)` draws row numbers with replacement, and `scores[draw]` takes these rows, whole. For the share, a table of
# True and False divided by its row sums shares each win.
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "winner_share_ties", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Two draws: the first win is shared by two teams.
close(
    winner_share(np.array([[1, 1, 3], [2, 1, 3]])), np.array([0.25, 0.75, 0.0]), "ranks 1, 1, 3 and 2, 1, 3", "1/m each"
)
### BEGIN HIDDEN TESTS
ranks = challenge.rank(testing.hidden_rng("winner_share_ties").integers(0, 3, (30, 4)))
close(winner_share(ranks), challenge.winner_share(ranks), "30 draws of four teams with many ties")
close(np.sum(winner_share(ranks)), 1.0, "the sum of all shares", "each draw counts once")
### END HIDDEN TESTS

# %% tags=["picture"] picture="ranks"
show = datasets.make_challenge(30, seed=19)
dice = np.array(
    [
        [0.0 if entry[i] is None else metrics.dice(truth, entry[i]) for entry in show.entries.values()]
        for i, truth in enumerate(show.truth)
    ]
)  # (cases, teams); what was not handed in is scored worst
draws = np.asarray(bootstrap_ranks(dice, 500, seed=0))
figure = plots.show_ranks(
    draws, list(show.entries), title="Ranks of seven simulated teams by mean Dice, 500 draws of 30 cases"
)
figure

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: dots of each team spread over two to six ranks; only the first places and the last one are nearly sure](attachment:ranks.png)
#
# </details>
#
# The area of a dot is how often the team comes in there; the cross is its median, the line holds 95 % of the draws.
#
# ## The paper's claim, measured again
#
# Maier-Hein and colleagues ([2018](https://doi.org/10.1038/s41467-018-07619-7)) ranked 56 segmentation tasks of the year 2015 anew,
# each in several ways. Rankings depended on the metric, on the order of steps, on the observer and on the test cases; a slight change could make the worst
# team the winner. Here teams are simulated: each draws its borders too far out or in, with a wobble, may be blind to small
# lesions, may see ghosts, may crash in hard cases. How much of each is drawn at random (`datasets.draw_teams`), so that no ranking is ours.
#
# Many challenges of 25 cases are held among them. The claims, each about the share of challenges:
#
# 1. *The metric:* mean Dice and mean HD95 (95 % of the points of either border lie at most this far from the other border) have other winners in more than a tenth.
# 2. *The steps:* so have *mean, then rank* and *rank, then mean*, both by Dice.
# 3. *Missing cases:* so have missing left out and missing scored worst.
# 4. *The cases:* so have two challenges with 25 other patients each.
# 5. *The table of means admits no doubt; does the bootstrap admit enough?* The bootstrap's share for the winner is higher than the share of challenges with
#    other patients that this team wins.
#
# And about grades, for twelve simulated graders: 6. the best by accuracy is not the best by kappa, in more than a tenth; 7. of graders with a kappa above 0.5, more than
# a tenth have a lower accuracy than *none* for every eye.
#
# **Predict first:** which of the seven will hold? Which choice changes the winner most often?

# %% tags=["experiment"]
from functools import partial

UNIT, PAPER = "19_public_datasets", "Maier-Hein et al. 2018"
N_CASES, N_TEAMS, N_GRADERS, N_EYES = 25, 8, 12, 200
N_FIELDS, POOL, N_DRAWS = (
    (8, 100, 40) if effects.thorough() else (2, 50, 20)
)  # fields of teams a seed, cases, challenges


def score(made, i: int, name: str) -> tuple[float, float]:
    """Dice and HD95 (mm) of a team in a case; NaN where nothing was handed in, the diagonal where nothing was drawn."""
    entry = made.entries[name][i]
    if entry is None:
        return np.nan, np.nan
    diagonal_mm = float(np.hypot(*(n * s for n, s in zip(made.truth.shape[1:], made.spacing_mm))))
    return metrics.dice(made.truth[i], entry), min(metrics.hd95(made.truth[i], entry, made.spacing_mm), diagonal_mm)


def simulate_tables(seed: int) -> list:
    """Tables (cases, teams) of Dice and of HD95, a pair for each field of teams."""
    tables = []
    for field in range(N_FIELDS):
        teams = datasets.draw_teams(N_TEAMS, seed=1000 * seed + field)
        made = datasets.make_challenge(POOL, teams=teams, seed=1000 * seed + field)
        both = np.array([[score(made, i, name) for name in teams] for i in range(POOL)])  # (cases, teams, 2)
        tables.append((both[..., 0], both[..., 1]))
    return tables


def read_tables(folder) -> list:
    """The results of a real challenge: scores.csv with the columns case, team, dice, hd95. None if there is no such file."""
    if not (folder / "scores.csv").is_file():
        return []
    return [tuple(challenge.read_scores(folder, name).to_numpy() for name in ("dice", "hd95"))]


def read_levels(folder):
    """The grades of Kaggle's layout, where the folder holds no challenge's table."""
    return None if read_tables(folder) else datasets.read_retinopathy(folder, must_have_images=False).levels


def winners(table, higher_is_better: bool = True, how: str = "mean", worst: float = 0.0) -> set:
    return set(np.flatnonzero(rank_teams(table, how, worst, higher_is_better) == 1).tolist())


def hold_challenges(dice, hd95, seed: int) -> dict:
    """Share of challenges whose winner changes with each choice; a draw of cases and its rest are two challenges."""
    rng, worst_mm = np.random.default_rng(seed), float(np.nanmax(hd95))
    filled, n = np.where(np.isnan(dice), 0.0, dice), min(N_CASES, len(dice) // 2)
    changed = {name: [] for name in ("metric", "steps", "missing", "cases", "flattery")}
    for k in range(N_DRAWS):
        shuffled = rng.permutation(len(dice))
        here, there = shuffled[:n], shuffled[n : 2 * n]
        won = winners(dice[here])
        changed["metric"].append(won.isdisjoint(winners(hd95[here], False, worst=worst_mm)))
        changed["steps"].append(won.isdisjoint(winners(dice[here], how="rank-then-mean")))
        left_out = challenge.rank(np.nanmean(dice[here], axis=0))  # the means of what each team handed in
        changed["missing"].append(won.isdisjoint(np.flatnonzero(left_out == 1).tolist()))
        changed["cases"].append(won.isdisjoint(winners(dice[there])))
        winner = min(won)
        sure = np.asarray(winner_share(challenge.bootstrap_ranks(filled[here], n_resamples=200, seed=k)))[winner]
        changed["flattery"].append(sure - float(winner in winners(dice[there])))
    return {name: float(np.mean(values)) for name, values in changed.items()}


def hold_gradings(levels, seed: int) -> dict:
    """Twelve graders, challenges of 200 eyes: is the best by accuracy the best by kappa, and who is below *none* for all?"""
    rng, changed, below = np.random.default_rng(seed), [], []
    for k in range(N_DRAWS):
        noise, shift = rng.uniform(0.2, 1.0, N_GRADERS), rng.normal(0, 0.3, N_GRADERS)
        some = None if levels is None else rng.choice(levels, N_EYES)
        made = datasets.make_gradings(N_EYES, noise=noise, shift=shift, levels=some, seed=1000 * seed + k)
        accuracy = (made.grades == made.truth).mean(axis=1)
        kappa = np.array([quadratic_kappa(made.truth, grades, 5) for grades in made.grades])
        changed.append(np.argmax(accuracy) != np.argmax(kappa))
        below += (accuracy[kappa > 0.5] < np.mean(made.truth == 0)).tolist()
    return {"kappa": float(np.mean(changed)), "below": float(np.mean(below))}


results = []
for seed in effects.seeds():
    tables = effects.source(partial(simulate_tables, seed), read_tables)
    rows = [hold_challenges(*pair, seed=100 * seed + k) for k, pair in enumerate(tables)]
    row = pd.DataFrame(rows).mean().to_dict() if rows else {}
    if not rows or effects.source(lambda: True, lambda folder: False):
        row |= hold_gradings(effects.source(lambda: None, read_levels), seed)
    results.append(row)

pd.DataFrame(results).mean().round(3)


# %% tags=["experiment"]
def values(name: str):
    """One number a seed, or None where the folder held no such data."""
    return [row[name] for row in results] if name in results[0] else None


claims = {
    "metric": ("Other winner by HD95 than by Dice, share of challenges, above 0.1", 0.1),
    "steps": ("Other winner by rank, then mean, share of challenges, above 0.1", 0.1),
    "missing": ("Other winner where missing cases are left out, share of challenges, above 0.1", 0.1),
    "cases": ("Other winner with 25 other cases, share of challenges, above 0.1", 0.1),
    "flattery": ("Bootstrap's share for the winner minus its wins with other cases, above 0", 0.0),
    "kappa": ("Other best grader by kappa than by accuracy, share of challenges, above 0.1", 0.1),
    "below": ("Graders with kappa above 0.5 that are less accurate than no disease for all, share, above 0.1", 0.1),
}
figures = dict.fromkeys(("metric", "steps", "cases"), "shown in examples, no share")
report = effects.report(
    [
        effects.measure(
            UNIT, claim, values(name), paper=PAPER, paper_figure=figures.get(name, "not measured"), above=bound
        )
        for name, (claim, bound) in claims.items()
    ]
)
report

# %% [markdown]
# **Before you read on:** a share says what *can* happen among teams as these. How alike real teams are, no simulation knows. The closer they are, the more a ranking
# owes to chance. The course ran the same cells with more teams and cases:
#
# <details><summary>The course's longer run</summary>
#
# {{effects}}
#
# </details>
#
# A table of means, as it is printed, and what the bootstrap adds to it:

# %% tags=["experiment"]
dice, hd95 = (
    effects.source(partial(simulate_tables, 0), read_tables)[0] if "metric" in results[0] else (np.eye(2), np.eye(2))
)
here = slice(0, N_CASES)
filled = np.where(np.isnan(dice), 0.0, dice)[here]
found = challenge.stability(filled, n_resamples=1000)
p = challenge.significance(filled)
summary = pd.DataFrame(
    {
        "mean Dice": filled.mean(axis=0),
        "rank": rank_teams(dice[here], "mean", 0.0, True),
        "rank, 95 % of draws": [f"{low:.0f} to {high:.0f}" for low, high in zip(found.rank_low, found.rank_high)],
        "wins, share of draws": found.winner_share,
        "surely better than": [int((row < 0.05).sum()) for row in p],
    },
    index=[f"team {chr(65 + i)}" for i in range(filled.shape[1])],
).sort_values("rank")
print(f"Kendall's tau between the ranking and that of a draw: {np.mean(found.tau):.2f} on average")
summary.round(3)

# %% [markdown]
# *Surely better than* counts the teams that are beaten in a one-sided Wilcoxon test on the same cases, corrected for all pairs (Holm). It is a better headline
# than *first*.
#
# ## Questions in words
#
# **Question 1.** Your network came in second in a challenge of 25 cases, 0.4 points of Dice behind the winner. Your head of department wants a press release: *second best in
# the world*. In at most 120 words: what may be said, and what would you compute first? Use a number of your own run.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_ranking", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# I would first draw the cases again (bootstrap, the same draw for all teams) and look at the interval of our rank and at the share of draws that we win. In my run another 25 cases gave
# another winner in more than a third of the challenges, so 0.4 points between first and second may be nothing. I would test us against the neighbours on
# the same cases, with a correction for all pairs, and look whether a second metric (HD95) and ranks per case put us at the same place. What may be said: "among the
# best group of the N teams that took part", with the interval and the number of cases; not "in the world", for only those who entered were ranked, on one hospital's patients.
#
# === BEGIN MARK SCHEME ===
# 1 point: computes the uncertainty over cases (bootstrap or paired test) before any claim, with a number of the own run.
# 1 point: names another choice that may change the rank (metric, order of steps, missing cases, ties).
# 1 point: limits the claim to the teams and patients that were there.
# === END MARK SCHEME ===

# %% [markdown]
# **Question 2.** A colleague has removed names and numbers from headers of CT scans of heads and wants to put the files on a public server. Name two ways in which a patient
# could still be found, and what you would do about each.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_identity", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# The skin of the face is in the slices: a surface drawn from them can be compared with photographs. Cut the face away or blur it (defacing), and check that the
# anatomy that matters is still there. And rest of the header: dates of the visit, the institution, private elements, free text in comments and nested requests can be joined
# with other records. Remove private elements, shift dates by one random number a patient, replace the UIDs, and run a check such as that of exercise 2 over every file.
#
# === BEGIN MARK SCHEME ===
# 1 point: a way besides name and number (face, burned in text, dates with institution, private elements, UIDs, nested sequences, rare disease), said how it leads to the person.
# 1 point: a second one, and for both a measure that fits.
# === END MARK SCHEME ===

# %% [markdown]
# ## Real data
#
# `medcourse effects 19_public_datasets --data FOLDER` runs the same cells on a folder with `scores.csv` (columns case, team, dice, hd95: the table of a real challenge), or with
# Kaggle's `trainLabels.csv` ([Diabetic Retinopathy Detection](https://www.kaggle.com/competitions/diabetic-retinopathy-detection), an account and its rules), whose real grades simulated graders then see.
# `medcourse data list --all` searches the catalogue, and `datasets.query_idc(collection="ct_lymph_nodes")` asks the Imaging Data Commons, where the package idc-index is installed.
#
# The toolkit of the field for such rankings is challengeR (Wiesenfarth et al. 2021, [doi:10.1038/s41598-021-82017-6](https://doi.org/10.1038/s41598-021-82017-6)), in R.
