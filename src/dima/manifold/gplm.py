"""`GPLM`: kernel ridge regression from latents back to the data, on inducing points.

    R_aX = C_am M_mX + mu_X,    C_am = exp(-|z_a - z_m|^2 / eps)

with M the minimiser of |R - C M - mu|^2 + sigma2 M' K_mm M, solved in whitened features and
streamed over the rows, so that neither an (n, m) nor a (b, k, D) array ever exists.
"""

from typing import Annotated, Any, Self

import numpy as np
from msgspec import Meta
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin

from dima import check, settings
from dima.errors import DataError, SettingError
from dima.fitted import Fitted, FittedEstimator
from dima.manifold.gplm_fit import GPLMFit, fit_gplm, warn_if_far
from dima.manifold.inducing import STRATEGIES
from dima.manifold.jacobian import pulled_back
from dima.manifold.neighbors import BACKENDS
from dima.manifold.press import Choice
from dima.scaling import drawn_in
from dima.settings import OneOf
from dima.typing import Array, ArrayLike, Float64

__all__ = ["GPLM"]


class GPLM(FittedEstimator, MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]  # untyped base
    """Gaussian-process latent mapping, the kernel decoder (Rasmussen and Williams 2006, section 8.3.1).

    Example:
        >>> from sklearn.datasets import make_s_curve
        >>> X, position = make_s_curve(300, random_state=0)
        >>> gplm = GPLM(m=50).fit(np.column_stack([position, X[:, 1]]), X)
        >>> gplm.predict([[1.0, 0.5]]).round(1)  # the sine and the cosine less one
        array([[ 0.8,  0.5, -0.5]])
    """

    Fit = GPLMFit

    def __init__(  # noqa: PLR0913 the signature declares the settings
        self,
        m: Annotated[int, Meta(ge=1, description="inducing points; min(n, 1024) if not given")] | None = None,
        *,
        inducing: Annotated[
            str, OneOf(*STRATEGIES, "given"), Meta(description="how points are picked; given: fit gets Z_mx")
        ] = "kmeans_medoids",
        sigma2: Annotated[float, Meta(ge=0, description="ridge; chosen by leave-one-out if not given")]
        | None = None,
        jitter: Annotated[
            float, Meta(ge=0, lt=1, description="inducing directions below this share are dropped")
        ] = 1e-11,
        eps: Annotated[
            float, Meta(ge=1e-40, le=1e40, description="bandwidth, squared latent units; else leave-one-out")
        ]
        | None = None,
        k_eps: Annotated[int, Meta(ge=1, description="bandwidth: median d2 to so many nearest, not searched")]
        | None = None,
        pred_k: Annotated[int, Meta(ge=1, description="decode from so many nearest points; all if not given")]
        | None = None,
        whiten_latent: Annotated[bool, Meta(description="scale each latent axis to unit variance")] = False,
        center_X: Annotated[bool, Meta(description="subtract the mean of the targets")] = True,
        fit_block: Annotated[int, Meta(ge=1, description="training rows held at a time")] = 8192,
        ann_backend: Annotated[
            str, OneOf("auto", *BACKENDS), Meta(description="neighbour search for pred_k")
        ] = "auto",
        seed: Annotated[int, Meta(ge=0, lt=2**31, description="seed of inducing points and search")] = 0,
    ) -> None:
        self._store(locals())

    def fit(
        self,
        R_ix: ArrayLike,
        y: ArrayLike,
        Z_mx: ArrayLike | None = None,
        in_sample_ix: ArrayLike | None = None,
    ) -> Self:
        """Learn the map from latents `R_ix` (n, d) to data `y` (n, D) or (n,).

        Args:
            R_ix: latents; from `DMAP.self_excluded_` for errors that hold for new rows.
            y: data, R_iX elsewhere; the name is the one scikit-learn asks for.
            Z_mx: inducing points (m, d) in the units of `R_ix`, with inducing="given" only.
            in_sample_ix: second latents (n, d) of the same rows, of equal weight, but not used to choose
                bandwidth and ridge: `DMAP.embedding_`, to which training rows encode.

        Raises:
            SettingError: a setting is out of range or contradicts another; m, k_eps or pred_k is too large.
            ShapeError: rows of latents and data differ in number, or Z_mx is not d wide.
            DataError: latents, data or inducing points cannot be used.
        """
        settings_used = settings.check(type(self).__name__, type(self), self.get_params(deep=False))
        _refuse_contradiction(settings_used, Z_mx)
        latents = check.points(self, R_ix, reset=True, min_rows=2)
        if y is None:
            raise DataError("GPLM: requires y to be passed, but the target y is None.")
        targets = _targets(y, len(latents), "D" if np.ndim(check.plain("GPLM", "y", y)) != 1 else None)
        twins = _twins(latents, in_sample_ix)
        points = None if Z_mx is None else check.array("GPLM", "Z_mx", Z_mx, ("m", latents.shape[1]))
        self.fit_ = fit_gplm(settings_used, twins, targets, points)
        return self

    def partial_fit(
        self,
        R_ix: ArrayLike,
        y: ArrayLike,
        Z_mx: ArrayLike | None = None,
        in_sample_ix: ArrayLike | None = None,
    ) -> Self:
        """Learn from more rows: latents `R_ix` (n, d) with data `y` (n, D) or (n,); the first call is `fit`.

        Bandwidth, ridge, inducing points, and with whiten_latent the spreads, stay those of the first call;
        its rows should be like those to come, and not few. The result is that of `fit` on all rows with
        these (eps, sigma2, and Z_mx with inducing="given"). `press_` stays that of the first rows.
        Cost: that of `fit` on the new rows without its search; no earlier row is needed.

        Args:
            R_ix: latents, as in `fit`.
            y: data, as in `fit`.
            Z_mx: inducing points, at the first call only.
            in_sample_ix: second latents (n, d), as in `fit`.

        Raises:
            SettingError: as in `fit`; Z_mx is given later; the decoder was saved before it could learn more.
            ShapeError: rows of latents and data differ in number, or another width than before.
            DataError: latents or data cannot be used.

        Example:
            >>> R_ix = np.random.default_rng(0).uniform(0, 3, (300, 1))
            >>> gplm = GPLM(20).partial_fit(R_ix[:100], np.sin(R_ix[:100]))
            >>> gplm.partial_fit(R_ix[100:], np.sin(R_ix[100:])).predict([[1.0]]).round(3)
            array([[0.841]])
        """
        if not hasattr(self, "fit_"):
            return self.fit(R_ix, y, Z_mx, in_sample_ix)
        if Z_mx is not None:
            got = "it in a later one. Leave it out."
            raise SettingError(f"GPLM.partial_fit: Z_mx must be given at the first call alone; got {got}")
        latents = check.points(self, R_ix, reset=False)
        targets = _targets(y, len(latents), None if self.fit_.flat else self.fit_.M_mX.shape[1])
        self.fit_ = self.fit_.with_rows(_twins(latents, in_sample_ix), targets)
        return self

    def predict(
        self,
        R_ax: ArrayLike,
        return_interval: Annotated[float, Meta(gt=0, lt=1, description="share of new rows inside")]
        | None = None,
    ) -> Any:
        """Decode latents `R_ax` (b, d) into data (b, D), or (b,) after a fit on (n,) targets.

        With return_interval=0.9, three such arrays: what is decoded, and bounds between which nine of ten
        values of new rows lie, in every column; see `dima.manifold.interval`. They are wider where training
        latents are far, and infinite with too few training rows (below 9 for 0.9) to say.

        Warns when rows lie far from all inducing points: they decode to the mean of the data.
        Cost: O(b m D) time with all inducing points, O(b k (k^2 + D)) with pred_k = k; O(block) memory.

        Raises:
            NotFittedError: before `fit`.
            ShapeError: the second axis is not d.
            SettingError: return_interval is not between 0 and 1, or the decoder was saved before it could.
        """
        fit: GPLMFit = check.fitted(self)
        settings.check(
            f"{type(self).__name__}.predict", type(self).predict, {"return_interval": return_interval}
        )
        z_ax = drawn_in(fit.scale.apply(check.points(self, R_ax, reset=False)))
        decoded, n_far = fit.decode(z_ax)
        warn_if_far("GPLM", n_far, len(z_ax), "rows lie", "they decode to mu_X_, the mean of the data")
        if return_interval is None:
            return decoded[:, 0] if fit.flat else decoded
        half = fit.half_widths(z_ax, return_interval)
        found = (decoded, decoded - half, decoded + half)
        return tuple(values[:, 0] for values in found) if fit.flat else found

    def left_out(self, R_ix: ArrayLike, y: ArrayLike) -> Array:
        """Residuals (n, D) of the data `y` (n, D) when each row in turn is left out of the fit.

        In closed form, for the latents `R_ix` (n, d) and data of `fit`; bandwidth, ridge and inducing points
        stay. Source: Allen 1974 (PRESS).

        Raises:
            NotFittedError: before `fit`.
            ShapeError: another width than in `fit`, or another number of rows in the two.
        """
        fit: GPLMFit = check.fitted(self)
        latents = check.points(self, R_ix, reset=False)
        targets = check.array("GPLM", "y", y, (len(latents), fit.M_mX.shape[1]))
        return fit.left_out(fit.scale.apply(latents), targets)

    def jacobian(self, R_ax: ArrayLike) -> Array:
        """Derivatives (b, D, d) of what latents `R_ax` (b, d) decode to, (b, d) after a fit on (n,) targets.

        In closed form, of the decoder with all inducing points, whatever pred_k is. Warns when rows lie far
        from all of them: their derivatives are zero.
        Cost: O(b m D d) time; the result and one block of memory.

        Raises:
            NotFittedError: before `fit`.
            ShapeError: the second axis is not d.

        Example:
            >>> R_ix = np.linspace(0, 3, 100)[:, None]
            >>> GPLM(20).fit(R_ix, np.sin(R_ix)).jacobian([[0.5], [1.0]])[:, 0, 0].round(2)  # the cosine
            array([0.88, 0.54])
        """
        fit: GPLMFit = check.fitted(self)
        latents = check.points(self, R_ax, reset=False)
        n_far = fit.far(latents).sum()
        warn_if_far("GPLM.jacobian", n_far, len(latents), "rows lie", "their derivatives are zero")
        slopes = fit.slopes(latents)
        return slopes[:, 0] if fit.flat else slopes

    def metric_tensor(self, R_ax: ArrayLike) -> Array:
        """The metric J'J (b, d, d) that the decoder pulls back to latents `R_ax` (b, d), J its `jacobian`.

        A step v of latents moves what they decode to by sqrt(v' G v). O(block) memory beside the result.
        Warns when rows lie far from all inducing points: their metric is zero.
        Source: Arvanitidis, Hansen and Hauberg 2018.

        Raises:
            NotFittedError: before `fit`.
            ShapeError: the second axis is not d.
        """
        fit: GPLMFit = check.fitted(self)
        latents = check.points(self, R_ax, reset=False)
        n_far = fit.far(latents).sum()
        warn_if_far("GPLM.metric_tensor", n_far, len(latents), "rows lie", "their metric is zero")
        return pulled_back(fit.slopes, latents, fit.M_mX.shape[1])

    eps_ = Fitted[float](
        lambda fit: fit.press.bandwidth,
        "Kernel bandwidth used, in squared units of the latents (of the whitened ones if whitened).",
    )
    sigma2_ = Fitted[float](lambda fit: fit.press.ridge, "Ridge used.")
    m_ = Fitted[int](lambda fit: len(fit.z_mx), "Inducing points used.")
    rank_ = Fitted[int](lambda fit: fit.rank, "Directions of the inducing kernel above rounding noise.")
    press_ = Fitted[Choice](
        lambda fit: fit.press, "How bandwidth and ridge were chosen, with the predicted held-out error."
    )
    Z_mx_ = Fitted[Float64](
        lambda fit: fit.scale.restore(fit.z_mx),
        "(m, d) inducing points in the units of the latents passed to `fit`.",
    )
    M_mX_ = Fitted[Float64](lambda fit: fit.M_mX, "(m, D) weights of the inducing points.")
    mu_X_ = Fitted[Float64](lambda fit: fit.mu_X, "(D,) mean of the targets, zeros with center_X=False.")

    def facts(self) -> dict[str, Any]:
        """What there is to know of the fitted decoder: names in snake_case, JSON-plain values."""
        return {
            "inducing_points_m": self.m_,
            "decoder_bandwidth": self.eps_,
            "decoder_ridge": self.sigma2_,
            "rank": self.rank_,
            "predicted_error": self.press_.error,
        }


def _targets(y: ArrayLike, n: int, width: int | str | None) -> Array:
    """Checked targets (n, width), or (n,) without a width."""
    return check.array("GPLM", "y", y, (n,) if width is None else (n, width))


def _twins(latents: Array, in_sample_ix: ArrayLike | None) -> list[Array]:
    """The latents, and the second ones of the same rows if there are such."""
    if in_sample_ix is None:
        return [latents]
    return [latents, check.array("GPLM", "in_sample_ix", in_sample_ix, latents.shape)]


def _refuse_contradiction(settings_used: dict[str, Any], Z_mx: ArrayLike | None) -> None:
    strategy, eps, k_eps = (settings_used[name] for name in ("inducing", "eps", "k_eps"))
    if (strategy == "given") != (Z_mx is not None):
        got = f"inducing={strategy!r} and Z_mx {'not ' if Z_mx is None else ''}given"
        raise SettingError(f'GPLM: Z_mx must be handed to fit exactly with inducing="given"; got {got}.')
    if eps is not None and k_eps is not None:
        got = f"eps={eps} and k_eps={k_eps}"
        raise SettingError(f"GPLM: bandwidth must be given once; got {got}. Leave one out.")
