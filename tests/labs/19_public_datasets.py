"""What the tests of lab 19 must reject, and what they must accept, although it is written in another way."""

MISTAKES = {
    "sort_series": {
        "by file name": [("slices.sort(key=lambda each: each[0])", "slices.sort(key=lambda each: each[1])")],
        "by InstanceNumber": [
            ('float(np.dot(header["position"], normal))', 'float(header["number"])'),
        ],
        "by z": [('float(np.dot(header["position"], normal))', 'float(header["position"][2])')],
        "column x row": [
            (
                'np.cross(header["orientation"][:3], header["orientation"][3:])',
                'np.cross(header["orientation"][3:], header["orientation"][:3])',
            )
        ],
        "by distance from the origin": [
            ('float(np.dot(header["position"], normal))', 'float(np.linalg.norm(header["position"]))')
        ],
        "the axis nearest to the normal": [
            (
                'float(np.dot(header["position"], normal))',
                'float(header["position"][int(np.abs(normal).argmax())])',
            )
        ],
        "the scout stays": [('if header["series"] == largest:', 'if header["series"]:')],
        "the first series": [("max(set(series), key=series.count)", "series[0]")],
        "copies stay": [("if not kept or height - kept[-1][0] >= 0.05:", "if True:")],
        "only exact copies go": [("height - kept[-1][0] >= 0.05", "height - kept[-1][0] > 0")],
        "bins of 0.05 mm": [("height - kept[-1][0] >= 0.05", "round(height / 0.05) != round(kept[-1][0] / 0.05)")],
        "copies by InstanceNumber": """
def sort_series(headers):
    series = [header["series"] for header in headers]
    largest = max(set(series), key=series.count)
    slices, seen = [], set()
    for header in headers:
        if header["series"] == largest and header["number"] not in seen:
            seen.add(header["number"])
            normal = np.cross(header["orientation"][:3], header["orientation"][3:])
            slices.append((float(np.dot(header["position"], normal)), header["file"]))
    return [file for _, file in sorted(slices, key=lambda each: each[0])]
""",
        "equals by name": [("slices.sort(key=lambda each: each[0])", "slices.sort()")],
        "thin slices go": [(">= 0.05", ">= 0.2")],
        "the last copy stays": [
            (
                "        if not kept or height - kept[-1][0] >= 0.05:\n            kept.append((height, file))",
                "        if kept and height - kept[-1][0] < 0.05:\n            kept.pop()\n        kept.append((height, file))",
            )
        ],
        "sorts what it was given": [
            ("    series = [", "    headers.sort(key=lambda header: header['position'][2])\n    series = [")
        ],
        "from the head down": [("[file for _, file in kept]", "[file for _, file in kept[::-1]]")],
    },
    "missing_heights": {
        "one slice a gap": [("range(1, n_parts)", "range(1, min(n_parts, 2))")],
        "the smallest step": [("np.median(steps)", "np.min(steps)")],
        "the mean step": [("np.median(steps)", "np.mean(steps)")],
        "rounded down": [("np.floor(gap / step + 0.5)", "np.floor(gap / step)")],
        "rounded up": [("np.floor(gap / step + 0.5)", "np.ceil(gap / step)")],
        "halves to even": [("int(np.floor(gap / step + 0.5))", "max(int(np.round(gap / step - 1e-6)), 1)")],
        "the ends of a gap too": [("range(1, n_parts)", "(range(n_parts + 1) if n_parts > 1 else [])")],
        "steps of the median, not of the gap": [("low + gap * k / n_parts", "low + step * k")],
    },
    "find_identity": {
        "sequences not looked into": [("if isinstance(value, list):", "if isinstance(value, list) and not value:")],
        "one level of sequences": [("find_identity(item, profile)]", "item if path in profile]")],
        "the first item only": [("enumerate(value):", "enumerate(value[:1]):")],
        "without the path": [('f"{key}[{i}].{path}"', "path")],
        "items counted from 1": [("enumerate(value):", "enumerate(value, 1):")],
        "every group": [("if int(key[1:5], 16) % 2 == 1:", "if True:")],
        "even groups": [("% 2 == 1", "% 2 == 0")],
        "the element instead of the group": [("key[1:5]", "key[6:10]")],
        "group 0009 only": [("int(key[1:5], 16) % 2 == 1", "key[1:5] == '0009'")],
        "empty private elements pass": [("% 2 == 1:", "% 2 == 1 and value:")],
        "burned in whatever it says": [('if value.strip() == "YES":', "if value.strip():")],
        "burned in text forgotten": [('if value.strip() == "YES":', "if False:")],
        "empty ones count": [("key in profile and value.strip()", "key in profile")],
        "spaces count": [("key in profile and value.strip()", "key in profile and value")],
        "a keyword of the profile within another": [("key in profile and", "any(each in key for each in profile) and")],
        "a keyword within one of the profile": [("key in profile and", "key in ' '.join(profile) and")],
        "values compared": [("key in profile and", "value in profile and")],
        "not sorted": [("return sorted(found)", "return found")],
        "the profile is used up": [
            (
                "        elif key in profile and value.strip():\n            found.append(key)",
                "        elif key in profile and value.strip():\n            found.append(key)\n            profile.remove(key)",
            )
        ],
    },
    "choose_datasets": {
        "any access": [('and entry["access"] == "open"', "")],
        "registration is open": [('entry["access"] == "open"', 'entry["access"] in ("open", "register")')],
        "smaller, not at most": [('entry["size_gb"] <= largest_gb', 'entry["size_gb"] < largest_gb')],
        "unknown sizes fit": [
            (
                'and entry["size_gb"] is not None\n        and entry["size_gb"] <= largest_gb',
                'and (entry["size_gb"] or 0) <= largest_gb',
            ),
            ('key=lambda entry: entry["size_gb"]', 'key=lambda entry: entry["size_gb"] or 0'),
        ],
        "the largest first": [('key=lambda entry: entry["size_gb"])', 'key=lambda entry: -entry["size_gb"])')],
        "in the order of names": [('key=lambda entry: entry["size_gb"])', 'key=lambda entry: entry["name"])')],
        "equals by name": [
            ('key=lambda entry: entry["size_gb"])', 'key=lambda entry: (entry["size_gb"], entry["name"]))')
        ],
        "CC BY anywhere": [('parts[:2] == ["CC", "BY"]', '"CC BY" in licence')],
        "CC0 anywhere": [('parts[:1] == ["CC0"]', '"CC0" in parts')],
        "NC is fine": [('"NC" not in parts and ', "")],
        "ND is fine": [(' and "ND" not in parts', "")],
        "NC within a word": [('"NC" not in parts', '"NC" not in licence')],
        "ND within a word": [('"ND" not in parts', '"ND" not in licence')],
        "any CC": [('parts[:2] == ["CC", "BY"]', 'parts[:1] == ["CC"]')],
        "SA is not": [('and "ND" not in parts', 'and "ND" not in parts and "SA" not in parts')],
        "licences always asked for": [("(not product or allows_products", "(allows_products")],
        "licences never asked for": [("(not product or allows_products", "(True or allows_products")],
        "any modality": [('if modality in ("any", entry["modality"])', "if True")],
        "any is a modality": [('modality in ("any", entry["modality"])', 'modality == entry["modality"]')],
    },
    "quadratic_kappa": {
        "linear weights": [("(i - j) ** 2  # over (K - 1)^2, which cancels", "np.abs(i - j)")],
        "no weights": [("(i - j) ** 2  # over (K - 1)^2, which cancels", "(i != j).astype(float)")],
        "chance gives all grades alike": [
            ("np.outer(observed.sum(axis=1), observed.sum(axis=0))", "np.full((n_grades, n_grades), n_grades**-2.0)")
        ],
        "margins of the truth twice": [
            (
                "np.outer(observed.sum(axis=1), observed.sum(axis=0))",
                "np.outer(observed.sum(axis=1), observed.sum(axis=1))",
            )
        ],
        "weights of agreement": [
            ("1 - (weights * observed).sum() / by_chance", "(weights * observed).sum() / by_chance")
        ],
        "0/0 is 0": [("if by_chance > 0 else 1.0", "if by_chance > 0 else 0.0")],
        "0/0 is not a number": [(" if by_chance > 0 else 1.0", "")],
        "1 where the truth is constant": [("if by_chance > 0 else 1.0", "if np.ptp(truth) > 0 else 1.0")],
        "as many grades as the truth has": [
            ("    observed = np.zeros(", "    n_grades = truth.max() + 1\n    observed = np.zeros(")
        ],
        "as many grades as the truth has, the rest cut off": [
            (
                "    observed = np.zeros(",
                "    n_grades = truth.max() + 1\n    given = np.minimum(given, truth.max())\n    observed = np.zeros(",
            )
        ],
        "each pair counted once": [
            ("np.add.at(observed, (truth, given), 1 / len(truth))", "observed[truth, given] = 1 / len(truth)")
        ],
        "correlation": """
def quadratic_kappa(truth, given, n_grades):
    if truth.std() == 0 or given.std() == 0:
        return 1.0 if (truth == given).all() else 0.0
    return float(np.corrcoef(truth, given)[0, 1])
""",
        "only the grades that occur": [
            (
                "    observed = np.zeros((n_grades, n_grades))",
                "    _, both = np.unique([truth, given], return_inverse=True)\n    truth, given = both.reshape(2, -1)\n    n_grades = both.max() + 1\n    observed = np.zeros((n_grades, n_grades))",
            ),
        ],
    },
    "rank_teams": {
        "missing left out": [
            ("np.where(np.isnan(scores), worst, scores)", "scores"),
            ("badness.mean(axis=0)", "np.nanmean(badness, axis=0)"),
        ],
        "missing is 0 whatever is worst": [("np.where(np.isnan(scores), worst, scores)", "np.nan_to_num(scores)")],
        "missing is the worst that was handed in": [
            (
                "np.where(np.isnan(scores), worst, scores)",
                "np.where(np.isnan(scores), np.nanmin(scores) if higher_is_better else np.nanmax(scores), scores)",
            )
        ],
        "a missing case takes the last rank": [
            (
                'badness = stats.rankdata(badness, method="min", axis=1)',
                'badness = np.where(np.isnan(scores), scores.shape[1], stats.rankdata(badness, method="min", axis=1))',
            )
        ],
        "more is always better": [("-filled if higher_is_better else filled", "-filled")],
        "less is always better": [("-filled if higher_is_better else filled", "filled")],
        "always mean, then rank": [('if how == "rank-then-mean":', "if False:")],
        "always rank, then mean": [('if how == "rank-then-mean":', "if True:")],
        "ranked along the wrong axis": [("axis=1)", "axis=0)")],
        "equals share the mean rank": [('round(9), method="min")', 'round(9), method="average")')],
        "equals get no gap": [('round(9), method="min")', 'round(9), method="dense")')],
        "the first of equals wins": [('round(9), method="min")', 'round(9), method="ordinal")')],
        "mean ranks within a case": [('method="min", axis=1', 'method="average", axis=1')],
        "rounding decides": [(".round(9)", "")],
        "rounded to three digits": [(".round(9)", ".round(3)")],
        "the median": [("badness.mean(axis=0)", "np.median(badness, axis=0)")],
        "fills the table itself": [
            (
                "filled = np.where(np.isnan(scores), worst, scores)",
                "scores[np.isnan(scores)] = worst\n    filled = scores",
            )
        ],
    },
    "bootstrap_ranks": {
        "each team its own cases": """
def bootstrap_ranks(scores, n_resamples, seed):
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(n_resamples):
        own = [column[rng.integers(len(column), size=len(column))] for column in scores.T]
        out.append(challenge.rank_teams(np.column_stack(own)))
    return np.stack(out)
""",
        "without replacement": [
            (
                "draws = rng.integers(len(scores), size=(n_resamples, len(scores)))",
                "draws = [rng.permutation(len(scores)) for _ in range(n_resamples)]",
            )
        ],
        "half of the cases": [("size=(n_resamples, len(scores))", "size=(n_resamples, (len(scores) + 1) // 2)")],
        "the same draw each time": [("for draw in draws]", "for draw in [draws[0]] * n_resamples]")],
        "the seed ignored": [("rng = np.random.default_rng(seed)", "rng = np.random.default_rng(0)")],
        "no seed": [("rng = np.random.default_rng(seed)", "rng = np.random.default_rng()")],
        "teams drawn instead of cases": [
            ("challenge.rank_teams(scores[draw])", "challenge.rank_teams(scores[:, draw % scores.shape[1]])")
        ],
        "the last case never": [("rng.integers(len(scores), size", "rng.integers(len(scores) - 1, size")],
        "equals share the mean rank": [
            ("challenge.rank_teams(scores[draw])", "stats.rankdata(-scores[draw].mean(axis=0).round(9))")
        ],
        "equals get no gap": [
            (
                "challenge.rank_teams(scores[draw])",
                'stats.rankdata(-scores[draw].mean(axis=0).round(9), method="dense")',
            )
        ],
        "the first of equals wins": [
            (
                "challenge.rank_teams(scores[draw])",
                'stats.rankdata(-scores[draw].mean(axis=0).round(9), method="ordinal")',
            )
        ],
        "less is better": [
            ("challenge.rank_teams(scores[draw])", "challenge.rank_teams(scores[draw], higher_is_better=False)")
        ],
    },
    "winner_share": {
        "each winner counts whole": [("(first / first.sum(axis=1, keepdims=True))", "first")],
        "the first of the winners takes all": [
            (
                "return (first / first.sum(axis=1, keepdims=True)).mean(axis=0)",
                "return np.bincount(first.argmax(axis=1), minlength=first.shape[1]) / len(first)",
            )
        ],
        "shared wins do not count": [
            ("(first / first.sum(axis=1, keepdims=True))", "(first & (first.sum(axis=1, keepdims=True) == 1))")
        ],
        "the mean over teams": [(".mean(axis=0)", ".mean(axis=1)")],
        "counted, not shared out": [(".mean(axis=0)", ".sum(axis=0)")],
        "the last rank wins": [("np.asarray(ranks) == 1", "np.asarray(ranks) == np.max(ranks)")],
    },
}

