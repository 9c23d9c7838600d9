"""Two densities instead of a network: where all cells lie, and where blasts do."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcourse.errors import CourseError

Floats = NDArray[np.float64]

BLAST_COMPONENTS = (1, 2, 4, 8)
EVENTS_PER_COMPONENT = 10


class BlastMixture:
    """Gaussian mixtures of marrow and of blasts, and Bayes' rule between them.

    Rota et al. 2015 (doi 10.1109/BIBM.2015.7359723) found that such a generative model beats a stacked auto-encoder at
    estimating residual disease. Theirs learns both densities from labelled cells; here the marrow's comes from
    unlabelled ones, which a network's pre-training is given as well. Since blasts are rare, the density of all cells
    stands for that of normal ones. How many components the blasts have, and whether features are correlated in them,
    the Bayesian information criterion decides.

    Parameters
    ----------
    n_components
        Of the marrow.
    floor
        Least variance that is added to each feature of a component; features are standardised, so 0.02 is small.
    seed
        Of the starting points.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> mixture = BlastMixture(n_components=2).fit_marrow(rng.normal(0, 1, (500, 2)))
    >>> mixture = mixture.fit_blasts(rng.normal(3, 0.3, (20, 2)))
    >>> (mixture.log_ratio(np.array([[3.0, 3.0], [0.0, 0.0]])) > 0).tolist()
    [True, False]
    """

    def __init__(self, *, n_components: int = 20, floor: float = 0.02, seed: int = 0) -> None:
        self.n_components, self.floor, self.seed = n_components, floor, seed
        self._marrow: Any = None
        self._blasts: Any = None

    def fit_marrow(self, events: NDArray[np.floating]) -> "BlastMixture":
        """Learn where cells lie from unlabelled events (N, F), standardised; return self."""
        if len(events) < 2 * self.n_components:
            raise CourseError(f"expected at least {2 * self.n_components} events, two a component, got {len(events)}")
        self._marrow = self._fit(np.asarray(events, float), self.n_components, "full")
        return self

    def fit_blasts(self, events: NDArray[np.floating]) -> "BlastMixture":
        """Learn where blasts lie from labelled ones (N, F), N at least 2; return self."""
        blasts: Floats = np.asarray(events, float)
        if len(blasts) < 2:
            raise CourseError(f"expected at least 2 labelled blasts, got {len(blasts)}")
        allowed = [k for k in BLAST_COMPONENTS if k == 1 or len(blasts) >= EVENTS_PER_COMPONENT * k]
        fits = [self._fit(blasts, k, kind) for k in allowed for kind in ("diag", "full")]
        self._blasts = min(fits, key=lambda fit: fit.bic(blasts))
        return self

    def log_marrow(self, events: NDArray[np.floating]) -> Floats:
        """Return the log density of marrow at events (N, F), (N,); the slow part, which labels do not change."""
        if self._marrow is None:
            raise CourseError("expected fit_marrow before its density is asked for")
        return np.asarray(self._marrow.score_samples(np.asarray(events, float)))

    def log_blasts(self, events: NDArray[np.floating]) -> Floats:
        """Return the log density of blasts at events (N, F), (N,)."""
        if self._blasts is None:
            raise CourseError("expected fit_blasts before their density is asked for")
        return np.asarray(self._blasts.score_samples(np.asarray(events, float)))

    def log_ratio(self, events: NDArray[np.floating]) -> Floats:
        """Return log p(x | blast) - log p(x) of events (N, F), (N,): the evidence, before any prior.

        The probability of being a blast is exp(log ratio) times the share of blasts where the marrow was learned.
        """
        return self.log_blasts(events) - self.log_marrow(events)

    def _fit(self, events: Floats, n_components: int, kind: str) -> Any:
        from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415
        from sklearn.mixture import GaussianMixture  # noqa: PLC0415

        mixture = GaussianMixture(
            n_components, covariance_type=kind, reg_covar=self.floor, max_iter=60, tol=1e-2, random_state=self.seed
        )
        with warnings.catch_warnings():
            # A density that is still getting a little better serves, too.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return mixture.fit(events)
