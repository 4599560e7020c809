import numpy as np

from padiff_worker.projection import projection


def test_the_numbers_never_change():
    # Both sides draw them by themselves, on whatever NumPy they have.
    np.testing.assert_array_equal(
        projection(0, (2, 2)).array, np.float32([[0.47444919, -0.79748219], [-1.59011436, -1.67479742]])
    )


def test_mean_and_variance_are_those_of_a_unit_projection():
    values = projection(1, (100_000,)).array
    assert abs(float(values.mean())) < 0.02
    assert abs(float(values.var()) - 1) < 0.02


def test_scalars_and_empty_outputs_have_one_too():
    assert projection(0, ()).array.shape == ()
    assert projection(0, (0, 3)).array.shape == (0, 3)