ALTERNATIVES = {
    "sort_series": {
        "arrays and argsort": """
def sort_series(headers):
    from collections import Counter

    uid = Counter(h["series"] for h in headers).most_common(1)[0][0]
    mine = [h for h in headers if h["series"] == uid]
    r, c = np.split(np.array([h["orientation"] for h in mine], float), 2, axis=1)
    heights = (np.array([h["position"] for h in mine], float) * np.cross(r, c)).sum(1)
    order = np.argsort(heights, kind="stable")
    keep = [order[0]] + [b for a, b in zip(order, order[1:]) if heights[b] - heights[a] > 0.0499999]
    return [mine[i]["file"] for i in keep]
""",
        "the normal by hand, a tuple": """
def sort_series(headers):
    groups = {}
    for h in headers:
        groups.setdefault(h["series"], []).append(h)
    best = sorted(groups.values(), key=len)[-1]

    def height(h):
        a, b, c, d, e, f = h["orientation"]
        x, y, z = h["position"]
        return x * (b * f - c * e) + y * (c * d - a * f) + z * (a * e - b * d)

    out, last = [], None
    for h in sorted(best, key=height):
        if last is None or abs(height(h) - last) > 0.049:
            out.append(h["file"])
            last = height(h)
    return tuple(out)
""",
    },
    "missing_heights": {
        "linspace": """
def missing_heights(heights):
    d = np.diff(np.asarray(heights, float))
    found = []
    for i in np.flatnonzero(d >= 1.5 * np.median(d) - 1e-9):
        n = int(d[i] / np.median(d) + 0.5 + 1e-9)
        found.extend(np.linspace(heights[i], heights[i + 1], n + 1)[1:-1])
    return found
""",
        "a loop": """
def missing_heights(heights):
    steps = sorted(b - a for a, b in zip(heights[:-1], heights[1:]))
    m = len(steps)
    step = steps[m // 2] if m % 2 else (steps[m // 2 - 1] + steps[m // 2]) / 2
    out = []
    for a, b in zip(heights[:-1], heights[1:]):
        n = int((b - a) / step + 0.5)
        for k in range(1, n):
            out.append(((n - k) * a + k * b) / n)
    return out
""",
    },
    "find_identity": {
        "a stack instead of recursion": """
def find_identity(header, profile):
    wanted, found, todo = set(profile), [], [("", header)]
    while todo:
        before, part = todo.pop()
        for key, value in part.items():
            if isinstance(value, (list, tuple)):
                todo += [(f"{before}{key}[{i}].", item) for i, item in enumerate(value)]
                continue
            private = key[0] == "(" and key[4].upper() in "13579BDF"
            burned = key == "BurnedInAnnotation" and value == "YES"
            if private or burned or (key in wanted and len(value.strip()) > 0):
                found.append(before + key)
    return sorted(found)
""",
        "a generator inside": """
def find_identity(header, profile):
    import re

    def walk(part):
        for key, value in part.items():
            match = re.fullmatch(r"\\(([0-9A-Fa-f]{4}),.{4}\\)", key)
            if isinstance(value, list):
                for i, item in enumerate(value):
                    for path in walk(item):
                        yield key + "[" + str(i) + "]." + path
            elif match:
                if int(match[1], 16) & 1:
                    yield key
            elif (key, value) == ("BurnedInAnnotation", "YES") or (key in profile and not value.isspace() and value != ""):
                yield key

    return sorted(set(walk(header)))
""",
    },
    "choose_datasets": {
        "pandas": """
def choose_datasets(entries, modality, largest_gb, product):
    t = pd.DataFrame(entries)
    t = t[t.access == "open"]
    t = t[t["size_gb"].astype(float) <= largest_gb]
    if modality != "any":
        t = t[t.modality == modality]
    if product:
        t = t[t.licence.str.match(r"(CC0|CC BY)\\b") & ~t.licence.str.contains(r"\\b(?:NC|ND)\\b")]
    return t.sort_values("size_gb", kind="stable").name.tolist()
""",
        "a loop": """
def choose_datasets(entries, modality, largest_gb, product):
    found = []
    for number, e in enumerate(entries):
        if e["access"] != "open" or e["size_gb"] is None or e["size_gb"] > largest_gb:
            continue
        if modality != "any" and e["modality"] != modality:
            continue
        text = e["licence"]
        named = text == "CC0" or text.startswith(("CC0 ", "CC BY ", "CC BY-"))
        if product and (not named or "-NC" in text or "-ND" in text):
            continue
        found.append((e["size_gb"], number, e["name"]))
    return [name for _, _, name in sorted(found)]
""",
    },
    "quadratic_kappa": {
        "moments": """
def quadratic_kappa(truth, given, n_grades):
    a, b = np.asarray(truth, float), np.asarray(given, float)
    chance = np.mean(a**2) + np.mean(b**2) - 2 * a.mean() * b.mean()
    return 1.0 if chance < 1e-12 else 1 - np.mean((a - b) ** 2) / chance
""",
        "all pairs": """
def quadratic_kappa(truth, given, n_grades):
    pairs = (np.subtract.outer(truth, given).astype(np.float64)) ** 2
    if pairs.mean() == 0:
        return 1.0
    return 1 - np.diag(pairs).mean() / pairs.mean()
""",
    },
    "rank_teams": {
        "counting who is better": """
def rank_teams(scores, how, worst, higher_is_better):
    def ranks(v):
        return 1 + np.array([sum(w > x + 1e-9 for w in v) for x in v])

    s = np.array(scores, float)
    s[np.isnan(s)] = worst
    s = s if higher_is_better else -s
    if how == "mean":
        return ranks(s.mean(0))
    return ranks(-np.mean([ranks(row) for row in s], axis=0))
""",
        "pandas": """
def rank_teams(scores, how, worst, higher_is_better):
    table = pd.DataFrame(scores).fillna(worst)
    if how == "rank-then-mean":
        table = table.rank(axis=1, ascending=not higher_is_better, method="min")
        higher_is_better = False
    return table.mean().round(9).rank(ascending=not higher_is_better, method="min").to_numpy()
""",
    },
    "bootstrap_ranks": {
        "choice, draw by draw, own ranks": """
def bootstrap_ranks(scores, n_resamples, seed):
    from scipy.stats import rankdata

    rng, out = np.random.default_rng(seed), []
    for _ in range(n_resamples):
        rows = rng.choice(len(scores), len(scores))
        out.append(rankdata(-scores[rows].mean(0).round(9), method="min"))
    return np.array(out, dtype=np.float32)
""",
        "counts of cases": """
def bootstrap_ranks(scores, n_resamples, seed):
    n = len(scores)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_resamples)
    means = np.round(counts @ scores / n, 9)
    return 1 + (means[:, None, :] > means[:, :, None]).sum(-1)
""",
    },
    "winner_share": {
        "a loop": """
def winner_share(ranks):
    total = np.zeros(len(ranks[0]))
    for row in ranks:
        best = np.flatnonzero(np.asarray(row) == 1)
        total[best] += 1 / len(best)
    return total / len(ranks)
""",
        "where": """
def winner_share(ranks):
    won = np.where(np.asarray(ranks) < 1.5, 1.0, 0.0)
    return np.mean(won.T / won.sum(1), axis=1)
""",
    },
}

