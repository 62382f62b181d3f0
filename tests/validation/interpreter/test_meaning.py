"""What Caffe2's operators mean where that surprises, in numbers worked out by hand; no Caffe2 and no data is needed."""

import numpy as np
import pytest

from tests.validation.caffe2_nets import net_of, single
from zoosmith.validation import ValidationError, interpret


def run(kind, *inputs, outputs=1, **arguments):
    net, feeds = single(kind, arguments, [np.asarray(x) for x in inputs], outputs)
    results = list(interpret(net, None, feeds).values())
    return results[0] if outputs == 1 else results


def row(*values):
    return np.float32(values)


def pixels(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


class TestWindows:
    @pytest.mark.parametrize(
        "spelling",
        [
            {"kernel": 2, "stride": 2},
            {"kernel_h": 2, "kernel_w": 2, "stride_h": 2, "stride_w": 2},
            {"kernels": [2, 2], "strides": [2, 2]},
        ],
    )
    def test_spellings_are_equal(self, spelling):
        assert run("MaxPool", pixels(1, 1, 4, 4), **spelling).tolist() == [[[[5, 7], [13, 15]]]]

    def test_pads_are_first_all_beginnings_then_all_ends(self):
        ones = np.ones((1, 1, 1, 1), "f4")
        by_sides = run("Conv", pixels(1, 1, 2, 2), ones, kernel=1, pad_t=1, pad_l=2, pad_b=0, pad_r=0)
        assert by_sides.tolist() == run("Conv", pixels(1, 1, 2, 2), ones, kernel=1, pads=[1, 2, 0, 0]).tolist()
        assert by_sides.tolist() == [[[[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 2, 3]]]]

    def test_one_side_alone_is_no_padding(self):
        assert run("MaxPool", pixels(1, 1, 3, 3), kernel=3, pad_t=1).shape == (1, 1, 1, 1)

    def test_caffe_pooling_rounds_up(self):
        assert run("MaxPool", row(1, 2, 3, 4).reshape(1, 1, 4), kernels=[3], strides=[2], legacy_pad=3).tolist() == [
            [[3, 4]]
        ]

    def test_caffe_pooling_drops_a_window_that_begins_in_the_padding(self):
        # Windows would begin at -1, 1 and 3, where the image has ended.
        result = run("MaxPool", row(1, 2, 3).reshape(1, 1, 3), kernels=[2], strides=[2], pads=[1, 1], legacy_pad=3)
        assert result.tolist() == [[[1, 3]]]

    def test_caffe_rounding_applies_to_convolutions(self):
        result = run(
            "Conv", np.ones((1, 1, 8, 8), "f4"), np.ones((1, 1, 3, 3), "f4"), kernel=3, stride=2, pad=1, legacy_pad=3
        )
        assert result.shape == (1, 1, 5, 5)
        assert result[0, 0, 4, 4] == 1

    def test_same_padding_puts_the_odd_pixel_at_the_end(self):
        assert run("AveragePool", row(2, 4).reshape(1, 1, 2), kernels=[2], legacy_pad=2).tolist() == [[[3, 4]]]

    def test_averages_are_over_the_pixels_inside(self):
        x = row(2, 4).reshape(1, 1, 2)
        assert run("AveragePool", x, kernels=[2], pads=[1, 1]).tolist() == [[[2, 3, 4]]]
        assert run("AveragePool", x, kernels=[2], pads=[1, 1], count_include_pad=1).tolist() == [[[1, 3, 2]]]

    def test_padding_never_wins_a_maximum(self):
        assert run("MaxPool", row(-2, -4).reshape(1, 1, 2), kernels=[2], pads=[1, 1]).tolist() == [[[-2, -2, -4]]]

    def test_global_pooling_takes_any_size(self):
        assert run("AveragePool", pixels(1, 2, 2, 2), global_pooling=1).tolist() == [[[[1.5]], [[5.5]]]]

    @pytest.mark.parametrize("arguments", [{"kernel": 2, "pad": 2}, {"kernel": 5}, {"kernel": 2, "dilation": 2}, {}])
    def test_windows_that_caffe2_refuses(self, arguments):
        with pytest.raises(ValidationError, match="MaxPool"):
            run("MaxPool", pixels(1, 1, 4, 4), **arguments)


class TestConvolution:
    def test_groups_and_dilation(self):
        x = pixels(1, 2, 1, 3)
        weights = row(1, 10, 100, 1000).reshape(2, 1, 1, 2)
        result = run("Conv", x, weights, row(0.5, -0.5), kernels=[1, 2], group=2, dilations=[1, 2])
        assert result.tolist() == [[[[20.5]], [[5299.5]]]]

    def test_a_convolution_is_the_same_with_channels_last(self):
        x, weights = np.random.RandomState(0).randn(1, 2, 4, 5), np.random.RandomState(1).randn(3, 2, 2, 2)
        first = run("Conv", x.astype("f4"), weights.astype("f4"), kernel=2)
        last = run(
            "Conv",
            x.transpose(0, 2, 3, 1).astype("f4"),
            weights.transpose(0, 2, 3, 1).astype("f4"),
            kernel=2,
            order="NHWC",
        )
        np.testing.assert_allclose(last.transpose(0, 3, 1, 2), first, rtol=1e-6)

    def test_depthwise_is_a_group_per_channel(self):
        random = np.random.RandomState(0)
        x, weights = random.randn(2, 3, 5, 5).astype("f4"), random.randn(3, 1, 3, 3).astype("f4")
        apart = [run("Conv", x[:, n : n + 1], weights[n : n + 1], kernel=3, pad=1) for n in range(3)]
        np.testing.assert_allclose(
            run("Conv", x, weights, kernel=3, pad=1, group=3), np.concatenate(apart, 1), rtol=1e-6
        )

    def test_a_large_image_in_parts_equals_its_rows(self):
        random = np.random.RandomState(0)
        x, weights = random.randn(1, 64, 128, 130).astype("f4"), random.randn(2, 64, 3, 3).astype("f4")
        whole = run("Conv", x, weights, kernel=3)
        for start in (0, 57, 125):
            part = run("Conv", x[:, :, start : start + 3], weights, kernel=3)
            np.testing.assert_allclose(whole[:, :, start : start + 1], part, rtol=1e-6)

    def test_transposed_convolution_grows_by_adj_and_shrinks_by_pads(self):
        x, ones = row(1, 2).reshape(1, 1, 1, 2), np.ones((1, 1, 1, 2), "f4")
        assert run("ConvTranspose", x, ones, kernels=[1, 2], strides=[1, 2]).tolist() == [[[[1, 1, 2, 2]]]]
        adjusted = run("ConvTranspose", x, ones, kernels=[1, 2], strides=[1, 2], adjs=[0, 1])
        assert adjusted.tolist() == [[[[1, 1, 2, 2, 0]]]]
        padded = run("ConvTranspose", x, ones, row(5), kernels=[1, 2], strides=[1, 2], pads=[0, 1, 0, 0])
        assert padded.tolist() == [[[[6, 7, 7]]]]

    def test_weights_that_do_not_fit_name_both(self):
        with pytest.raises(
            ValidationError, match=r"weights \(1, 3, 1, 1\) in 1 groups do not fit the image \(1, 2, 2, 2\)"
        ):
            run("Conv", pixels(1, 2, 2, 2), np.ones((1, 3, 1, 1), "f4"), kernel=1)


class TestBroadcasting:
    def test_broadcast_without_axis_matches_the_suffix(self):
        assert run("Add", pixels(2, 2), row(10, 20), broadcast=1).tolist() == [[10, 21], [12, 23]]

    def test_axis_aligns_the_first_dimension(self):
        assert run("Add", pixels(2, 2), row(10, 20), broadcast=1, axis=0).tolist() == [[10, 11], [22, 23]]

    def test_axis_by_letter(self):
        x = np.zeros((1, 2, 1, 2), "f4")
        assert run("Add", x, row(1, 2), broadcast=1, axis_str="C").tolist() == [[[[1, 1]], [[2, 2]]]]
        assert run("Add", x, row(1, 2), broadcast=1, axis_str="C", order="NHWC").tolist() == [[[[1, 2]], [[1, 2]]]]

    def test_ones_at_the_ends_are_stripped(self):
        result = run("Mul", np.ones((2, 3, 2), "f4"), row(1, 2, 3).reshape(1, 3, 1), broadcast=1, axis=0)
        assert result[:, :, 0].tolist() == [[1, 2, 3]] * 2

    def test_ones_inside_are_not(self):
        with pytest.raises(ValidationError, match="does not fit"):
            run("Mul", np.ones((2, 3, 2), "f4"), np.ones((2, 1, 2), "f4"), broadcast=1)

    def test_without_broadcast_axis_is_ignored_and_numpy_rules_hold(self):
        assert run("Add", pixels(2, 2), row(10, 20), axis=0).tolist() == [[10, 21], [12, 23]]
        assert run("Add", row(1, 2).reshape(2, 1), row(10, 20)).tolist() == [[11, 21], [12, 22]]

    def test_operands_of_two_types(self):
        with pytest.raises(ValidationError, match="float64 and int32"):
            run("Add", pixels(2), np.int32([1, 2]))


class TestNumbers:
    def test_integer_division_truncates(self):
        assert run("Div", np.int64([7, -7, 7, -7]), np.int64([2, 2, -2, -2])).tolist() == [3, -3, -3, 3]

    def test_integer_division_by_zero_is_refused(self):
        with pytest.raises(ValidationError, match="division by zero"):
            run("Div", np.int64([1]), np.int64([0]))

    def test_integers_wrap(self):
        assert run("Add", np.int32([2**31 - 1]), np.int32([1])).tolist() == [-(2**31)]

    def test_casts_truncate(self):
        assert run("Cast", row(1.9, -1.9, 0.5), to=2).tolist() == [1, -1, 0]
        assert run("Cast", row(0, 0.5, -3), to="bool").tolist() == [False, True, True]
        assert run("Cast", row(300, -1), to="UINT8").tolist() == [44, 255]

    def test_casts_beyond_the_range_give_the_least_integer(self):
        assert run("Cast", row(3e9, np.nan), to=2).tolist() == [-(2**31)] * 2
        assert run("Cast", row(1e30), to=10).tolist() == [-(2**63)]

    def test_softplus_overflows(self):
        assert run("Softplus", row(0, 88, 89)).tolist() == [np.float32(np.log(2)), 88, np.inf]

    def test_decisions_are_taken_on_float32_values(self):
        # 0.1 + 0.2 is not 0.3 in float64, and 4.35 * 100 is below 435.
        total = net_of(("Add", "x y", "s"), ("GE", "s z", "o"), inputs="x y z", outputs="o")
        feeds = {"x": row(0.1), "y": row(0.2), "z": row(0.3)}
        assert interpret(total, None, feeds)["o"].tolist() == [True]
        scaled = net_of(("Scale", "x", "s", {"scale": 100.0}), ("Floor", "s", "o"), outputs="o")
        assert interpret(scaled, None, {"x": row(4.35)})["o"].tolist() == [435]

    def test_local_response_normalization_without_arguments_is_the_identity(self):
        x = pixels(1, 3, 1, 1)
        assert run("LRN", x, size=3).tolist() == x.tolist()

    def test_local_response_normalization_sums_before_and_after(self):
        y, base = run("LRN", np.ones((1, 3, 1, 1), "f4"), outputs=2, size=2, alpha=2.0, beta=1.0, bias=1.0)
        assert base.ravel().tolist() == [3, 3, 2]
        np.testing.assert_allclose(y.ravel(), [1 / 3, 1 / 3, 1 / 2])

    def test_batch_normalization_uses_the_stated_statistics_and_refuses_training(self):
        x = row(1, 5).reshape(1, 1, 2)
        result = run("SpatialBN", x, row(2), row(1), row(3), row(3.0), is_test=1, epsilon=1.0)
        assert result.ravel().tolist() == [-1, 3]
        with pytest.raises(ValidationError, match="training"):
            run("SpatialBN", x, row(2), row(1), row(3), row(3.0))

    def test_layer_normalization_gives_mean_and_deviation(self):
        y, mean, deviation = run("LayerNorm", row(1, 3).reshape(1, 2), outputs=3, epsilon=0.0)
        assert (y.tolist(), mean.tolist(), deviation.tolist()) == ([[-1, 1]], [[2]], [[1]])

    def test_softmax_flattens_from_its_axis(self):
        assert run("Softmax", np.zeros((1, 2, 2), "f4")).tolist() == [[[0.25, 0.25], [0.25, 0.25]]]
        assert run("Softmax", np.zeros((1, 2, 2), "f4"), axis=2).tolist() == [[[0.5, 0.5], [0.5, 0.5]]]

    def test_constants_are_int64_where_the_value_is_an_integer(self):
        assert run("ConstantFill", shape=[2]).dtype == np.float32
        assert run("ConstantFill", shape=[2], value=3).dtype == np.int64
        assert run("ConstantFill", shape=[2], value=1, dtype=5).tolist() == [True, True]


class TestMatrices:
    def test_fully_connected_keeps_the_dimensions_before_its_axis(self):
        x, weights = pixels(2, 1, 2), row(1, 10).reshape(1, 2)
        assert run("FC", x, weights, row(0.5), axis=2).tolist() == [[[10.5]], [[32.5]]]
        assert run("FC", pixels(2), weights, row(0.5), axis=0).shape == (1,)
        assert run("FCTransposed", x, weights.T, row(0.5), axis=-1).tolist() == [[[10.5]], [[32.5]]]

    def test_large_weights_are_taken_piece_by_piece(self):
        random = np.random.RandomState(0)
        x, weights, bias = (random.randn(*shape).astype("f4") for shape in ((2, 2048), (3001, 2048), (3001,)))
        expected = x.astype("f8") @ weights.T.astype("f8") + bias
        np.testing.assert_array_equal(run("FC", x, weights, bias), expected.astype("f4"))

    def test_matrix_products_flatten_and_never_batch(self):
        assert run("MatMul", pixels(2, 3, 4), np.ones((12, 5), "f4")).shape == (2, 5)

    def test_the_product_of_two_vectors_has_one_element(self):
        assert run("BatchMatMul", row(1, 2), row(3, 4)).tolist() == [11]

    def test_distances_are_sums_over_a_row(self):
        a, b = row(1, 2, 3, 4).reshape(2, 2), row(2, 0, 3, 8).reshape(2, 2)
        assert run("L1Distance", a, b).tolist() == [3, 4]
        assert run("SquaredL2Distance", a, b).tolist() == [2.5, 8]
        assert run("CosineSimilarity", row(3, 4).reshape(1, 2), row(4, 3).reshape(1, 2)).tolist() == [np.float32(0.96)]

    def test_dot_products_are_elementwise_on_vectors(self):
        assert run("DotProduct", row(1, 2), row(3, 4)).tolist() == [3, 8]
        assert run("DotProduct", np.ones((2, 3, 4), "f4"), np.ones((2, 3, 4), "f4")).tolist() == [12, 12]


class TestShapes:
    def test_negative_slice_ends_count_from_one_past_the_dimension(self):
        assert run("Slice", row(0, 1, 2, 3), starts=[1], ends=[-1]).tolist() == [1, 2, 3]
        assert run("Slice", row(0, 1, 2, 3), starts=[-3], ends=[-2]).tolist() == [2]

    def test_only_one_dimension_is_sliced(self):
        with pytest.raises(ValidationError, match="more than one dimension"):
            run("Slice", pixels(3, 3), starts=[1, 1], ends=[-1, -1])

    def test_split_information_is_int32_and_the_old_shape_follows_the_shape_blob(self):
        assert run("Concat", pixels(2, 1), pixels(2, 3), outputs=2, axis=1)[1].dtype == np.int32
        assert run("Reshape", pixels(2, 3), outputs=2, shape=[-1])[1].dtype == np.int64
        assert run("Reshape", pixels(2, 3), np.int32([3, 2]), outputs=2)[1].dtype == np.int32

    def test_reshape_keeps_dimensions_for_zeros(self):
        assert run("Reshape", pixels(2, 3, 4), shape=[0, -1]).shape == (2, 12)

    def test_the_axis_of_concatenation_follows_the_order(self):
        x = pixels(1, 2, 2, 2)
        assert run("Concat", x, x, outputs=2)[0].shape == (1, 4, 2, 2)
        assert run("Concat", x, x, outputs=2, order="NHWC")[0].shape == (1, 2, 2, 4)
        with pytest.raises(ValidationError, match="exclude each other"):
            run("Concat", x, x, outputs=2, order="NHWC", axis=1)

    def test_add_axis_stacks_and_unstacks(self):
        stacked, sizes = run("Concat", row(1, 2), row(3, 4), outputs=2, axis=1, add_axis=1)
        assert (stacked.tolist(), sizes.tolist()) == ([[1, 3], [2, 4]], [1, 1])
        assert [part.tolist() for part in run("Split", stacked, outputs=2, axis=1, add_axis=1)] == [[1, 2], [3, 4]]

    def test_tiles_given_as_int64_repeat_the_first_dimension(self):
        x = pixels(1, 2)
        assert run("Tile", x, np.int32([2]), axis=1).shape == (1, 4)
        assert run("Tile", x, np.int64([2]), axis=1).shape == (2, 2)

    def test_negative_padding_crops_what_is_reflected_from_the_whole_image(self):
        x = pixels(1, 1, 1, 4)
        assert run("PadImage", x, pads=[0, -1, 0, 1], value=9.0).tolist() == [[[[1, 2, 3, 9]]]]
        assert run("PadImage", x, pads=[0, 3, 0, -2], mode="reflect").tolist() == [[[[3, 2, 1, 0, 1]]]]
        assert run("PadImage", x, pads=[0, 1, 0, 1], mode="edge").tolist() == [[[[0, 0, 1, 2, 3, 3]]]]

    def test_parts_by_lengths_are_as_long_as_their_share_of_the_lengths(self):
        parts = run("SplitByLengths", row(0, 1, 2, 3, 4, 5), np.int32([1, 0, 2, 1, 1, 1]), outputs=3, axis=0)
        assert [part.tolist() for part in parts] == [[0], [1, 2, 3], [4, 5]]

    def test_space_to_batch_takes_the_pixels_of_each_block_to_images_of_their_own(self):
        x = pixels(2, 1, 2, 4)
        result = run("SpaceToBatch", x, block_size=2)
        assert result.shape == (8, 1, 1, 2)
        # the batch comes last: pixel (0, 0) of both images, then (0, 1), (1, 0) and (1, 1)
        assert result[:, 0, 0].tolist() == [[0, 2], [8, 10], [1, 3], [9, 11], [4, 6], [12, 14], [5, 7], [13, 15]]
        padded = run("SpaceToBatch", 5 + pixels(1, 1, 1, 1), block_size=3, pad=1)
        assert padded.ravel().tolist() == [0, 0, 0, 0, 5, 0, 0, 0, 0]
        assert run("BatchToSpace", result, block_size=2).tolist() == x.tolist()
        with pytest.raises(ValidationError, match="block_size 3 does not divide"):
            run("SpaceToBatch", x, block_size=3)

    def test_of_the_sides_batch_to_space_reads_the_top_only(self):
        x = pixels(4, 1, 1, 1)
        assert run("BatchToSpace", x, block_size=2).tolist() == [[[[0, 1], [2, 3]]]]
        assert run("BatchToSpace", x, block_size=2, pad_t=1, pad_l=1).tolist() == [[[[2, 3]]]]

    def test_channel_shuffle_exchanges_groups_and_channels(self):
        assert run("ChannelShuffle", pixels(1, 4, 1), group=2).ravel().tolist() == [0, 2, 1, 3]


class TestReductionsAndIndices:
    def test_reductions_keep_dimensions_by_default(self):
        assert run("ReduceSum", pixels(2, 2), axes=[1]).tolist() == [[1], [5]]
        assert run("ReduceSum", pixels(2, 2), axes=[-1], keepdims=0).tolist() == [1, 5]

    def test_reductions_from_an_end_drop_them(self):
        assert run("ReduceBackMean", pixels(2, 2), num_reduce_dim=2).shape == ()
        assert run("ReduceFrontSum", pixels(2, 2)).tolist() == [2, 4]
        assert run("ReduceBackSum", pixels(2, 3), np.int32([1, 2])).tolist() == [0, 7]

    def test_the_first_of_equals_wins(self):
        assert run("ArgMax", row(1, 3, 3)).tolist() == [1]
        assert run("ArgMin", row(3, 1, 1), keepdims=0).tolist() == 1

    def test_top_k_beyond_the_dimension(self):
        values, indices, flat = run("TopK", row(1, 2, 2).reshape(1, 3), outputs=3, k=4)
        assert values.tolist() == [[2, 2, 1, 0]]
        assert indices.tolist() == [[1, 2, 0, -1]]
        assert flat.tolist() == [1, 2, 0, -1]

    def test_gather_counts_from_the_end(self):
        assert run("Gather", row(1, 2, 3), np.int32([-1, 0])).tolist() == [3, 1]
        with pytest.raises(ValidationError, match="outside of a dimension of 3"):
            run("Gather", row(1, 2, 3), np.int32([3]))

    def test_where_by_rows(self):
        result = run("Where", np.bool_([True, False]), pixels(2, 2), -pixels(2, 2), broadcast_on_rows=1)
        assert result.tolist() == [[0, 1], [-2, -3]]

    def test_integer_ranges_downwards_stop_early(self):
        assert run("Range", np.int32([9]), np.int32([0]), np.int32([-2])).tolist() == [9, 7, 5, 3]
        assert run("Range", row(9), row(0), row(-2)).tolist() == [9, 7, 5, 3, 1]


class TestResizing:
    def test_nearest_is_floored(self):
        x = row(0, 1, 2).reshape(1, 1, 1, 3)
        assert run("ResizeNearest", x, width_scale=1.5).tolist() == [[[[0, 0, 1, 2]]]]

    def test_bilinear_aligns_corners(self):
        x = row(0, 3).reshape(1, 1, 1, 2)
        assert run("UpsampleBilinear", x, width_scale=2.0).tolist() == [[[[0, 1, 2, 3]]]]
        assert run("UpsampleBilinear", x, np.float32([1, 2])).tolist() == [[[[0, 1, 2, 3]]]]
