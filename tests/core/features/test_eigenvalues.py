"""Eigenvalues in float32 are right to 1e-6 of the largest entry, also where two or three nearly coincide."""

import numpy as np
import pytest

from underbrush.core.features import kernels_eigen
from underbrush.core.features.kernels_vector import LANES, load, store
from underbrush.jit import kernel


@kernel(cache=False)
def run(entries, n, out):
    for k in range(0, n, LANES):
        a, b, c = load(entries, k), load(entries, n + k), load(entries, 2 * n + k)
        d, e, f = load(entries, 3 * n + k), load(entries, 4 * n + k), load(entries, 5 * n + k)
        high, centre, low = kernels_eigen.eigenvalues(a, b, c, d, e, f)
        store(out, k, high)
        store(out, n + k, centre)
        store(out, 2 * n + k, low)


def solve(matrices):
    """(n, 3, 3) float32 symmetric to (n, 3) float32, largest first; n a multiple of 64."""
    n = len(matrices)
    i, j = np.triu_indices(3)
    out = np.empty(3 * n, np.float32)
    run(np.ascontiguousarray(matrices[:, i, j].T).ravel(), n, out)
    return out.reshape(3, n).T


def matrices_with(values, seed=0):
    """Random rotations of diagonal matrices."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values), 3, 3)))
    m = np.einsum("nij,nj,nkj->nik", q, values, q)
    return ((m + m.transpose(0, 2, 1)) / 2).astype(np.float32)


def spectra(kind, n=4096):
    rng = np.random.default_rng(7)
    if kind == "random":
        return rng.standard_normal((n, 3))
    if kind == "equal pair":
        a, b = rng.standard_normal((2, n))
        return np.stack([a, a + b * 10.0 ** rng.uniform(-9, -2, n), b], axis=1)
    if kind == "all alike":
        a = rng.standard_normal(n)
        return np.stack([a, a * (1 + 1e-5 * rng.random(n)), a * (1 - 1e-6)], axis=1)
    if kind == "rank one":
        return rng.random((n, 1)) * np.array([[1.0, 0.0, 0.0]])
    return rng.standard_normal((n, 3)) * 10.0 ** rng.uniform(-18, 18, (n, 1))


@pytest.mark.parametrize("kind", ["random", "equal pair", "all alike", "rank one", "sizes"])
@pytest.mark.parametrize("sign", [1, -1])
def test_eigenvalues_are_right_and_sorted(kind, sign):
    m = matrices_with(sign * spectra(kind))
    got = solve(m)
    want = np.linalg.eigvalsh(m.astype(np.float64))[:, ::-1]
    size = np.abs(m).max((1, 2))
    assert (np.abs(got - want).max(1) <= 1e-6 * size).all()
    assert (got[:, 0] >= got[:, 1]).all() and (got[:, 1] >= got[:, 2]).all()


def test_diagonal_and_zero_matrices_are_exact_enough():
    m = np.zeros((64, 3, 3), np.float32)
    m[1, 0, 0], m[2, 1, 1], m[3, 2, 2] = 5, -5, 7
    m[4] = np.diag([3, 3, 3])
    got = solve(m)
    np.testing.assert_array_equal(got[0], 0)
    np.testing.assert_array_equal(got[4], 3)
    np.testing.assert_allclose(got[1:4], [[5, 0, 0], [0, 0, -5], [7, 0, 0]], atol=5e-6)


def test_what_is_not_finite_gives_something_and_leaves_its_neighbours_alone():
    m = matrices_with(spectra("random", 64))
    want = solve(m)
    m[5, 0, 1] = m[5, 1, 0] = np.nan
    m[9, 2, 2] = np.inf
    got = solve(m)
    keep = np.setdiff1d(np.arange(64), [5, 9])
    np.testing.assert_array_equal(got[keep], want[keep])
    assert not np.isfinite(got[9]).all()


def test_the_polynomial_is_the_sine_of_the_third_angle():
    u = np.linspace(0, 1, 1001)
    v = u * np.polynomial.polynomial.polyval(u * u, [float(c) for c in kernels_eigen._sine_of_third()])
    assert np.abs(v - np.sin(2 / 3 * np.arctan(u))).max() < 1e-7