# Mutants of the reference answers that are no other program.
EQUIVALENT = {
    "sort_series": {
        '`normal = np.cross(header["orientation"][:3], header["orientation"][3:])` -> `normal = np.cross(header["orientation"][:-3], header["orientation"][3:])`': (
            "of six numbers all but the last three are the first three"
        ),
        '`normal = np.cross(header["orientation"][:3], header["orientation"][3:])` -> `normal = np.cross(header["orientation"][:3], header["orientation"][-3:])`': (
            "of six numbers the last three are those from the fourth on"
        ),
        '`slices.append((float(np.dot(header["position"], normal)), header["file"]))` -> `slices.append((float(np.dot(normal, header["position"])), header["file"]))`': (
            "a product of two vectors does not know which came first"
        ),
        "`if not kept or height - kept[-1][0] >= 0.05:` -> `if not kept or height - kept[-1][0] > 0.05:`": (
            "0.05 has no exact number, and no test may hang on its rounding"
        ),
    },
    "find_identity": {
        "`if int(key[1:5], 16) % 2 == 1:` -> `if int(key[2:5], 16) % 2 == 1:`": (
            "the last digit alone makes a number odd"
        ),
    },
    "quadratic_kappa": {
        "`np.add.at(observed, (truth, given), 1 / len(truth))` -> `np.add.at(observed, (given, truth), 1 / len(truth))`": (
            "kappa does not know which of two raters is the first"
        ),
        "`expected = np.outer(observed.sum(axis=1), observed.sum(axis=0))` -> `expected = np.outer(observed.sum(axis=0), observed.sum(axis=1))`": (
            "the table of chance turned over, weighted by weights that are the same turned over"
        ),
        "`i, j = np.indices((n_grades, n_grades))` -> `j, i = np.indices((n_grades, n_grades))`": (
            "weights are the same turned over"
        ),
        "`weights = (i - j) ** 2` -> `weights = (j - i) ** 2`": ("a square does not know its sign"),
    },
    "rank_teams": {
        '`return stats.rankdata(badness.mean(axis=0).round(9), method="min")` -> `return stats.rankdata(badness.mean(axis=0).round(10), method="min")`': (
            "both take for equal what differs by rounding, and the task leaves the digit open"
        ),
        '`return stats.rankdata(badness.mean(axis=0).round(9), method="min")` -> `return stats.rankdata(badness.mean(axis=0).round(8), method="min")`': (
            "both take for equal what differs by rounding, and no test goes near 1e-9"
        ),
    },
}
