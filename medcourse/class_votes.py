"""What a class says together in a labelling game, beside the expert: the majority, and Dawid and Skene's method."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from medcourse.crowds import collect_answers, dawid_skene, majority_vote
from medcourse.errors import CourseError

N_HARDEST = 5

Name = int | str


@dataclass(frozen=True)
class Hard:
    """An item that the class found hard: what the expert says, and the share of the class that says so, too."""

    item: Name
    expert: Name
    share: float


@dataclass(frozen=True)
class ClassVotes:
    """A class and its expert; shares of items, 0 to 1, None where no expert's answers are known.

    Attributes
    ----------
    lab
        Its slug.
    n_submissions, n_workers, n_items, n_answers
        What was handed in, and what could be used of it.
    single, single_low, single_high
        How often one of the class agrees with the expert: mean, the lowest and the highest.
    majority, dawid_skene
        How often the class together does; a tied vote counts as a guess.
    hardest
        Up to five items, those about which fewest agree with the expert first.
    votes
        What the class says of each item: its majority (the first of tied ones) and what Dawid and Skene make of it.
    dropped
        A line for each submission that was left out.
    """

    lab: str
    n_submissions: int
    n_workers: int
    n_items: int
    n_answers: int
    single: float | None
    single_low: float | None
    single_high: float | None
    majority: float | None
    dawid_skene: float | None
    hardest: list[Hard]
    votes: list[dict[str, Name]]
    dropped: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return what `medcourse crowd --json` prints."""
        return asdict(self)

    def __str__(self) -> str:
        """Return it as a person reads it."""
        lines = [f"left out {line}" for line in self.dropped]
        lines.append(
            f"{self.lab}: {self.n_answers} answers of {self.n_workers} of {self.n_submissions} students "
            f"about {self.n_items} images, names left out"
        )
        if self.single is None:
            lines.append("the lab's solution has no answers of an expert: nothing to compare with")
            return "\n".join(lines)
        lines.append("agree with the expert:")
        lines.append(f"{self.single:4.0%}  one of the class, mean ({self.single_low:.0%} to {self.single_high:.0%})")
        lines.append(f"{self.majority:4.0%}  the majority")
        lines.append(f"{self.dawid_skene:4.0%}  Dawid and Skene")
        lines += [f"hard: image {h.item}, expert says {h.expert}, {h.share:.0%} agree" for h in self.hardest]
        return "\n".join(lines)


def judge_class(
    lab: str,
    rows: Sequence[tuple[str, Name, Name]],
    expert: Mapping[Name, Name],
    *,
    n_submissions: int,
    dropped: Sequence[str] = (),
) -> ClassVotes:
    """Aggregate the answers of a class and set them beside the expert's.

    Parameters
    ----------
    rows
        Worker, item, label.
    expert
        The class of each item; empty where it is not known.
    n_submissions, dropped
        To be reported.

    Raises
    ------
    CourseError
        There is no answer.
    """
    if not rows:
        raise CourseError(f"expected answers to {lab}, found none that could be used: {'; '.join(dropped)[:500]}")
    workers, items = (list(dict.fromkeys(row[k] for row in rows)) for k in (0, 1))
    classes = sorted({row[2] for row in rows} | set(expert.values()), key=lambda name: (isinstance(name, str), name))
    place = [{name: code for code, name in enumerate(names)} for names in (workers, items, classes)]
    worker, item, label = (np.array([place[k][row[k]] for row in rows]) for k in range(3))
    answers = collect_answers(worker, item, label, n_classes=max(len(classes), 2))
    majority, together = majority_vote(answers), dawid_skene(answers)
    votes = [
        {"item": name, "majority": classes[int(majority[i].argmax())], "dawid_skene": classes[int(together.label[i])]}
        for i, name in enumerate(items)
    ]
    known = np.array([name in expert for name in items])
    truth = np.array([place[2][expert[name]] if name in expert else -1 for name in items])
    scores: dict[str, float | None] = dict.fromkeys(("single", "low", "high", "majority", "dawid_skene"))
    hardest: list[Hard] = []
    if known.any():
        told = known[item]
        agrees = label[told] == truth[item[told]]
        each = _share(agrees, worker[told])
        scores |= {
            **{"single": float(each.mean()), "low": float(each.min()), "high": float(each.max())},
            "majority": float(majority[known, truth[known]].mean()),
            "dawid_skene": float(np.mean(together.label[known] == truth[known])),
        }
        shares = dict(zip(np.unique(item[told]).tolist(), _share(agrees, item[told]).tolist(), strict=True))
        worst = sorted(shares, key=lambda i: shares[i])[:N_HARDEST]
        hardest = [Hard(items[i], expert[items[i]], shares[i]) for i in worst if shares[i] < 1]
    return ClassVotes(
        lab=lab,
        n_submissions=n_submissions,
        n_workers=len(workers),
        n_items=len(items),
        n_answers=len(rows),
        single=scores["single"],
        single_low=scores["low"],
        single_high=scores["high"],
        majority=scores["majority"],
        dawid_skene=scores["dawid_skene"],
        hardest=hardest,
        votes=votes,
        dropped=list(dropped),
    )


def _share(agrees: Any, group: Any) -> Any:
    """Return the mean of `agrees` in each group, in the order of groups, without those that are empty."""
    count = np.bincount(group)
    return (np.bincount(group, agrees) / np.maximum(count, 1))[count > 0]
